import { concat, toHex } from '../../bytes/index.ts'
import { CertEncoding, type Payload } from '../codec/index.ts'
import type { ConnectionConfig, PubkeyAuth } from '../config.ts'
import type { CertificateBlob } from '../questions.ts'
import { remoteRounds } from './rounds.ts'

/** Octets of a SHA-1 over a key. RFC 7296 §3.7. */
const HASH_BYTES = 20

/** CERT payloads that are looked at: chains have some, and with what proves that none is revoked some more. */
const MOST_CERTIFICATES = 16

/** Our CERTREQ: the authorities of all that a peer of these connections may sign with. RFC 7296 §3.7. */
export function certRequest(connections: readonly ConnectionConfig[]): Payload[] {
  const authorities = connections
    .flatMap(remoteRounds)
    .flatMap(({ auth }) => (auth.method === 'pubkey' ? auth.authorities : []))
    .filter(({ length }) => length === HASH_BYTES)
  const distinct = new Map(authorities.map((hash) => [toHex(hash), hash])).values()
  const data = concat(...distinct)
  return data.length === 0 ? [] : [{ kind: 'CERTREQ', critical: false, encoding: CertEncoding.X509_SIGNATURE, data }]
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
