import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 8019 §8.2: keys of equal length, one behind the other. */
export interface PsPayload {
  readonly kind: 'PS'
  readonly critical: boolean
  readonly data: Uint8Array
}

/**
 * Decodes the body of a Puzzle Solution payload; `data` is borrowed. RFC 8019 §8.2.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                     Puzzle Solution Data                      ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodePs(reader: Reader, critical: boolean): PsPayload {
  return { kind: 'PS', critical, data: reader.rest() }
}

export function encodePs(payload: PsPayload, writer: Writer): void {
  writer.bytes(payload.data)
}
