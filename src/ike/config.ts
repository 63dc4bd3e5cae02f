import type { TransformType } from '../crypto/transforms.ts'
import type { IpAddress } from '../ip/address.ts'
import type { XfrmLifetime, XfrmPathOptions, XfrmStateFlags } from '../xfrm/port.ts'

/** What the IKE core is told to do: one connection is one peer (or any peer) with its CHILD_SAs. Readers of files make these. */
export interface ConnectionConfig {
  /** Unique. */
  readonly name: string
  readonly local: LocalConfig
  readonly remote: RemoteConfig
  /** In order of preference; each is sent as one proposal. */
  readonly ikeProposals: readonly ProposalConfig[]
  readonly children: readonly ChildConfig[]
  /**
   * `force`: UDP encapsulation is brought about through the NAT_DETECTION hashes. `auto`: only where a NAT is found. `never`: where one is
   * found, nothing comes about. RFC 7296 §2.23.
   */
  readonly encap: 'force' | 'auto' | 'never'
  readonly retransmit: RetransmitConfig
  /** Liveness check after this many ms without any sign of life, 0 for none. RFC 7296 §2.4. */
  readonly livenessDelayMs: number
  /** NAT keepalive interval in ms, 0 for none. RFC 3948 §4. */
  readonly keepaliveMs: number
  readonly lifetime: IkeLifetimeConfig
  /**
   * What a new IKE_SA means for older ones of the same authenticated peer. `replace`: they are deleted. `keep`: the new one is
   * refused while an older one lives. `never`: they stand side by side, and INITIAL_CONTACT is neither sent nor heeded. RFC
   * 7296 §2.4.
   */
  readonly uniqueness: 'replace' | 'keep' | 'never'
  /** How often a connection that we want is tried before it is given up, 0 for ever. */
  readonly keyingTries: number
  /** Requests that the peer may have under way at once, told by SET_WINDOW_SIZE when above 1. RFC 7296 §2.3. */
  readonly windowSize: number
  readonly fragmentation: FragmentationConfig
  /** IKE_SAs without a first CHILD_SA: `prefer` sets them up so where the peer can, `force` only so. RFC 6023. */
  readonly childless: 'allow' | 'prefer' | 'force' | 'never'
  /** Addresses may change while the IKE_SA stands. RFC 4555. */
  readonly mobike: boolean
  /** Message ids can be agreed on again after another machine has taken an IKE_SA over. RFC 6311. */
  readonly messageIdSync: boolean
  /** Puzzles of responders under attack are solved up to this many bits, 0 for none. Each bit doubles the work. RFC 8019. */
  readonly puzzleBits: number
  /** Undefined: none. */
  readonly ppk: PpkConfig | undefined
  readonly redirect: RedirectConfig
  /** Tickets are asked for, and as responder given. RFC 5723. */
  readonly resumption: boolean
  /** As initiator; left out: never. RFC 9329. */
  readonly tcp?: TcpConfig
}

/** IKE and ESP in a TCP connection that the initiator opens. RFC 9329. */
export interface TcpConfig {
  /** `fallback`: when UDP was not answered for `afterMs`, while UDP is still tried (§5.1). `always`: UDP is not tried. */
  readonly mode: 'never' | 'fallback' | 'always'
  /** The peer's TCP port: 4500. */
  readonly port: number
  readonly afterMs: number
}

/** Milliseconds from when the IKE_SA is established; `Infinity` for never. */
export interface IkeLifetimeConfig {
  /** Its keys are replaced. RFC 7296 §2.8. */
  readonly rekeyMs: number
  /** It is set up anew with authentication, before the old one is deleted. RFC 7296 §2.8.3. */
  readonly reauthMs: number
  /** It ends this long after the time for either, when that did not succeed. */
  readonly overMs: number
  /** Either comes up to this much earlier, at random, so that not both ends do it at once. */
  readonly jitterMs: number
}

