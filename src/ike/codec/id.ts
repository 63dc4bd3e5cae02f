import { type Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.5. `reserved` has 24 bits and is kept because AUTH covers it as it was sent (RFC 7296 §2.15). */
export interface IdPayload {
  readonly kind: 'IDi' | 'IDr'
  readonly critical: boolean
  /** An `IdType`. */
  readonly idType: number
  readonly reserved: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of an IDi or IDr payload; `data` is borrowed. RFC 7296 §3.5.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   ID Type     |                 RESERVED                      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                   Identification Data                         ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeId(kind: 'IDi' | 'IDr', reader: Reader, critical: boolean): IdPayload {
  const idType = reader.u8('ID Type')
  const reserved = reader.u8('RESERVED') * 0x10000 + reader.u16('RESERVED')
  return { kind, critical, idType, reserved, data: reader.rest() }
}

export function encodeId(payload: IdPayload, writer: Writer): void {
  writer
    .u8(payload.idType)
    .u8(payload.reserved >>> 16)
    .u16(payload.reserved & 0xffff)
    .bytes(payload.data)
}

/** RestOfInitIDPayload or RestOfRespIDPayload, a copy: IDType | RESERVED | data, which prf(SK_p, ...) is taken over. RFC 7296 §2.15. */
export function encodeIdBody(payload: IdPayload): Uint8Array {
  const writer = new Writer(4 + payload.data.length)
  encodeId(payload, writer)
  return writer.finish()
}
