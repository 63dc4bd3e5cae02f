import type { Reader, Writer } from '../../bytes/index.ts'

/**
 * RFC 7383 §2.5, closed. Fragments count from 1. `firstPayload` is the type of the first payload of the whole message
 * in fragment 1 and 0 in the others; `body` is IV | ciphertext | ICV.
 */
export interface SkfPayload {
  readonly kind: 'SKF'
  readonly critical: boolean
  readonly firstPayload: number
  readonly fragmentNumber: number
  readonly totalFragments: number
  readonly body: Uint8Array
}

/**
 * Decodes the body of an Encrypted Fragment payload, without keys; `body` is borrowed. RFC 7383 §2.5.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |        Fragment Number        |        Total Fragments        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Initialization Vector                     |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                      Encrypted content                        ~
 * +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |               |             Padding (0-255 octets)            |
 * +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
 * |                                               |  Pad Length   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                    Integrity Checksum Data                    ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeSkf(firstPayload: number, reader: Reader, critical: boolean): SkfPayload {
  const fragmentNumber = reader.u16('Fragment Number')
  const totalFragments = reader.u16('Total Fragments')
  if (fragmentNumber === 0 || fragmentNumber > totalFragments)
    reader.fail(`fragment ${fragmentNumber} of ${totalFragments}`)
  return { kind: 'SKF', critical, firstPayload, fragmentNumber, totalFragments, body: reader.rest() }
}

export function encodeSkf(payload: SkfPayload, writer: Writer): void {
  writer.u16(payload.fragmentNumber).u16(payload.totalFragments).bytes(payload.body)
}
