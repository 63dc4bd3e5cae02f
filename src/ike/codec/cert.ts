import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.6. `encoding` is a `CertEncoding`. */
export interface CertPayload {
  readonly kind: 'CERT'
  readonly critical: boolean
  readonly encoding: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of a CERT payload; `data` is borrowed. RFC 7296 §3.6.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Cert Encoding |                                               |
 * +-+-+-+-+-+-+-+-+                                               |
 * ~                       Certificate Data                        ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeCert(reader: Reader, critical: boolean): CertPayload {
  const encoding = reader.u8('Cert Encoding')
  return { kind: 'CERT', critical, encoding, data: reader.rest() }
}

export function encodeCert(payload: CertPayload, writer: Writer): void {
  writer.u8(payload.encoding).bytes(payload.data)
}
