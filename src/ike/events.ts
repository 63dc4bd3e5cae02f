import type { IpAddress, SocketAddress } from '../ip/address.ts'
import type { ConfigurationAttribute } from './codec/cp.ts'
import type { Identity } from './config.ts'
import type { Configuration } from './config-payload/configuration.ts'
import type { Refusal } from './explain/refusal.ts'
import type { AskAction, ProvenCertificate } from './questions.ts'

/** What one call into the core brought about, in order. */
export type IkeAction = SendAction | KeepaliveAction | ConnectAction | EventAction | AskAction

/** Send `message` (an IKE message; owned by the receiver of the action) from `local` to `remote`. */
export interface SendAction {
  readonly type: 'send'
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Put four zero octets in front (port 4500, RFC 3948 §2.2; TCP, RFC 9329 §3.1). */
  readonly nonEspMarker: boolean
  readonly message: Uint8Array
}

/** Send the single octet 0xFF, so that a NAT keeps its mapping. RFC 3948 §2.3. */
export interface KeepaliveAction {
  readonly type: 'keepalive'
  readonly local: SocketAddress
  readonly remote: SocketAddress
}

/**
 * Open a TCP connection from `local`, any port, to `remote`, and begin it with the stream prefix (RFC 9329 §4). The answer is a call of
 * `connected` or `notConnected` with the token. Connections that `streams` does not name are nobody's any more.
 */
export interface ConnectAction {
  readonly type: 'connect'
  readonly token: number
  readonly local: IpAddress
  readonly remote: SocketAddress
}

export interface EventAction {
  readonly type: 'event'
  readonly event: IkeEvent
}

/** Names an IKE_SA for people and programs: `connection[n]`, n counting from 1 per endpoint. */
export interface IkeSaRef {
  readonly id: number
  readonly connection: string
}

