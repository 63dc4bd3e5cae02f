import type { Reader, Writer } from '../../bytes/index.ts'
import { patchLength } from './limits.ts'

/** RFC 7296 §3.16: one EAP packet. `code` is an `EapCode`; `data` is all after the four octets of EAP header. */
export interface EapPayload {
  readonly kind: 'EAP'
  readonly critical: boolean
  readonly code: number
  readonly identifier: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of an EAP payload; `data` is borrowed. The EAP length must fill the payload. RFC 7296 §3.16.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |     Code      | Identifier    |           Length              |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |     Type      | Type_Data...
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
 */
export function decodeEap(reader: Reader, critical: boolean): EapPayload {
  const octets = reader.remaining
  const code = reader.u8('Code')
  const identifier = reader.u8('Identifier')
  const length = reader.u16('Length')
  if (length !== octets) reader.fail(`EAP Length ${length} in a body of ${octets} octets`)
  return { kind: 'EAP', critical, code, identifier, data: reader.rest() }
}

export function encodeEap(payload: EapPayload, writer: Writer): void {
  const start = writer.position
  writer.u8(payload.code).u8(payload.identifier).u16(0).bytes(payload.data)
  patchLength(writer, start, start + 2, 'eap')
}
