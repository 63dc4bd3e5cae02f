import type { IpAddress, SocketAddress } from '../ip/address.ts'

/**
 * The seam between IKE and the SA and policy database: the verbs of Linux' XFRM netlink interface. No call waits for an
 * answer, so the other side may be in memory, behind a message port, a recorder in a test, or a kernel. All byte arrays
 * are copied by the receiver of a call. Numbers of octets and packets are plain numbers (below 2^53).
 */
export interface XfrmPort {
  /** True for a side that carries transport mode as well. */
  readonly carriesTransport?: boolean
  /** True for a side that sends and takes ESP without UDP as well. */
  readonly carriesPlainEsp?: boolean
  /** Makes a larval inbound state, so that the SPI is taken. IKE chooses the SPI; a duplicate is refused with `UsageError`. */
  allocSpi(larval: LarvalState): void
  /** Installs a state; replaces the larval one of the same (daddr, spi). Any other duplicate is refused with `UsageError`. */
  newSa(state: XfrmStateConfig): void
  /**
   * Changes addresses or encapsulation ports of an installed state (a moved peer, a new NAT mapping). Unknown ids are ignored; a
   * new (daddr, spi) that another state has is refused with `UsageError`.
   */
  updSa(id: XfrmStateId, change: XfrmStateChange): void
  /** Removes a state, larval ones too, and wipes its keys. Unknown ids are ignored. */
  delSa(id: XfrmStateId): void
  /**
   * When the last packet used a state, authenticated ones only, in the ms of the caller's clock; -1 for never. A side that cannot
   * tell without waiting leaves it out.
   */
  lastUsed?(id: XfrmStateId): number
  /** Leaves out `count` sequence numbers of an outbound state, or all that are left when they are fewer. Unknown ids are ignored. */
  skipSequence(id: XfrmStateId, count: number): void
  /** Installs a policy; `index` names it in later calls. A duplicate index is refused with `UsageError`. */
  newPolicy(policy: XfrmPolicyConfig): void
  /** Changes all but the direction of the policy of this index; installs it when there is none. */
  updPolicy(policy: XfrmPolicyConfig): void
  /** Removes a policy; packets that wait for its state are dropped. An unknown index is ignored. */
  delPolicy(index: number): void
  /**
   * Moves a policy's templates and their states to other addresses at once. Throws `UsageError`, and changes nothing, when there is no such
   * policy or template, or an SPI is taken where it goes. A side that cannot leaves it out.
   */
  migrate?(request: MigrateRequest): void
}

/** Where one SA and its template go: XFRMA_MIGRATE of Linux' XFRM_MSG_MIGRATE. */
export interface Migration {
  readonly oldSaddr: IpAddress
  readonly oldDaddr: IpAddress
  readonly newSaddr: IpAddress
  readonly newDaddr: IpAddress
  readonly proto: number
  readonly mode: XfrmMode
  /** 0: any. */
  readonly reqid: number
}

/** Which policy moves, and where its templates and their states go. */
export interface MigrateRequest {
  /** The policy is the one that a packet of its first addresses and ports meets. */
  readonly selector: XfrmSelector
  readonly direction: 'in' | 'out' | 'fwd'
  readonly type?: 'main' | 'sub'
  /** Absent or 0: policies of no interface, states of any. */
  readonly ifId?: number
  /** The ports of states that are in UDP. */
  readonly encap?: UdpEncap
  /** 1 to 6. */
  readonly migrations: readonly Migration[]
}

/** What the database tells IKE. All are one-shot: one acquire until it is answered, one soft and one hard expire per state. */
export interface XfrmListener {
  /** An outbound packet met a policy whose template has no state. */
  acquire(acquire: XfrmAcquire): void
  /** A state reached its soft (rekey it) or hard (it is gone) limit. */
  expire(expire: XfrmExpire): void
  /** A packet came with an SPI that no state has; told at most once a second. A side that does not care leaves it out. */
  unknownSpi?(packet: XfrmUnknownSpi): void
  /** An authenticated packet came from another outer address or port than the state's. */
  mapping(mapping: XfrmMapping): void
}

/** `proto` is 50 for ESP. States with different marks may share the rest. */
export interface XfrmStateId {
  readonly daddr: IpAddress
  readonly spi: number
  readonly proto: number
  /** Only packets and policies with this mark see it. Absent: mark 0, mask 0. */
  readonly mark?: XfrmMark | undefined
}

export interface LarvalState extends XfrmStateId {
  readonly saddr: IpAddress
  readonly reqid: number
  /** The number of the acquire that it is to answer; 0 or absent for none. */
  readonly seq?: number
}

