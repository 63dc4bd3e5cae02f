import { concat, toHex } from '../../bytes/index.ts'
import { CertEncoding, NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig, PubkeyAuth } from '../config.ts'
import { notify } from '../message/notifies.ts'
import type { CertificateBlob } from '../questions.ts'
import { remoteRounds } from './rounds.ts'

/** Octets of a SHA-1 over a key. RFC 7296 §3.7. */
const HASH_BYTES = 20

/** CERT payloads that are looked at: chains have some, and with what proves that none is revoked some more. */
const MOST_CERTIFICATES = 16

/**
 * What we ask of a peer that may sign in one of these connections: CERTREQ with all authorities (RFC 7296 §3.7); one for an OCSP response,
 * without responders, since what an authority or its own responder signed is what we take (RFC 4806 §3.1); and that we fetch by URL.
 */
export function certRequest(connections: readonly ConnectionConfig[]): Payload[] {
  const auths = connections.flatMap(remoteRounds).flatMap(({ auth }) => (auth.method === 'pubkey' ? [auth] : []))
  const authorities = auths.flatMap((auth) => auth.authorities).filter(({ length }) => length === HASH_BYTES)
  const data = concat(...new Map(authorities.map((hash) => [toHex(hash), hash])).values())
  const ask = (encoding: number, hashes: Uint8Array): Payload => ({
    kind: 'CERTREQ',
    critical: false,
    encoding,
    data: hashes,
  })
  return [
    ...(data.length === 0 ? [] : [ask(CertEncoding.X509_SIGNATURE, data)]),
    ...(auths.some(({ wantsOcsp }) => wantsOcsp === true) ? [ask(CertEncoding.OCSP_CONTENT, new Uint8Array(0))] : []),
    ...(auths.some(({ hashAndUrl }) => hashAndUrl === true) ? [notify(NotifyType.HTTP_CERT_LOOKUP_SUPPORTED)] : []),
  ]
}

/** The peer's CERTREQ payloads, copied. */
export const certRequestsIn = (payloads: readonly Payload[]): CertificateBlob[] => blobs(payloads, 'CERTREQ')

/** The peer's CERT payloads in order, copied. */
export const certificatesIn = (payloads: readonly Payload[]): CertificateBlob[] => blobs(payloads, 'CERT')

/** Our CERT payloads, where they are wanted. RFC 7296 §3.6. */
export function certPayloads(
  { sendCertificates }: PubkeyAuth,
  certificates: readonly CertificateBlob[],
  requests: readonly CertificateBlob[],
): Payload[] {
  const isWanted = sendCertificates === 'always' || (sendCertificates === 'asked' && requests.length > 0)
  return isWanted ? certificates.map(({ encoding, data }) => ({ kind: 'CERT', critical: false, encoding, data })) : []
}

function blobs(payloads: readonly Payload[], kind: 'CERT' | 'CERTREQ'): CertificateBlob[] {
  const found = payloads.flatMap((payload) =>
    payload.kind === kind && 'encoding' in payload ? [{ encoding: payload.encoding, data: payload.data.slice() }] : [],
  )
  return found.slice(0, MOST_CERTIFICATES)
}
