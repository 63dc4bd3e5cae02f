import { Integ, transformName } from '../crypto/transforms.ts'
import { innerMtuOf } from '../datapath/index.ts'
import type { UdpBackend } from '../dgram-ext/index.ts'
import { formatIdentity } from '../ike/auth/identity.ts'
import type { AuthStatus, ChildSaStatus, IkeSaStatus } from '../ike/events.ts'
import { formatIp, formatRange, formatSocketAddress } from '../ip/index.ts'
import type { TunDevice, TunStats } from '../tap-tun/index.ts'
import type { TcpPaths, TcpStats } from '../tcp-encap/index.ts'
import {
  PolicyDirection,
  StatePhase,
  type Xfrm,
  type XfrmCounterName,
  type XfrmPolicy,
  type XfrmState,
  type XfrmStateFlags,
} from '../xfrm/index.ts'
import type { RefusalHistory, RefusalReport } from './refusal-history.ts'
import type { PathStats, UdpPaths } from './udp-paths.ts'
import { version } from './version.ts'

/**
 * What `typeswan status --json` prints: plain JSON, no keys and no nonces. Addresses, ranges and identities are text, SPIs of ESP
 * are eight hexadecimal digits, ages and times are milliseconds, sizes are octets. Absent values are null.
 */
export interface EndpointStatus {
  readonly version: string
  readonly pid: number
  readonly uptimeMs: number
  readonly listen: ListenReport
  readonly tun: TunReport | null
  /** Names of the configured connections. */
  readonly connections: readonly string[]
  readonly ikeSas: readonly IkeSaReport[]
  readonly states: readonly StateReport[]
  readonly policies: readonly PolicyReport[]
  /** What was refused lately, by us or by peers, the newest first. */
  readonly refusals: readonly RefusalReport[]
  /** By the names of /proc/net/xfrm_stat: packets dropped by reason. */
  readonly xfrmStats: Readonly<Record<XfrmCounterName, number>>
  readonly udp: UdpReport
  readonly tcp: TcpReport
}

/** TCP connections that carry IKE and ESP. RFC 9329. */
export interface TcpReport extends Readonly<TcpStats> {
  /** That peers may call; null for none. */
  readonly port: number | null
  readonly connections: number
}

export interface ListenReport {
  readonly addresses: readonly string[]
  readonly ikePort: number
  readonly natPort: number
}

export interface TunReport extends TunStats {
  readonly name: string
  readonly mtu: number
}

export interface UdpReport extends PathStats {
  /** `sendmsg`, or `node:dgram`: which neither sets nor knows what IP headers say, and hears of no ICMP error. */
  readonly backend: UdpBackend
  /** Plain ESP (IP protocol 50) can be sent and taken. */
  readonly plainEsp: boolean
  readonly datagramsReceived: number
  readonly datagramsSent: number
  readonly sendErrors: number
  readonly sendDrops: number
}

export interface IkeSaReport {
  readonly id: number
  readonly connection: string
  /** `connecting`, `established`, `deleting`; while it is rekeyed also `undecided` and `superseded`, each an entry of its own. */
  readonly state: string
  readonly role: 'initiator' | 'responder'
  /** 16 hexadecimal digits. */
  readonly SPIi: string
  readonly SPIr: string
  /** `address:port`. */
  readonly local: string
  readonly remote: string
  readonly localId: string
  readonly remoteId: string | null
  /** How both ends have proved themselves: `psk`, `pubkey`, `eap`, `eap-only`, `null`, for each round. */
  readonly auth: AuthStatus
  /** Proposal keywords, for example `aes128gcm16-prfsha256-ecp256`; empty before the choice. */
  readonly suite: string
  readonly natLocal: boolean
  readonly natRemote: boolean
  /** ESP goes in UDP. */
  readonly encap: boolean
  readonly ageMs: number | null
  /** Our addresses inside, which the peer gave us. */
  readonly virtualIps: readonly string[]
  /** The peer's addresses inside, which we gave it. */
  readonly assignedIps: readonly string[]
  readonly children: readonly ChildSaReport[]
}