/** IKE messages cut into SKF payloads. RFC 7383. */
export interface FragmentationConfig {
  /** `yes`: when the peer can and a message is longer than `bytes`. `force`: also where it would fit, but for INFORMATIONAL. */
  readonly mode: 'yes' | 'no' | 'force'
  /** Octets of the largest IP packet that carries a fragment. */
  readonly bytes: number
}

/** A post-quantum pre-shared key. RFC 8784. */
export interface PpkConfig {
  readonly id: Uint8Array
  /** 32 octets or more; borrowed, never logged. */
  readonly secret: Uint8Array
  /** Without it no IKE_SA comes about. */
  readonly required: boolean
}

/** RFC 5685. */
export interface RedirectConfig {
  /** As initiator: go where the responder sends us. */
  readonly follow: boolean
  /** As responder: where initiators are sent, an IP address or a host name; undefined: nowhere. */
  readonly to: string | undefined
}

export interface LocalConfig {
  /** Undefined: whatever address the endpoint listens on. */
  readonly address: IpAddress | undefined
  readonly id: Identity
  /** How we prove that we are `id`. */
  readonly auth: LocalAuth
  /** Further rounds after the first. RFC 4739. */
  readonly further?: readonly { readonly id: Identity; readonly auth: LocalAuth }[]
  /** Addresses that we ask for as initiator, all zeros for any of that family. RFC 7296 §2.19. */
  readonly virtualIps?: readonly IpAddress[]
  /** Further attributes that we ask for with them, each a `CfgAttribute` or another number. RFC 7296 §3.15.1. */
  readonly requests?: readonly number[]
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
  /** How the peer has to prove itself. */
  readonly auth: RemoteAuth
  /** Further rounds that we demand as responder after the first. RFC 4739. */
  readonly further?: readonly { readonly id: Identity | undefined; readonly auth: RemoteAuth }[]
  /** As responder: names of the pools that its addresses are from; the answer to `assign` knows them. */
  readonly pools?: readonly string[]
  /** As responder: a peer without an address of ours gets no CHILD_SA (FAILED_CP_REQUIRED). RFC 7296 §2.19. */
  readonly addressRequired?: boolean
}

export type LocalAuth = PskAuth | PubkeyAuth | EapPeerAuth | EapOnlyAuth | NullAuth
export type RemoteAuth = PskAuth | PubkeyPeerAuth | EapServerAuth | EapOnlyAuth | NullAuth

/** A pre-shared key, any length above 0; borrowed, never logged. */
export interface PskAuth {
  readonly method: 'psk'
  readonly secret: Uint8Array
}

/** A key of ours that signs. RFC 7296 §2.15, RFC 7427. */
export interface PubkeyAuth {
  readonly method: 'pubkey'
  /** Handed on to whoever answers `sign`. */
  readonly credential: Handle
  /** When our CERT payloads are sent; `asked`: with a CERTREQ of the peer. */
  readonly sendCertificates: 'always' | 'asked' | 'never'
}

/** The peer signs. */
export interface PubkeyPeerAuth {
  readonly method: 'pubkey'
  /** Handed on to whoever answers `verify`: authorities, raw keys, what revocation means. */
  readonly trust: Handle
  /** For our CERTREQ: SHA-1 over the SubjectPublicKeyInfo of each authority, 20 octets. RFC 7296 §3.7. */
  readonly authorities: readonly Uint8Array[]
  /** It is asked for an OCSP response of its certificate, by a CERTREQ of its own. RFC 4806. */
  readonly wantsOcsp?: boolean
  /**
   * Which signatures `trust` takes, to be announced: each an `AuthMethod`, and what RFC 9593 §3.2 has behind it. Undefined: nothing is
   * announced on a connection like this.
   */
  readonly accepts?: readonly { readonly method: number; readonly detail: Uint8Array }[]
  /** It is told that its certificate may come as hash and URL (HTTP_CERT_LOOKUP_SUPPORTED). RFC 7296 §3.7. */
  readonly hashAndUrl?: boolean
}

/** We, the initiator, prove ourselves by EAP. RFC 7296 §2.16. */
export interface EapPeerAuth {
  readonly method: 'eap'
  /** Handed on to whoever answers `eap-peer`. */
  readonly methods: Handle
}