export type IkeEvent =
  | MessageEvent
  | { readonly kind: 'ike-established'; readonly sa: IkeSaRef; readonly details: IkeSaStatus }
  /** Its keys and SPIs were replaced; `sa`, its CHILD_SAs and all else go on. What `old` names is deleted. RFC 7296 §2.8. */
  | {
      readonly kind: 'ike-rekeyed'
      readonly sa: IkeSaRef
      /** Hexadecimal, as in `IkeSaStatus`. */
      readonly old: { readonly SPIi: string; readonly SPIr: string }
      readonly details: IkeSaStatus
    }
  | {
      readonly kind: 'ike-closed'
      readonly sa: IkeSaRef
      readonly reason: CloseReason
      readonly refusal?: Refusal
      /** The IKE_SA with the same peer that has its place. */
      readonly by?: IkeSaRef
      /** What we had given the peer, and nobody has any more. */
      readonly addresses?: readonly IpAddress[]
    }
  /** As initiator: the gateway gave us these, for as long as the IKE_SA stands. RFC 7296 §2.19. */
  | ({ readonly kind: 'configured'; readonly sa: IkeSaRef } & Configuration)
  /** As responder: the peer has these addresses and was told these attributes, until `ike-closed` names them as free. */
  | {
      readonly kind: 'assigned'
      readonly sa: IkeSaRef
      readonly addresses: readonly IpAddress[]
      readonly attributes: readonly ConfigurationAttribute[]
      /** What of its CFG_REQUEST was passed over, each with the reason, for people; left out when that is nothing. */
      readonly ignored?: readonly string[]
    }
  /** An answer to `assign` came to nothing: its peer is gone, or one of the addresses is with another. Nobody has these. */
  | { readonly kind: 'unassigned'; readonly addresses: readonly IpAddress[] }
  | { readonly kind: 'child-established'; readonly sa: IkeSaRef; readonly child: ChildSaStatus }
  | {
      readonly kind: 'child-closed'
      readonly sa: IkeSaRef
      readonly child: ChildSaStatus
      readonly reason: CloseReason
    }
  /** The traffic of `old` goes on through `child`. `old` may take packets for some seconds more, but nothing is told of it. */
  | {
      readonly kind: 'child-rekeyed'
      readonly sa: IkeSaRef
      readonly old: ChildSaStatus
      readonly child: ChildSaStatus
    }
  /** A negotiation was refused, by us or by the peer, with the whole explanation. */
  | {
      readonly kind: 'refused'
      readonly sa: IkeSaRef | undefined
      readonly remote: SocketAddress
      readonly refusal: Refusal
      /** The CHILD_SA that we asked for, when only that is refused; empty when we refused one that the peer asked for. */
      readonly child?: string
      /** Only its rekeying, or another one in its place, is refused: the IKE_SA goes on as it was. */
      readonly renewal?: true
      /** Only a CHILD_SA for this worker is refused: the one for all goes on. RFC 9611. */
      readonly worker?: number
    }
  /** The gateway sends us to another one: `to` is an address or a host name. RFC 5685. */
  | { readonly kind: 'redirected'; readonly sa: IkeSaRef; readonly from: SocketAddress; readonly to: string }
  /** The address of `name` is wanted: answer with `IkeEndpoint.resolved`. Without an answer it is as if there was none. */
  | { readonly kind: 'resolve'; readonly sa: IkeSaRef; readonly token: number; readonly name: string }
  /**
   * The peer gave us a ticket, with which `initiate` comes back quickly within `lifetimeMs`: the last one of a connection is
   * the one to use. It holds keys: keep it as secret as a pre-shared key, and not longer than it is good. RFC 5723.
   */
  | {
      readonly kind: 'ticket'
      readonly sa: IkeSaRef
      readonly ticket: Uint8Array
      readonly lifetimeMs: number
    }
  /** The tickets of this IKE_SA are good no more: it was deleted, or rekeyed, after which another one is asked for. RFC 5723 §6.2. */
  | { readonly kind: 'ticket-void'; readonly sa: IkeSaRef }
  /** The peer did not take the ticket that `initiate` was given: the whole handshake follows. */
  | { readonly kind: 'ticket-refused'; readonly sa: IkeSaRef; readonly why: string }
  /** A mistake of ours, met while a message was handled: please report it. It cost that IKE_SA. */
  | { readonly kind: 'internal-error'; readonly sa: IkeSaRef; readonly error: unknown }
  | { readonly kind: 'remote-moved'; readonly sa: IkeSaRef; readonly from: SocketAddress; readonly to: SocketAddress }
  /** Our own address or port of this IKE_SA changed. */
  | { readonly kind: 'local-moved'; readonly sa: IkeSaRef; readonly from: SocketAddress; readonly to: SocketAddress }
  /** The peer sends from `to`, but is not followed: the outbound SPI of a CHILD_SA is in use there by another. Our packets go to `remote`. */
  | {
      readonly kind: 'move-refused'
      readonly sa: IkeSaRef
      readonly remote: SocketAddress
      readonly to: SocketAddress
      readonly spiOut: number
    }
  /** As TCP originator: the IKE_SA has a TCP connection from here on, its first or another one after a loss. RFC 9329 §6.1. */
  | {
      readonly kind: 'stream-opened'
      readonly sa: IkeSaRef
      readonly local: SocketAddress
      readonly remote: SocketAddress
    }
  /** The TCP connection of the IKE_SA ended; the IKE_SA and its CHILD_SAs stand. Who opened it opens another. RFC 9329 §6.1. */
  | { readonly kind: 'stream-lost'; readonly sa: IkeSaRef; readonly remote: SocketAddress; readonly why: string }
  /** No TCP connection to the peer could be opened. */
  | { readonly kind: 'stream-refused'; readonly sa: IkeSaRef; readonly remote: SocketAddress; readonly why: string }
  /** After one side took the IKE_SA over: the ids of our next request and of the peer's. RFC 6311. */
  | {
      readonly kind: 'message-ids-agreed'
      readonly sa: IkeSaRef
      readonly nextSent: number
      readonly nextReceived: number
    }
  | { readonly kind: 'retransmit'; readonly sa: IkeSaRef; readonly messageId: number; readonly attempt: number }
  /** A child that could not be set up is tried again in `inMs`. */
  | { readonly kind: 'next-try'; readonly connection: string; readonly child: string; readonly inMs: number }
  /** A datagram was not processed; `reason` is one of a small fixed set, for counters. */
  | { readonly kind: 'dropped'; readonly remote: SocketAddress; readonly reason: DropReason; readonly detail: string }

