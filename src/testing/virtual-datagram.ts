import type { SocketAddress } from '../ip/address.ts'

/** A datagram on its way. `payload` is the whole UDP payload; with both ports 0 it is an ESP packet without UDP. */
export interface VirtualDatagram {
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly payload: Uint8Array
  /** Ms on top of the network's latency: what a path sets to let a datagram fall behind later ones. */
  readonly delayMs?: number
  /** What the sender knows about the contents. It travels along and is on no wire; a copy or a changed datagram keeps it. */
  readonly note?: DatagramNote
}

/** What a peer of this folder says about a datagram that it sends. */
export type DatagramNote = SentMessage | SentPacket | SentKeepalive

/** An IKE message. All transmissions of one message, and its fragments, have the same note. */
export interface SentMessage {
  readonly kind: 'ike'
  /** The peer. */
  readonly sender: object
  /** For example `CREATE_CHILD_SA`. */
  readonly exchange: string
  readonly messageId: number
  readonly response: boolean
  /** Hexadecimal. */
  readonly SPIi: string
  readonly SPIr: string
  /** As in a `message` event, for example `['SA', 'Ni', 'N(REKEY_SA)']`. */
  readonly payloads: readonly string[]
  readonly encrypted: boolean
}

/** ESP. `cargo` is the inner packet as `VirtualTraffic` knows it. */
export interface SentPacket {
  readonly kind: 'esp'
  readonly sender: object
  readonly cargo?: object
}

/** A NAT keepalive. RFC 3948 §2.3. */
export interface SentKeepalive {
  readonly kind: 'keepalive'
  readonly sender: object
}

/** Why a datagram came to its end without a receiver. */
export type LossReason =
  /** Lost by chance. */
  | 'loss'
  /** The test's `path` gave nothing back, a rule dropped it, or it was dropped while it was held. */
  | 'path'
  | 'rule'
  | 'held'
  /** Too long for the link, and fragments are not carried. */
  | 'mtu'
  /** Nobody has the address and port that it went to; or the sender has lost the address that it sends from. */
  | 'unreachable'
  | 'no-source'
  /** A NAT has no mapping for the port; or it has one, and does not let this sender in. */
  | 'nat-no-mapping'
  | 'nat-filtered'

/** What became of a datagram. `copied` counts one more than was sent. */
export type DatagramFate =
  | { readonly kind: 'sent' | 'copied' | 'arrived'; readonly datagram: VirtualDatagram }
  | { readonly kind: 'lost'; readonly datagram: VirtualDatagram; readonly reason: LossReason }

export type Receiver = (datagram: VirtualDatagram, now: number) => void
