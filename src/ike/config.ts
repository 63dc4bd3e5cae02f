import type { TransformType } from '../crypto/transforms.ts'
import type { IpAddress } from '../ip/address.ts'
import type { XfrmLifetime } from '../xfrm/port.ts'

/** What the IKE core is told to do: one connection is one peer (or any peer) with its CHILD_SAs. Readers of files make these. */
export interface ConnectionConfig {
  /** Unique. */
  readonly name: string
  readonly local: LocalConfig
  readonly remote: RemoteConfig
  /** In order of preference; each is sent as one proposal. */
  readonly ikeProposals: readonly ProposalConfig[]
  readonly children: readonly ChildConfig[]
  /** `force`: UDP encapsulation is brought about through the NAT_DETECTION hashes. `auto`: only where a NAT is found. RFC 7296 §2.23. */
  readonly encap: 'force' | 'auto'
  readonly retransmit: RetransmitConfig
  /** Liveness check after this many ms without any sign of life, 0 for none. RFC 7296 §2.4. */
  readonly livenessDelayMs: number
  /** NAT keepalive interval in ms, 0 for none. RFC 3948 §4. */
  readonly keepaliveMs: number
}

export interface LocalConfig {
  /** Undefined: whatever address the endpoint listens on. */
  readonly address: IpAddress | undefined
  readonly id: Identity
  readonly auth: PskAuth
}

export interface RemoteConfig {
  /** Undefined: any (we can only wait for this peer). */
  readonly address: IpAddress | undefined
  /** The peer's UDP port for IKE_SA_INIT: 500. */
  readonly port: number
  /** The peer's UDP port after the float: 4500. */
  readonly natPort: number
  /** Undefined: any identity that authenticates. */
  readonly id: Identity | undefined
  readonly auth: PskAuth
}

/** A pre-shared key, any length above 0; borrowed, never logged. */
export interface PskAuth {
  readonly method: 'psk'
  readonly secret: Uint8Array
}

/** RFC 7296 §3.5. `type` is the ID type (1 IPv4, 2 FQDN, 3 RFC 822 address, 5 IPv6, 9 DN, 11 key id). */
export interface Identity {
  readonly type: number
  readonly data: Uint8Array
}

export interface ChildConfig {
  /** Unique within the connection. */
  readonly name: string
  readonly localTs: readonly TrafficSelectorConfig[]
  readonly remoteTs: readonly TrafficSelectorConfig[]
  /** In order of preference. Without KE: the keys come from the IKE_SA. */
  readonly espProposals: readonly ProposalConfig[]
  readonly mode: 'tunnel'
  /** Anti-replay window in packets. */
  readonly replayWindow: number
  readonly lifetime: XfrmLifetime
  /** `none`: wait for the peer. `start`: set up at once. `trap`: on the first outbound packet (an acquire). */
  readonly startAction: 'none' | 'start' | 'trap'
}

/** RFC 7296 §3.13.1. Addresses of one family; both ends belong to the range. `protocol` 0 is any, ports 0 to 65535 are any. */
export interface TrafficSelectorConfig {
  readonly startAddress: IpAddress
  readonly endAddress: IpAddress
  readonly protocol: number
  readonly startPort: number
  readonly endPort: number
}

/** One proposal: any of the transforms of each type. Within a type, in order of preference. */
export interface ProposalConfig {
  readonly transforms: readonly TransformConfig[]
}

export interface TransformConfig {
  readonly type: TransformType
  readonly id: number
  /** Bits; only for encryption transforms of variable key length. */
  readonly keyBits?: number
}

/** The n-th retransmission goes out `baseMs * factor^n` after the one before; after `tries` of them the peer is given up. RFC 7296 §2.1. */
export interface RetransmitConfig {
  readonly baseMs: number
  readonly factor: number
  readonly tries: number
}
