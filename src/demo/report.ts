/** What `typeswan demo --json` prints. */
export interface DemoReport {
  /** `loopback`: one process, in-memory TUN devices. `netns`: two processes, two network namespaces, real devices. */
  readonly kind: 'loopback' | 'netns'
  /** Everything below came out as it should. */
  readonly ok: boolean
  /** What did not, one line each. */
  readonly problems: readonly string[]
  readonly established: boolean
  /** Proposal keywords, for example `aes128gcm16-prfsha256-x25519`. */
  readonly ikeSuite: string
  readonly espSuite: string
  /** Inner packets of the bulk transfer. */
  readonly packetsSent: number
  readonly packetsReceived: number
  /** Datagrams with one octet changed, and datagrams sent a second time, that the receiver dropped and counted. 0 for `netns`, which sends none. */
  readonly tamperedDropped: number
  readonly replayedDropped: number
  /** 10^6 bits of inner packets (netns: of the TCP stream) in a second. */
  readonly mbps: number
  readonly durationMs: number
  readonly pingsSent: number
  readonly pingsReceived: number
  /** IKE messages that went over the wire, from the first to the last. */
  readonly ikeMessages: number
  /** Both sides end without SAs, policies, devices and namespaces. */
  readonly cleanEnd: boolean
}

/** A report in the making: the steps of the demo fill it in. */
export type DemoDraft = { -readonly [K in keyof DemoReport]: DemoReport[K] } & { problems: string[] }

/** Nothing has happened yet. */
export function newDraft(kind: DemoReport['kind']): DemoDraft {
  return {
    kind,
    ok: false,
    problems: [],
    established: false,
    ikeSuite: '',
    espSuite: '',
    packetsSent: 0,
    packetsReceived: 0,
    tamperedDropped: 0,
    replayedDropped: 0,
    mbps: 0,
    durationMs: 0,
    pingsSent: 0,
    pingsReceived: 0,
    ikeMessages: 0,
    cleanEnd: false,
  }
}