/** The initiator proves itself by EAP to us. */
export interface EapServerAuth {
  readonly method: 'eap'
  /** Handed on to whoever answers `eap-server`. */
  readonly methods: Handle
}

/** The responder is proved by the EAP method itself, which makes a key and is mutual. RFC 5998. */
export interface EapOnlyAuth {
  readonly method: 'eap-only'
}

/** Nobody proves anything. RFC 7619. */
export interface NullAuth {
  readonly method: 'null'
}

/** What the core only hands on. `description` is for messages, and holds no secret. */
export interface Handle {
  readonly description: string
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
  /** `transport`: offered with USE_TRANSPORT_MODE, for traffic between the two hosts themselves. RFC 7296 §1.3.1. */
  readonly mode: 'tunnel' | 'transport'
  /** How the headers of its packets are made, and what is known of their path; absent: as the states have it. */
  readonly flags?: XfrmStateFlags
  readonly path?: XfrmPathOptions
  /** Anti-replay window in packets. */
  readonly replayWindow: number
  readonly lifetime: XfrmLifetime
  /** The soft limits are reached up to this much earlier, at random, so that not both ends rekey at once. */
  readonly jitter: LifetimeJitter
  /** `none`: wait for the peer. `start`: set up at once. `trap`: on the first outbound packet (an acquire). */
  readonly startAction: 'none' | 'start' | 'trap'
  /** When the peer is given up: `clear` leaves it at that, `trap` waits for a packet, `restart` sets it up again at once. */
  readonly dpdAction: 'clear' | 'trap' | 'restart'
  /** The same when the peer deletes it. */
  readonly closeAction: 'none' | 'trap' | 'start'
  /** A CHILD_SA that a packet asks for names that packet's addresses, protocol and ports first. RFC 7296 §2.9. */
  readonly triggerTs: boolean
  /** As responder: each CHILD_SA is for one pair of addresses, the first that is offered; else SINGLE_PAIR_REQUIRED. RFC 7296 §2.9. */
  readonly singlePair: boolean
  /**
   * Inner packets are padded to this many octets where the peer takes that, in tunnel mode; 0 for none, `PAD_TO_PATH` for as long as
   * the path allows. RFC 4303 §2.7.
   */
  readonly tfcPad: number
  /** CHILD_SAs for one worker each, beside the one for all; absent: none. RFC 9611. */
  readonly workers?: WorkersConfig
}

/** CHILD_SAs that carry the same traffic, each by a worker of its own, so that no two share a sequence number. RFC 9611. */
export interface WorkersConfig {
  /** Our workers, 1 to 256: they are numbered from 0. */
  readonly count: number
  /** So many CHILD_SAs of workers stand at most when the peer asks for one; beyond that it hears TS_MAX_QUEUE. */
  readonly max: number
  /** `start`: all are asked for as soon as the one for all stands. `trap`: each with the first packet of its worker. */
  readonly startAction: 'start' | 'trap'
}

export interface LifetimeJitter {
  readonly ms: number
  readonly bytes: number
  readonly packets: number
}

/** RFC 7296 §3.13.1. Addresses of one family; both ends belong to the range. `protocol` 0 is any, ports 0 to 65535 are any. */
export interface TrafficSelectorConfig {
  readonly startAddress: IpAddress
  readonly endAddress: IpAddress
  readonly protocol: number
  readonly startPort: number
  readonly endPort: number
  /**
   * In place of the addresses, which are any IPv4 address here, stand those of the peer's or our own end, of either family: the virtual
   * ones, where there are any, else that of the path.
   */
  readonly dynamic?: true
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

/**
 * The n-th retransmission goes out `baseMs * factor^n` after the one before, at most `limitMs`, and up to the share `jitter` of it
 * earlier at random; after `tries` of them the peer is given up. RFC 7296 §2.1.
 */
export interface RetransmitConfig {
  readonly baseMs: number
  readonly factor: number
  readonly tries: number
  readonly limitMs: number
  /** From 0 to 1. */
  readonly jitter: number
}