export interface ChildSaReport {
  readonly name: string
  readonly state: string
  readonly reqid: number
  readonly spiIn: string
  readonly spiOut: string
  readonly suite: string
  readonly esn: boolean
  /** The one whose packets it carries; null for one that carries those of all. */
  readonly worker: number | null
  readonly localTs: readonly string[]
  readonly remoteTs: readonly string[]
  readonly ageMs: number | null
  /** Inner packets and octets that went through, of the installed states. */
  readonly packetsIn: number
  readonly packetsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

export interface StateReport {
  readonly spi: string
  readonly direction: 'in' | 'out'
  /** `larval` holds an SPI until the keys are there. */
  readonly phase: 'larval' | 'valid' | 'dead'
  readonly reqid: number
  readonly saddr: string
  readonly daddr: string
  readonly encap: { readonly sport: number; readonly dport: number } | null
  /** Names of the IANA registry, for example `ENCR_AES_GCM_16`. */
  readonly encr: string
  readonly integ: string | null
  readonly esn: boolean
  readonly replayWindow: number
  readonly packets: number
  readonly bytes: number
  /** Packets that came a second time, and those older than the window. */
  readonly replayDrops: number
  readonly replayWindowDrops: number
  readonly integrityFailures: number
  readonly mode: 'tunnel' | 'transport' | 'beet'
  /** Options of the state that are not at their defaults, by their names in the library. */
  readonly flags: XfrmStateFlags
  /** Outbound: the largest outer IP packet, and the largest inner ones of both families that make no larger one; null where that is not known. */
  readonly pathMtu: number | null
  readonly innerMtu: { readonly ipv4: number; readonly ipv6: number } | null
  /** Largest TCP segment that is let through; null: any. */
  readonly mssClamp: number | 'path' | null
  readonly df: 'copy' | 'set' | 'clear'
  /** Inbound: pairs of ECN codepoints that must not be. */
  readonly ecnAlarms: number
  readonly ageMs: number
  /** Since the last packet; null when there was none. */
  readonly idleMs: number | null
  readonly label: string
}

export interface PolicyReport {
  readonly index: number
  readonly direction: 'in' | 'out' | 'fwd'
  readonly source: string
  readonly destination: string
  /** 0 is any. */
  readonly protocol: number
  readonly sourcePort: { readonly first: number; readonly last: number }
  readonly destinationPort: { readonly first: number; readonly last: number }
  readonly action: 'allow' | 'block'
  readonly priority: number
  /** Null: bypass. */
  readonly template: { readonly saddr: string; readonly daddr: string; readonly reqid: number } | null
  readonly label: string
}

/** The parts of an endpoint that its status is read from. `now` and `startedAt` are monotonic ms. */
export interface StatusSources {
  readonly now: number
  readonly startedAt: number
  readonly connections: readonly string[]
  readonly ikeSas: readonly IkeSaStatus[]
  readonly xfrm: Xfrm
  readonly paths: UdpPaths
  readonly streams: TcpPaths
  readonly tun: TunDevice | undefined
  readonly refusals: RefusalHistory
}

/** Takes the status at this moment; nothing in it changes later. */
export function reportStatus(sources: StatusSources): EndpointStatus {
  const { now, xfrm, paths, streams, tun } = sources
  const states = [...xfrm.states()]
  return {
    version,
    pid: process.pid,
    uptimeMs: Math.round(now - sources.startedAt),
    listen: { addresses: paths.addresses.map(formatIp), ikePort: paths.ports.ike, natPort: paths.ports.nat },
    tun: tun === undefined ? null : { name: tun.name, mtu: tun.mtu, ...tun.stats },
    connections: sources.connections,
    ikeSas: sources.ikeSas.map((sa) => reportIkeSa(sa, states, now)),
    states: states.map((state) => reportState(state, now)),
    policies: [...xfrm.policies()].map(reportPolicy),
    refusals: sources.refusals.report(now),
    xfrmStats: xfrm.stats.snapshot(),
    udp: { backend: paths.backend, plainEsp: paths.plainEsp, ...paths.stats, ...paths.totals() },
    tcp: { port: streams.port ?? null, connections: streams.size, ...streams.stats },
  }
}

function reportIkeSa(sa: IkeSaStatus, states: readonly XfrmState[], now: number): IkeSaReport {
  const { state, role, SPIi, SPIr, auth, suite, natLocal, natRemote, encap } = sa
  return {
    id: sa.sa.id,
    connection: sa.sa.connection,
    state,
    role,
    SPIi,
    SPIr,
    local: formatSocketAddress(sa.local),
    remote: formatSocketAddress(sa.remote),
    localId: formatIdentity(sa.localId),
    remoteId: sa.remoteId === undefined ? null : formatIdentity(sa.remoteId),
    auth,
    suite,
    natLocal,
    natRemote,
    encap,
    ageMs: ageOf(sa.establishedAt, now),
    virtualIps: (sa.virtualIps ?? []).map(formatIp),
    assignedIps: (sa.assignedIps ?? []).map(formatIp),
    children: sa.children.map((child) => reportChild(child, states, now)),
  }
}

function reportChild(child: ChildSaStatus, states: readonly XfrmState[], now: number): ChildSaReport {
  const installed = (direction: 'in' | 'out', spi: number) =>
    states.find((state) => state.direction === direction && state.spi === spi && state.reqid === child.reqid)
  const inbound = installed('in', child.spiIn)
  const outbound = installed('out', child.spiOut)
  return {
    name: child.name,
    state: child.state,
    reqid: child.reqid,
    spiIn: formatSpi(child.spiIn),
    spiOut: formatSpi(child.spiOut),
    suite: child.suite,
    esn: child.esn,
    worker: child.worker ?? null,
    localTs: child.localTs,
    remoteTs: child.remoteTs,
    ageMs: ageOf(child.installedAt, now),
    packetsIn: inbound?.packets ?? 0,
    packetsOut: outbound?.packets ?? 0,
    bytesIn: inbound?.bytes ?? 0,
    bytesOut: outbound?.bytes ?? 0,
  }
}

const phaseNames = { [StatePhase.LARVAL]: 'larval', [StatePhase.VALID]: 'valid', [StatePhase.DEAD]: 'dead' } as const

function reportState(state: XfrmState, now: number): StateReport {
  const { direction, reqid, encap, esn, replayWindow, packets, bytes, label } = state
  const { replayDrops, replayWindowDrops, integrityFailures } = state
  return {
    spi: formatSpi(state.spi),
    direction,
    phase: phaseNames[state.phase],
    reqid,
    saddr: formatIp(state.saddr),
    daddr: formatIp(state.daddr),
    encap: encap === undefined ? null : { sport: encap.sport, dport: encap.dport },
    encr: encrName(state.encrId),
    integ: state.integId === Integ.NONE ? null : transformName(3, state.integId),
    esn,
    replayWindow,
    packets,
    bytes,
    replayDrops,
    replayWindowDrops,
    integrityFailures,
    mode: state.mode,
    flags: state.flags,
    ...reportPath(state),
    ecnAlarms: state.ecnAlarms,
    ageMs: Math.round(now - state.addedAt),
    idleMs: state.usedAt < 0 ? null : Math.round(now - state.usedAt),
    label,
  }
}

function reportPath(state: XfrmState): Pick<StateReport, 'pathMtu' | 'innerMtu' | 'mssClamp' | 'df'> {
  const { df = 'copy', mss = null } = state.path
  const isKnown = state.direction === 'out' && state.pathMtu !== Number.POSITIVE_INFINITY
  return {
    pathMtu: isKnown ? state.pathMtu : null,
    innerMtu: isKnown ? { ipv4: innerMtuOf(state, 4), ipv6: innerMtuOf(state, 6) } : null,
    mssClamp: mss,
    df,
  }
}

/** A larval state has no transform yet. */
const encrName = (id: number): string => (id === 0 ? '' : transformName(1, id))

const directionNames = {
  [PolicyDirection.IN]: 'in',
  [PolicyDirection.OUT]: 'out',
  [PolicyDirection.FWD]: 'fwd',
} as const

function reportPolicy(policy: XfrmPolicy): PolicyReport {
  const { selector, template } = policy
  return {
    index: policy.index,
    direction: directionNames[policy.direction],
    source: formatRange(selector.source),
    destination: formatRange(selector.destination),
    protocol: selector.protocol,
    sourcePort: { first: selector.sourcePort.first, last: selector.sourcePort.last },
    destinationPort: { first: selector.destinationPort.first, last: selector.destinationPort.last },
    action: policy.block ? 'block' : 'allow',
    priority: policy.priority,
    template:
      template === undefined
        ? null
        : { saddr: formatIp(template.saddr), daddr: formatIp(template.daddr), reqid: template.reqid },
    label: policy.label,
  }
}

const ageOf = (at: number | undefined, now: number): number | null => (at === undefined ? null : Math.round(now - at))

/** Eight hexadecimal digits. */
export const formatSpi = (spi: number): string => (spi >>> 0).toString(16).padStart(8, '0')
