import type { IpAddress, SocketAddress } from '../ip/address.ts'
import type { ConfigurationAttribute } from './codec/cp.ts'
import type {
  EapPeerAuth,
  EapServerAuth,
  Identity,
  PubkeyAuth,
  PubkeyPeerAuth,
  TrafficSelectorConfig,
} from './config.ts'
import type { IkeSaRef } from './events.ts'

/**
 * What the core cannot know or do by itself: it needs a private key, a chain of certificates, a database of users, a person's word. Each
 * question is an action with a token; `IkeEndpoint.answered` takes the answer, in the same call's turn or minutes later. Until
 * then the IKE_SA waits (what the peer repeats meanwhile is not answered) and all others go on. All octets in it may be kept.
 */
export interface AskAction {
  readonly type: 'ask'
  readonly token: number
  readonly sa: IkeSaRef
  readonly question: Question
}

export type Question =
  | SignQuestion
  | VerifyQuestion
  | RecheckQuestion
  | EapPeerQuestion
  | EapServerQuestion
  | AuthorizeQuestion
  | AssignQuestion
  | SelectChildQuestion

/** The answer that belongs to each kind of question. */
export interface Answers {
  readonly sign: SignAnswer
  readonly verify: VerifyAnswer
  readonly recheck: VerifyAnswer
  readonly 'eap-peer': EapPeerAnswer
  readonly 'eap-server': EapServerAnswer
  readonly authorize: AuthorizeAnswer
  readonly assign: AssignAnswer
  readonly 'select-child': SelectChildAnswer
}

export type Answer = Answers[keyof Answers]

/** A no to any question: `message` and `hint` go to our log and API as a `Refusal`, and nothing of them to the peer. */
export interface No {
  readonly ok: false
  /** One sentence: what was wrong, where, what was expected. */
  readonly message: string
  /** The setting to change. */
  readonly hint: string
}

/** A certificate as it stands in a CERT payload; `encoding` is a `CertEncoding`. RFC 7296 §3.6. */
export interface CertificateBlob {
  readonly encoding: number
  readonly data: Uint8Array
}

/** Sign `octets` (RFC 7296 §2.15) with our key, by a method that the peer can verify. */
export interface SignQuestion {
  readonly kind: 'sign'
  readonly auth: PubkeyAuth
  readonly id: Identity
  readonly octets: Uint8Array
  /** The peer's SIGNATURE_HASH_ALGORITHMS; undefined: it verifies the methods of RFC 7296 and 4754 only. RFC 7427 §4. */
  readonly hashes: readonly number[] | undefined
  /** The peer's SUPPORTED_AUTH_METHODS: others it refuses. Undefined: it did not say. RFC 9593 §3. */
  readonly announced?: readonly { readonly method: number; readonly detail: Uint8Array }[] | undefined
  /** The peer's CERTREQ payloads. RFC 7296 §3.7. */
  readonly requests: readonly CertificateBlob[]
}

/** `method` is an `AuthMethod`, `data` the Authentication Data, `certificates` our CERT payloads, the end entity's first. */
export type SignAnswer =
  | {
      readonly ok: true
      readonly method: number
      readonly data: Uint8Array
      readonly certificates: readonly CertificateBlob[]
    }
  | No

/** Is this AUTH of a peer with this identity? */
export interface VerifyQuestion {
  readonly kind: 'verify'
  readonly auth: PubkeyPeerAuth
  readonly connection: string
  readonly id: Identity
  readonly octets: Uint8Array
  /** An `AuthMethod`. */
  readonly method: number
  readonly data: Uint8Array
  /** The peer's CERT payloads in order. */
  readonly certificates: readonly CertificateBlob[]
}

/** `peer`: what its certificate says, for `authorize` and status. */
export type VerifyAnswer = { readonly ok: true; readonly peer?: ProvenCertificate } | No

/** For people and programs: distinguished names as RFC 4514 text. */
export interface ProvenCertificate {
  readonly subject: string
  readonly issuer: string
  /** Subject alternative names, for example `DNS:vpn.example.org`. */
  readonly names: readonly string[]
  /** Hexadecimal. */
  readonly serial: string
  /** ms since 1970. */
  readonly notAfter: number
  /**
   * SHA-256 over it in hexadecimal. Where it is there, `recheck` is asked about it when a session is resumed; where not, a session
   * holds until its ticket ends, whatever becomes of the certificate.
   */
  readonly fingerprint?: string
}

