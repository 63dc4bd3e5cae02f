import { formatIp, type SocketAddress } from '../ip/address.ts'
import { classify, DatagramKind } from '../nat-t/demux.ts'
import type { VirtualDatagram } from './virtual-datagram.ts'

/** Which datagrams are meant; what is left out may be anything. A function decides by itself. */
export type MessageFilter = MessageFields | ((datagram: VirtualDatagram) => boolean)

export interface MessageFields {
  /** Default: any. ESP and keepalives are told apart by their octets and ports. */
  readonly kind?: 'ike' | 'esp' | 'keepalive'
  /** A peer, or the address on the wire. */
  readonly from?: object | string
  /** The address on the wire. */
  readonly to?: string
  /** For example `CREATE_CHILD_SA`. This and what follows fits IKE messages only. */
  readonly exchange?: string
  readonly response?: boolean
  readonly messageId?: number
  /** A payload that must be in the message, by its name: `KE`, `N(REKEY_SA)`, `D`. */
  readonly payload?: string
}

/** True when the datagram is one of those meant. */
export function matches(filter: MessageFilter, datagram: VirtualDatagram): boolean {
  if (typeof filter === 'function') return filter(datagram)
  const { from, to, kind } = filter
  if (kind !== undefined && kindOf(datagram) !== kind) return false
  if (typeof from === 'string' ? formatIp(datagram.from.address) !== from : from && datagram.note?.sender !== from) {
    return false
  }
  if (to !== undefined && formatIp(datagram.to.address) !== to) return false
  return matchesMessage(filter, datagram)
}

/** What the datagram is on the wire. */
export function kindOf(datagram: VirtualDatagram): 'ike' | 'esp' | 'keepalive' | 'other' {
  if (datagram.note !== undefined) return datagram.note.kind
  const { payload, from, to } = datagram
  const kind = classify(payload, 0, payload.length, isPlain(from, to))
  if (kind === DatagramKind.IKE) return 'ike'
  if (kind === DatagramKind.ESP) return 'esp'
  return kind === DatagramKind.KEEPALIVE ? 'keepalive' : 'other'
}

function matchesMessage({ exchange, response, messageId, payload }: MessageFields, datagram: VirtualDatagram): boolean {
  if (exchange === undefined && response === undefined && messageId === undefined && payload === undefined) return true
  const message = datagram.note
  if (message?.kind !== 'ike') return false
  if (exchange !== undefined && message.exchange !== exchange) return false
  if (response !== undefined && message.response !== response) return false
  if (messageId !== undefined && message.messageId !== messageId) return false
  return payload === undefined || message.payloads.includes(payload)
}

const isPlain = (from: SocketAddress, to: SocketAddress): boolean => from.port === 500 || to.port === 500
