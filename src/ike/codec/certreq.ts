import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.7. `encoding` is a `CertEncoding`; for X.509 `data` is a row of 20-octet SHA-1 hashes of CA public keys. */
export interface CertReqPayload {
  readonly kind: 'CERTREQ'
  readonly critical: boolean
  readonly encoding: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of a CERTREQ payload; `data` is borrowed. RFC 7296 §3.7.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Cert Encoding |                                               |
 * +-+-+-+-+-+-+-+-+                                               |
 * ~                    Certification Authority                    ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeCertReq(reader: Reader, critical: boolean): CertReqPayload {
  const encoding = reader.u8('Cert Encoding')
  return { kind: 'CERTREQ', critical, encoding, data: reader.rest() }
}

export function encodeCertReq(payload: CertReqPayload, writer: Writer): void {
  writer.u8(payload.encoding).bytes(payload.data)
}
