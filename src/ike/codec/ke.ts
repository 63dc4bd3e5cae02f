import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.4. `group` is a `KeGroup` number (a key exchange method of RFC 9370 too). */
export interface KePayload {
  readonly kind: 'KE'
  readonly critical: boolean
  readonly group: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of a KE payload; `data` is borrowed, its length is not checked against the group. RFC 7296 §3.4.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   Diffie-Hellman Group Num    |           RESERVED            |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                       Key Exchange Data                       ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeKe(reader: Reader, critical: boolean): KePayload {
  const group = reader.u16('Diffie-Hellman Group Num')
  reader.skip(2, 'RESERVED')
  return { kind: 'KE', critical, group, data: reader.rest() }
}

export function encodeKe(payload: KePayload, writer: Writer): void {
  writer.u16(payload.group).u16(0).bytes(payload.data)
}
