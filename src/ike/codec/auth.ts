import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.8. `method` is an `AuthMethod`. */
export interface AuthPayload {
  readonly kind: 'AUTH'
  readonly critical: boolean
  readonly method: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of an AUTH payload; `data` is borrowed. RFC 7296 §3.8.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Auth Method   |                RESERVED                       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                      Authentication Data                      ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeAuth(reader: Reader, critical: boolean): AuthPayload {
  const method = reader.u8('Auth Method')
  reader.skip(3, 'RESERVED')
  return { kind: 'AUTH', critical, method, data: reader.rest() }
}

export function encodeAuth(payload: AuthPayload, writer: Writer): void {
  writer.u8(payload.method).zeros(3).bytes(payload.data)
}