/** `replaced`: another IKE_SA of the same peer has its place, after a reauthentication or because only one may stand. */
export type CloseReason = 'local' | 'peer' | 'timeout' | 'refused' | 'error' | 'expired' | 'replaced'

export type DropReason =
  | 'malformed'
  | 'unknown-spi'
  | 'bad-integrity'
  | 'bad-message-id'
  | 'unsupported-version'
  | 'unexpected-exchange'
  | 'invalid-syntax'
  | 'half-open-limit'
  /** An IKE_SA_INIT request far above what negotiates. */
  | 'too-long'
  /** A stranger's request, refused as others just before: not every refusal is explained. */
  | 'refused'
  | 'bad-cookie'
  /** A fragment that was not agreed on, or of a message that would be too long. RFC 7383. */
  | 'bad-fragment'

/** Every message in and out, for logs and the demo's sequence. Payload names as in RFC 7296, inner ones after `SK`. No contents. */
export interface MessageEvent {
  readonly kind: 'message'
  readonly direction: 'in' | 'out'
  readonly sa: IkeSaRef | undefined
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly exchange: string
  readonly response: boolean
  readonly messageId: number
  /** For example `['SA', 'KE', 'Ni', 'N(NAT_DETECTION_SOURCE_IP)']`. */
  readonly payloads: readonly string[]
  readonly encrypted: boolean
  /** Octets of the IKE message. */
  readonly bytes: number
}

export interface IkeSaStatus {
  /** While an IKE_SA is rekeyed there are two or three of one name. */
  readonly sa: IkeSaRef
  /** A state of `ike-sa-states.ts`. */
  readonly state: string
  readonly role: 'initiator' | 'responder'
  /** Hexadecimal. */
  readonly SPIi: string
  readonly SPIr: string
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly localId: Identity
  readonly remoteId: Identity | undefined
  readonly auth: AuthStatus
  /** Proposal keywords, for example `aes128gcm16-prfsha256-ecp256`; empty before the choice. */
  readonly suite: string
  readonly natLocal: boolean
  readonly natRemote: boolean
  readonly encap: boolean
  /** Its addresses may change. RFC 4555. */
  readonly mobike: boolean
  readonly establishedAt: number | undefined
  /** Our addresses inside, as the peer gave them; left out when there are none. RFC 7296 §2.19. */
  readonly virtualIps?: readonly IpAddress[]
  /** The peer's addresses inside, as we gave them; left out when there are none. */
  readonly assignedIps?: readonly IpAddress[]
  readonly children: readonly ChildSaStatus[]
  /** Inbound SPIs of CHILD_SAs that were replaced and deleted, and take packets that are under way for some seconds. */
  readonly lingering: readonly number[]
}

/** How both ends have proved themselves. */
export interface AuthStatus {
  /** `psk`, `pubkey`, `eap`, `eap-only` or `null`, for each round. RFC 4739. */
  readonly local: readonly string[]
  /** The same of the peer; empty before it has proved itself. `resumption`: by a ticket (RFC 5723). */
  readonly remote: readonly string[]
  /** The peer's. */
  readonly certificate?: ProvenCertificate
  /** Who the peer is by EAP. */
  readonly eapIdentity?: string
}

export interface ChildSaStatus {
  readonly name: string
  readonly state: string
  readonly reqid: number
  readonly spiIn: number
  readonly spiOut: number
  /** Proposal keywords, for example `aes128gcm16`. */
  readonly suite: string
  readonly esn: boolean
  /** As text, for example `10.1.0.0/16`. */
  readonly localTs: readonly string[]
  readonly remoteTs: readonly string[]
  readonly mode: 'tunnel' | 'transport'
  /** The responder would take more of what the initiator offered, in further CHILD_SAs. RFC 7296 §2.9. */
  readonly moreTs: boolean
  /** The peer discards padding for traffic flow confidentiality. */
  readonly peerTakesTfc: boolean
  /** The one whose packets it carries; left out for one that carries those of all. RFC 9611. */
  readonly worker?: number
  readonly installedAt: number | undefined
}