/**
 * A peer resumes a session (RFC 5723), and has its keys: is the certificate by which it proved itself for that session still good?
 * `certificates`: what it sent then, as initiator; none as responder, who remembers whom it believed.
 */
export interface RecheckQuestion {
  readonly kind: 'recheck'
  readonly auth: PubkeyPeerAuth
  readonly connection: string
  readonly id: Identity
  readonly fingerprint: string
  readonly certificates: readonly CertificateBlob[]
}

/** An EAP packet of the server for us. `session` is the same for one conversation. RFC 7296 §2.16. */
export interface EapPeerQuestion {
  readonly kind: 'eap-peer'
  readonly auth: EapPeerAuth
  readonly session: number
  readonly id: Identity
  /** A whole EAP packet (RFC 3748 §4). */
  readonly packet: Uint8Array
}

/**
 * `packet`: a whole EAP packet to send. With EAP Success the method's key comes back, 64 octets, undefined for a method that makes none;
 * it is wiped once AUTH is made of it. `mutual`: the method proved the server as well (RFC 5998 §3).
 */
export type EapPeerAnswer =
  | { readonly ok: true; readonly packet: Uint8Array }
  | { readonly ok: true; readonly done: true; readonly msk: Uint8Array | undefined; readonly mutual: boolean }
  | No

/** We are the server: `packet` is the peer's whole EAP packet, undefined to begin. */
export interface EapServerQuestion {
  readonly kind: 'eap-server'
  /** Whose peer it is: the core always says it. */
  readonly sa?: IkeSaRef
  readonly auth: EapServerAuth
  readonly session: number
  readonly connection: string
  readonly id: Identity
  readonly remote: SocketAddress
  readonly packet: Uint8Array | undefined
}

/**
 * A packet to send; with `done`, that is EAP Success, and `msk` is wiped once AUTH is made of it. A `No` may bring the EAP Failure to send.
 * `refusal`: the packet tells the peer no, and this is why, should it go away instead of answering.
 */
export type EapServerAnswer =
  | { readonly ok: true; readonly packet: Uint8Array; readonly refusal?: No }
  | {
      readonly ok: true
      readonly done: true
      readonly packet: Uint8Array
      readonly msk: Uint8Array | undefined
      /** Who it is, as EAP has proved it. */
      readonly identity: string
      /** Addresses that the server of EAP gives this peer (RADIUS Framed-IP-Address). */
      readonly addresses?: readonly IpAddress[]
      /** CFG_REPLY attributes of the server of EAP. */
      readonly attributes?: readonly ConfigurationAttribute[]
    }
  | (No & { readonly packet?: Uint8Array })

/** A peer all of whose proofs are good. */
export interface ProvenPeer {
  readonly connection: string
  readonly id: Identity
  readonly remote: SocketAddress
  /** Methods of the rounds, for example `['pubkey', 'eap']`. */
  readonly methods: readonly string[]
  readonly certificate?: ProvenCertificate
  readonly eapIdentity?: string
  readonly addresses?: readonly IpAddress[]
  readonly attributes?: readonly ConfigurationAttribute[]
}

/** May this peer come in? Asked only where `IkeEndpointOptions.asks` says so. */
export interface AuthorizeQuestion {
  readonly kind: 'authorize'
  readonly peer: ProvenPeer
}

export type AuthorizeAnswer = { readonly ok: true } | No

/** The peer sent CFG_REQUEST: what does it get? RFC 7296 §2.19, §3.15. */
export interface AssignQuestion {
  readonly kind: 'assign'
  readonly peer: ProvenPeer
  readonly pools: readonly string[]
  readonly request: readonly ConfigurationAttribute[]
  /** Addresses that this peer has by an IKE_SA that the new one is to replace. */
  readonly held: readonly IpAddress[]
}

/** `addresses`: one of each family at most; they and `attributes` go into CFG_REPLY. A `No` becomes INTERNAL_ADDRESS_FAILURE. */
export type AssignAnswer =
  | {
      readonly ok: true
      readonly addresses: readonly IpAddress[]
      readonly attributes: readonly ConfigurationAttribute[]
    }
  | No

/** Which of the connection's children is this for? Asked only where `IkeEndpointOptions.asks` says so. */
export interface SelectChildQuestion {
  readonly kind: 'select-child'
  readonly peer: ProvenPeer
  readonly TSi: readonly TrafficSelectorConfig[]
  readonly TSr: readonly TrafficSelectorConfig[]
  readonly children: readonly string[]
}

export type SelectChildAnswer = { readonly ok: true; readonly child: string } | No
