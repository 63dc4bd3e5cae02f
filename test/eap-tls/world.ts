import { readFileSync } from 'node:fs'
import {
  type EapMethod,
  type EapPeerOptions,
  type EapPeerResult,
  EapPeerSession,
  type EapServerOptions,
  type EapServerResult,
  EapServerSession,
} from '../../src/eap/index.ts'
import type { EapTlsOptions, TlsVersion } from '../../src/eap-tls/index.ts'
import { worldWith } from '../eap/conversation.ts'

/** A file of `certificates`, as text. */
export const file = (name: string): string => readFileSync(new URL(`certificates/${name}`, import.meta.url), 'utf8')

/** Certificate and key of one name there. */
export const holder = (name: string) => ({ certificates: [file(`${name}.pem`)], key: file(`${name}.key`) })

export const ca = [file('ca.pem')]

/** How our server stands in each test. */
export const serverOptions: EapTlsOptions = { ca, ...holder('server') }

/** How our peer stands in each test: it expects that server. */
export const peerOptions: EapTlsOptions = { ca, ...holder('alice'), serverNames: ['aaa.example.org'] }

export const versions: readonly TlsVersion[] = ['1.2', '1.3']

/** No more and no less than this TLS version. */
export const only = (version: TlsVersion): EapTlsOptions => ({ minimumVersion: version, maximumVersion: version })

export interface Sides {
  readonly server: EapMethod | readonly EapMethod[]
  readonly peer: EapMethod | readonly EapMethod[]
  readonly mtu?: number
  readonly serverRest?: Partial<EapServerOptions>
  readonly peerRest?: Partial<EapPeerOptions>
  /** Changes what is under way. */
  readonly meddle?: (packet: Uint8Array, by: 'server' | 'peer', round: number) => Uint8Array
}

export interface Outcome {
  readonly server: EapServerResult
  readonly peer: EapPeerResult
  readonly packets: readonly Uint8Array[]
}

/** Both sides until one of them is done; nothing of them is left then. */
export async function converse(sides: Sides): Promise<Outcome> {
  const world = { ...worldWith(), mtu: sides.mtu ?? 1400 }
  const server = new EapServerSession({
    world,
    methods: [sides.server].flat(),
    credentials: {},
    identity: undefined,
    maxRounds: 1000,
    ...sides.serverRest,
  })
  const peer = new EapPeerSession({
    world,
    methods: [sides.peer].flat(),
    credentials: {},
    identity: 'alice@example.org',
    maxRounds: 1000,
    ...sides.peerRest,
  })
  const packets: Uint8Array[] = []
  const carry = (packet: Uint8Array, by: 'server' | 'peer') => {
    const carried = sides.meddle?.(packet, by, packets.length) ?? packet
    packets.push(carried)
    return carried
  }
  try {
    let asked = await server.begin()
    for (;;) {
      const answered = await peer.receive(carry(asked.packet, 'server'))
      if (asked.kind !== 'send' || answered.kind !== 'send') return { server: asked, peer: answered, packets }
      asked = await server.receive(carry(answered.packet, 'peer'))
    }
  } finally {
    server.destroy()
    peer.destroy()
  }
}

/** The MSK that both have; throws what went wrong otherwise. */
export function sharedKey({ server, peer }: Outcome): Uint8Array {
  if (server.kind !== 'success' || peer.kind !== 'success') throw new Error(JSON.stringify({ server, peer }))
  if (Buffer.compare(server.msk!, peer.msk!) !== 0) throw new Error('the keys differ')
  return server.msk!
}

/** The sentences of both about a failure. */
export const failures = ({ server, peer }: Outcome): { server?: string; peer?: string } => ({
  ...('message' in server && { server: server.message }),
  ...('message' in peer && { peer: peer.message }),
})