/** Where `saddr`, `daddr` are the outer addresses and the ports of `encap` the outer UDP ports, seen in the direction of the packet. */
export interface XfrmStateConfig extends XfrmStateId {
  readonly direction: 'in' | 'out'
  readonly saddr: IpAddress
  /** Ties states to policies' templates; equal for both directions of one CHILD_SA. Not 0. */
  readonly reqid: number
  readonly mode: XfrmMode
  readonly encr: { readonly id: number; readonly key: Uint8Array; readonly salt: Uint8Array }
  /** Absent for AEADs. */
  readonly integ?: { readonly id: number; readonly key: Uint8Array }
  readonly esn: boolean
  /** Anti-replay window in packets; inbound only. */
  readonly replayWindow: number
  readonly encap?: UdpEncap
  /** Which inner packets may use it, beside what policies say; needed for transport and BEET mode (the inner addresses). */
  readonly selector?: XfrmSelector
  /** The addresses that the ends use themselves when a NAT is between them (transport mode, RFC 7296 §2.23.1). */
  readonly originalAddresses?: { readonly source: IpAddress; readonly destination: IpAddress }
  /** The number of the acquire that it answers; 0 or absent for none. */
  readonly seq?: number
  /** Put on the outer packets, and on what came out of it inbound, for routing (SO_MARK). */
  readonly outputMark?: XfrmMark
  /** Ties it to one interface; 0 or absent for none. */
  readonly ifId?: number
  /**
   * Outbound, tunnel mode: every inner packet is padded to this many octets, if it is shorter, and to no more than the path takes whole
   * (RFC 4303 §2.7). `PAD_TO_PATH`: to that. 0 or absent: none.
   */
  readonly tfcPad?: number
  /** Outbound: only for packets of this worker, from 0; absent: for all (XFRMA_SA_PCPU). RFC 9611. */
  readonly worker?: number
  readonly flags?: XfrmStateFlags
  /** What the kernel leaves to routes and firewall rules. */
  readonly path?: XfrmPathOptions
  readonly lifetime: XfrmLifetime
  /** For people: the CHILD_SA's configured name. */
  readonly label: string
}

/** What stands inside of ESP: a whole IP packet, the payload alone, or the payload of a packet with fixed inner addresses. */
export type XfrmMode = 'tunnel' | 'transport' | 'beet'

/** How packets of a state fit their path. */
export interface XfrmPathOptions {
  /** The outer DF: the inner packet's (an IPv6 one counts as set), always, or never. Absent: `copy`. RFC 4301 §8.1. */
  readonly df?: 'copy' | 'set' | 'clear'
  /** Octets of the largest outer IP packet, as long as nothing lower is learnt. Absent: not known. */
  readonly mtu?: number
  /** TCP connections are told segments of at most this many octets, or what fits the path. Absent: they are left alone. */
  readonly mss?: number | 'path'
}

/** `value` is compared under `mask`; both 32 bits. */
export interface XfrmMark {
  readonly value: number
  readonly mask: number
}

/** A state's options, as the kernel's XFRM_STATE_* and XFRM_SA_XFLAG_* of these names. Each is off when absent. */
export interface XfrmStateFlags {
  /** Neither copy ECN out nor take congestion marks in. */
  readonly noEcn?: boolean
  /** Inbound tunnel: the outer DSCP replaces the inner one. */
  readonly decapDscp?: boolean
  /** Outbound tunnel: the outer DSCP is 0, not the inner one. */
  readonly dontEncapDscp?: boolean
  /** Outbound tunnel: never set DF on the outer packet, and fragment rather than tell "too big". */
  readonly noPmtuDisc?: boolean
  /** ICMP errors are checked by what they quote. */
  readonly icmp?: boolean
  /** The inner family may differ from the selector's. */
  readonly afUnspec?: boolean
  /** IPv6 padding to 4 octets, not 8 (BEET and AH alone). */
  readonly align4?: boolean
  /** Outbound without ESN: the counter may begin again (manual keys only). */
  readonly oseqMayWrap?: boolean
}

/** ESP in UDP (RFC 3948), or in TCP (RFC 9329) when `type` says so. */
export interface UdpEncap {
  readonly type?: 'udp' | 'tcp'
  readonly sport: number
  readonly dport: number
}

export interface XfrmStateChange {
  readonly saddr?: IpAddress
  readonly daddr?: IpAddress
  readonly encap?: UdpEncap
  /** Other limits; they count from the installation, and a soft one that was reached is told once more. */
  readonly lifetime?: XfrmLifetime
  readonly outputMark?: XfrmMark
  readonly ifId?: number
}

