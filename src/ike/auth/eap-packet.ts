import { Writer } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { EapCode, NotifyType, type Payload } from '../codec/index.ts'
import { find } from '../message/notifies.ts'

/** Octets of the EAP header. RFC 3748 §4. */
const HEADER_BYTES = 4

/** Messages of one EAP conversation: TLS with long chains takes some dozens. */
export const MOST_EAP_ROUNDS = 128

/** An EAP payload with this packet, which `answered` has checked. RFC 7296 §3.16. */
export const eapPayload = (packet: Uint8Array): Payload => ({
  kind: 'EAP',
  critical: false,
  code: packet[0]!,
  identifier: packet[1]!,
  data: packet.subarray(HEADER_BYTES),
})

/** The EAP packet of a message, copied, with its code. Throws `PeerError` when there is none. */
export function eapPacketIn(payloads: readonly Payload[]): { readonly code: number; readonly packet: Uint8Array } {
  const EAP = find(payloads, 'EAP')
  if (EAP === undefined) {
    throw new PeerError('MISSING_EAP', 'the message has no EAP payload, and EAP is under way', {
      notify: NotifyType.INVALID_SYNTAX,
    })
  }
  const { code, identifier, data } = EAP
  const writer = new Writer(HEADER_BYTES + data.length)
  writer
    .u8(code)
    .u8(identifier)
    .u16(HEADER_BYTES + data.length)
    .bytes(data)
  return { code, packet: writer.finish() }
}

/** EAP Failure, in answer to the peer's packet. RFC 3748 §4.2. */
export const eapFailure = (packet: Uint8Array): Uint8Array =>
  Uint8Array.of(EapCode.FAILURE, packet[1]!, 0, HEADER_BYTES)

/** A conversation that does not come to an end. */
export const endlessEap = (): PeerError =>
  new PeerError('ENDLESS_EAP', `more than ${MOST_EAP_ROUNDS} EAP packets in one conversation`, {
    notify: NotifyType.AUTHENTICATION_FAILED,
  })
