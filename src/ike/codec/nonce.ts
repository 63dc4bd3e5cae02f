import type { Reader, Writer } from '../../bytes/index.ts'
import { nonceBytes } from './limits.ts'

/** RFC 7296 §3.9: Ni or Nr, 16 to 256 octets. */
export interface NoncePayload {
  readonly kind: 'Nonce'
  readonly critical: boolean
  readonly data: Uint8Array
}

/**
 * Decodes the body of a Nonce payload; `data` is borrowed. RFC 7296 §3.9.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                            Nonce Data                         ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeNonce(reader: Reader, critical: boolean): NoncePayload {
  const { min, max } = nonceBytes
  if (reader.remaining < min || reader.remaining > max)
    reader.fail(`a nonce has ${min} to ${max} octets, this one ${reader.remaining}`)
  return { kind: 'Nonce', critical, data: reader.rest() }
}

export function encodeNonce(payload: NoncePayload, writer: Writer): void {
  writer.bytes(payload.data)
}