/** Limits of a state; `Infinity` for none. Milliseconds count from installation. */
export interface XfrmLifetime {
  readonly softBytes: number
  readonly hardBytes: number
  readonly softPackets: number
  readonly hardPackets: number
  readonly softMs: number
  readonly hardMs: number
  /** Milliseconds from the first packet. Absent: none. */
  readonly softUseMs?: number
  readonly hardUseMs?: number
}

/** As `tfcPad`: all packets are as long as the path allows, where that is not known as long as every path does. */
export const PAD_TO_PATH = 65_535

/** No limit at all. */
export const unlimited: XfrmLifetime = Object.freeze({
  softBytes: Number.POSITIVE_INFINITY,
  hardBytes: Number.POSITIVE_INFINITY,
  softPackets: Number.POSITIVE_INFINITY,
  hardPackets: Number.POSITIVE_INFINITY,
  softMs: Number.POSITIVE_INFINITY,
  hardMs: Number.POSITIVE_INFINITY,
})

/** Both ends belong to the range. Addresses of one family. */
export interface AddressRange {
  readonly start: IpAddress
  readonly end: IpAddress
}

/** Both ends belong to the range; 0 to 65535 is any. For ICMP the source port holds type<<8|code (RFC 7296 §3.13.1). */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * Which inner packets, seen in the direction of the packet. Ranges rather than the kernel's prefixes, because IKE's
 * traffic selectors are ranges. `protocol` 0 is any.
 */
export interface XfrmSelector {
  readonly source: AddressRange
  readonly destination: AddressRange
  readonly protocol: number
  readonly sourcePort: PortRange
  readonly destinationPort: PortRange
}

export interface XfrmTemplate {
  /** All zeros: any. In transport mode the packet's own addresses stand in place of those here. */
  readonly saddr: IpAddress
  readonly daddr: IpAddress
  readonly proto: number
  readonly mode: XfrmMode
  /** 0: any, of what came in; what goes out finds states of just this reqid. */
  readonly reqid: number
  /** A fixed SPI; absent or 0: any. */
  readonly spi?: number
  /** `use`: a packet may do without when there is no state. Absent: `required`. */
  readonly level?: 'required' | 'use'
}

export interface XfrmPolicyConfig {
  /** Chosen by the caller, unique. */
  readonly index: number
  readonly direction: 'in' | 'out' | 'fwd'
  readonly selector: XfrmSelector
  readonly action: 'allow' | 'block'
  /** Lower wins, as in the kernel; among equals the first installed. */
  readonly priority: number
  /**
   * None: bypass (with `allow`). Otherwise the packet must use (out), or have come through (in, fwd), such states, the innermost
   * first. At most 6.
   */
  readonly templates: readonly XfrmTemplate[]
  /** Only packets with this mark. Absent: mark 0, mask 0. */
  readonly mark?: XfrmMark
  /** Only packets of this interface; 0 or absent for those of none. */
  readonly ifId?: number
  /** `sub` policies are asked before `main` ones, and both must agree. Absent: `main`. */
  readonly type?: 'main' | 'sub'
  /** A worker whose packets go through a state of all asks for one of its own (XFRM_POLICY_CPU_ACQUIRE). Absent: not. */
  readonly workerAcquires?: boolean
  readonly label: string
}

/** The addresses and ports of the triggering packet as a selector of single values. */
export interface XfrmAcquire {
  readonly policyIndex: number
  readonly reqid: number
  /** Names this acquire: a state that is installed with it answers it. */
  readonly seq?: number
  readonly packet: XfrmSelector
  /** A state for this worker alone is wanted, beside the one of all that carries its packets so far. */
  readonly worker?: number
}

export interface XfrmExpire extends XfrmStateId {
  readonly reqid: number
  readonly hard: boolean
}

/** Nobody has authenticated it. The outer addresses and UDP ports, port 0 for plain ESP. */
export interface XfrmUnknownSpi {
  readonly spi: number
  readonly local: SocketAddress
  readonly remote: SocketAddress
}

export interface XfrmMapping extends XfrmStateId {
  readonly reqid: number
  /** The peer's outer address and UDP port that the state has. */
  readonly oldAddress: IpAddress
  readonly oldPort: number
  /** Where the authenticated packet came from. */
  readonly newAddress: IpAddress
  readonly newPort: number
  /** It came over a TCP connection. RFC 9329 §6.1. */
  readonly newTcp?: true
}
