import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.14, closed. `firstPayload` is the type of the first payload inside; `body` is IV | ciphertext | ICV. */
export interface SkPayload {
  readonly kind: 'SK'
  readonly critical: boolean
  readonly firstPayload: number
  readonly body: Uint8Array
}

/**
 * Decodes the body of an Encrypted payload, without keys; `body` is borrowed. RFC 7296 §3.14.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Initialization Vector                     |
 * |         (length is block size for encryption algorithm)       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                    Encrypted IKE Payloads                     ~
 * +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |               |             Padding (0-255 octets)            |
 * +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
 * |                                               |  Pad Length   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                    Integrity Checksum Data                    ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeSk(firstPayload: number, reader: Reader, critical: boolean): SkPayload {
  return { kind: 'SK', critical, firstPayload, body: reader.rest() }
}

export function encodeSk(payload: SkPayload, writer: Writer): void {
  writer.bytes(payload.body)
}
