import { equalBytes } from '../bytes/index.ts'
import { contextTag, DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { MOST_CERTIFICATE_BYTES } from './certificate.ts'
import type { Fetching } from './fetching.ts'
import type { Hash } from './ocsp.ts'

const MOST_BUNDLE_BYTES = 128 * 1024
const MOST_IN_BUNDLE = 16

/** Certificates and lists in DER, borrowed. */
export interface Bundle {
  readonly certificates: readonly Uint8Array[]
  readonly crls: readonly Uint8Array[]
}

/**
 * Fetches what a CERT payload of encoding 12 (`isBundle` false) or 13 stands for: SHA-1 over it, 20 octets, and a URL, of the http scheme
 * alone. Its SHA-1 must be the one that was sent. RFC 7296 §3.6.
 *
 * @param hosts where to fetch from; undefined: from any public address.
 */
export function* fetchHashAndUrl(
  data: Uint8Array,
  isBundle: boolean,
  hosts: readonly string[] | undefined,
  hash: Hash,
): Fetching<Bundle | { readonly problem: string }> {
  const url = String.fromCharCode(...data.subarray(20, 20 + 2048))
  if (data.length < 21 || data.length > 20 + 2048 || !/^[\x21-\x7e]+$/.test(url))
    return { problem: 'a malformed hash and URL' }
  const host = hostOf(url)
  if (host === undefined) return { problem: `${url} is no URL of the http scheme` }
  if (hosts !== undefined && !hosts.includes(host)) return { problem: `${host} is not among the hosts of hashAndUrl` }
  const result = yield {
    url,
    mostBytes: isBundle ? MOST_BUNDLE_BYTES : MOST_CERTIFICATE_BYTES,
    publicOnly: hosts === undefined,
  }
  if (!result.ok) return { problem: `${url} could not be fetched (${result.problem})` }
  if (!equalBytes(hash('sha1', result.octets), data.subarray(0, 20)))
    return { problem: `what ${url} has is not what the peer hashed` }
  return isBundle ? decodeBundle(result.octets) : { certificates: [result.octets], crls: [] }
}

/**
 * CertificateBundle ::= SEQUENCE OF CHOICE { cert [0] Certificate, crl [1] CertificateList }, with explicit tags. Throws `DecodeError`.
 * RFC 7296 §3.6.
 */
export function decodeBundle(octets: Uint8Array): Bundle {
  const outer = new DerReader(octets, 'CertificateBundle', 'RFC 7296 §3.6')
  const list = outer.nested(DerTag.SEQUENCE, 'CertificateBundle')
  outer.end()
  const [certificates, crls]: [Uint8Array[], Uint8Array[]] = [[], []]
  while (list.tag !== undefined) {
    const isCrl = list.tag === contextTag(1)
    const one = list.nested(contextTag(isCrl ? 1 : 0), 'CertificateOrCRL')
    ;(isCrl ? crls : certificates).push(one.any('CertificateOrCRL'))
    one.end()
    if (certificates.length + crls.length > MOST_IN_BUNDLE)
      list.fail(`more than ${MOST_IN_BUNDLE} certificates and lists`)
  }
  return { certificates, crls }
}

function hostOf(url: string): string | undefined {
  try {
    const { protocol, hostname } = new URL(url)
    return protocol === 'http:' && hostname !== '' ? hostname : undefined
  } catch {
    return undefined
  }
}
