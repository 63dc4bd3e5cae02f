import { DecodeError } from '../errors.ts'
import { CertEncoding } from '../ike/codec/index.ts'
import type { CertificateBlob } from '../ike/questions.ts'
import { type Certificate, decodeCertificate } from '../pki/certificate.ts'
import { type Crl, decodeCrl } from '../pki/crl.ts'
import type { Fetching } from '../pki/fetching.ts'
import { fetchHashAndUrl } from '../pki/hash-and-url.ts'
import type { Hash } from '../pki/ocsp.ts'

/** What came in the CERT payloads of a peer. */
export interface PeerCertificates {
  /** The end entity's first. */
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** In DER. RFC 4806. */
  readonly ocspResponses: readonly Uint8Array[]
  /** SubjectPublicKeyInfo in DER. RFC 7670. */
  readonly rawKeys: readonly Uint8Array[]
  /** Why the first certificate, the one that counts, could not be had. */
  readonly problem: string | undefined
  /** The same of the others. */
  readonly notes: readonly string[]
}

/** More is nobody's path; a path that needs them is longer than any that is looked for. */
const MOST_BLOBS = 24
/** It is somebody who has proved nothing who has us fetch them; longer paths come in a bundle. */
const MOST_URLS = 4

/**
 * Reads the CERT payloads in order. `hashAndUrl`: whether those that are only a hash and a URL are fetched, or from which hosts. RFC
 * 7296 §3.6.
 */
export function* readPeerCertificates(
  blobs: readonly CertificateBlob[],
  hashAndUrl: boolean | readonly string[],
  hash: Hash,
): Fetching<PeerCertificates> {
  const certificates: Certificate[] = []
  const crls: Crl[] = []
  const ocspResponses: Uint8Array[] = []
  const rawKeys: Uint8Array[] = []
  const notes: string[] = []
  let problem: string | undefined
  let urlsLeft = MOST_URLS
  const failed = (text: string): void => {
    if (certificates.length === 0 && problem === undefined) problem = text
    notes.push(text)
  }
  const read = (what: string, decode: () => void): void => {
    try {
      decode()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      failed(`${what} that the peer sent is malformed (${error.message})`)
    }
  }
  for (const { encoding, data } of blobs.slice(0, MOST_BLOBS)) {
    if (encoding === CertEncoding.X509_SIGNATURE)
      read('a certificate', () => certificates.push(decodeCertificate(data)))
    else if (encoding === CertEncoding.CRL) read('a CRL', () => crls.push(decodeCrl(data)))
    else if (encoding === CertEncoding.OCSP_CONTENT) ocspResponses.push(data)
    else if (encoding === CertEncoding.RAW_PUBLIC_KEY) rawKeys.push(data)
    else if (encoding === CertEncoding.HASH_URL_X509 || encoding === CertEncoding.HASH_URL_BUNDLE) {
      if (hashAndUrl === false) {
        failed('the peer sent a URL in place of its certificate, and hashAndUrl is off')
        continue
      }
      // Without the certificate that counts, the others are of no use.
      if (problem !== undefined) continue
      if (urlsLeft-- === 0) {
        failed(`the peer sent more than ${MOST_URLS} URLs in place of certificates`)
        break
      }
      const hosts = hashAndUrl === true ? undefined : hashAndUrl
      const bundle = yield* fetchBundle(data, encoding === CertEncoding.HASH_URL_BUNDLE, hosts, hash)
      if ('problem' in bundle) failed(bundle.problem)
      else {
        for (const one of bundle.certificates) read('a certificate', () => certificates.push(decodeCertificate(one)))
        for (const one of bundle.crls) read('a CRL', () => crls.push(decodeCrl(one)))
      }
    } else failed(`the peer sent a certificate of the encoding ${encoding}, which is not implemented (RFC 7296 §3.6)`)
  }
  // A problem before the first certificate matters only where there is no other to take.
  return { certificates, crls, ocspResponses, rawKeys, problem, notes }
}

function* fetchBundle(...args: Parameters<typeof fetchHashAndUrl>): ReturnType<typeof fetchHashAndUrl> {
  try {
    return yield* fetchHashAndUrl(...args)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { problem: `what the peer's URL has is malformed (${error.message})` }
  }
}
