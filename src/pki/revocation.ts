import { equalBytes, toHex } from '../bytes/index.ts'
import type { SignatureProvider } from '../crypto/signature.ts'
import { DecodeError } from '../errors.ts'
import { type Certificate, nameOfCertificate } from './certificate.ts'
import { type Crl, crlProblem, decodeCrl, type Revocation, reasonName, serialKey } from './crl.ts'
import { formatTime } from './der-time.ts'
import type { Fetching } from './fetching.ts'
import { certIdOf, decodeOcspResponse, encodeCertId, encodeOcspRequest, type Hash, type OcspAnswer } from './ocsp.ts'
import { verifyOcspResponse } from './ocsp-verify.ts'
import type { PathProblem } from './path-rules.ts'
import type { RevocationCache } from './revocation-cache.ts'
import { type StrengthRules, weakness } from './signature-strength.ts'
import { isSignedBy } from './signed.ts'

/**
 * What it means that nobody says whether a certificate was revoked. `strict`: it is refused. `ifuri`: it is refused when it names where to
 * ask. `relaxed`: it is taken. A certificate that was revoked is refused whatever the policy.
 */
export type RevocationPolicy = 'strict' | 'ifuri' | 'relaxed'

export interface RevocationWorld {
  /** ms since 1970. */
  readonly now: number
  readonly signatures: SignatureProvider
  readonly hash: Hash
  /** A fresh nonce for a request, undefined for requests without. */
  nonce(): Uint8Array | undefined
  readonly cache: RevocationCache
  /** Lists that are configured, or that the peer brought. */
  readonly crls: readonly Crl[]
  /** OCSP responses that the peer brought, in DER. RFC 4806. */
  readonly ocspResponses: readonly Uint8Array[]
  /** What is signed more weakly clears nobody; that it says revoked is believed all the same. */
  readonly rules: StrengthRules
  /** How long after its thisUpdate a list without nextUpdate clears anybody, ms. Default: a day. */
  readonly crlMaxAgeMs?: number
}

/** What is known of one certificate. `notes`: what was asked, and why it did not settle the matter. */
export interface RevocationStatus {
  readonly certificate: Certificate
  readonly status: 'good' | 'revoked' | 'unknown'
  /** Who says so, for people. */
  readonly by: string
  readonly revocation: Revocation | undefined
  readonly notes: readonly string[]
}

const MOST_CRL_BYTES = 32 * 1024 * 1024
const MOST_OCSP_BYTES = 64 * 1024
const DEFAULT_CRL_AGE_MS = 86_400_000
/** Servers asked for one certificate, of each kind: it is the certificate that names them. */
const MOST_URLS = 3

/** Asks about each certificate of a path but its anchor, the end entity's first, until one was revoked. RFC 5280 §6.3, RFC 6960. */
export function* revocationOf(path: readonly Certificate[], world: RevocationWorld): Fetching<RevocationStatus[]> {
  const statuses: RevocationStatus[] = []
  for (const [at, certificate] of path.slice(0, -1).entries()) {
    const status = yield* statusOf(certificate, path[at + 1]!, world)
    statuses.push(status)
    if (status.status === 'revoked') break
  }
  return statuses
}

/** Why the path is refused under `policy`, undefined when it is not. */
export function revocationProblem(
  statuses: readonly RevocationStatus[],
  policy: RevocationPolicy,
): PathProblem | undefined {
  for (const { certificate, status, by, revocation, notes } of statuses) {
    const name = nameOfCertificate(certificate)
    if (status === 'revoked')
      return {
        certificate: name,
        rule: 'RFC 5280 §6.3',
        message: `${name} was revoked at ${formatTime(revocation!.at)} (${reasonName(revocation!.reason)}), says ${by}`,
        hint: 'have a new certificate issued for this peer',
      }
    const { crlUrls, ocspUrls } = certificate.extensions
    const isTolerated = policy === 'relaxed' || (policy === 'ifuri' && crlUrls.length + ocspUrls.length === 0)
    if (status === 'unknown' && !isTolerated)
      return {
        certificate: name,
        rule: `revocation: ${policy}`,
        message: `nobody says whether ${name} was revoked, and revocation is ${policy}: ${notes.join('; ') || 'it names no CRL and no OCSP server, and no CRL is configured'}`,
        hint: 'make a CRL or OCSP server of its issuer reachable, configure a CRL file, or set revocation to relaxed',
      }
  }
  return undefined
}

function* statusOf(certificate: Certificate, issuer: Certificate, world: RevocationWorld): Fetching<RevocationStatus> {
  const notes: string[] = []
  const asking: Asking = { certificate, issuer, world, notes }
  const known = knownStatus(asking)
  if (known !== undefined) return known
  for (const url of httpUrls(certificate.extensions.ocspUrls)) {
    const status = yield* askOcsp(asking, url)
    if (status !== undefined) return status
  }
  for (const url of httpUrls(certificate.extensions.crlUrls)) {
    const status = yield* fetchCrl(asking, url)
    if (status !== undefined) return status
  }
  return { certificate, status: 'unknown', by: '', revocation: undefined, notes }
}

interface Asking {
  readonly certificate: Certificate
  readonly issuer: Certificate
  readonly world: RevocationWorld
  readonly notes: string[]
}

const httpUrls = (urls: readonly string[]): string[] =>
  urls.filter((url) => /^https?:\/\//i.test(url)).slice(0, MOST_URLS)

/** From what the peer brought, what is configured, and what is kept. One that says revoked counts more than one that does not. */
function knownStatus(asking: Asking): RevocationStatus | undefined {
  const { certificate, issuer, world } = asking
  const found: RevocationStatus[] = []
  for (const response of world.ocspResponses) {
    const answer = readOcsp(asking, response, undefined, 'the OCSP response of the peer')
    if (answer !== undefined) found.push(ofAnswer(asking, answer, 'an OCSP response that the peer brought'))
  }
  const kept = world.cache.answer(keyOf(asking), world.now)
  if (kept !== undefined) found.push(ofAnswer(asking, kept, 'a kept OCSP response'))
  const cached = certificate.extensions.crlUrls.flatMap((url) => world.cache.crl(url, world.now) ?? [])
  for (const crl of [...world.crls, ...cached]) {
    const status = ofCrl(asking, crl, `the CRL of "${issuer.subjectText}"`)
    if (status !== undefined) found.push(status)
  }
  return found.find(({ status }) => status === 'revoked') ?? found.find(({ status }) => status === 'good')
}

function* askOcsp(asking: Asking, url: string): Fetching<RevocationStatus | undefined> {
  const { certificate, issuer, world, notes } = asking
  const nonce = world.nonce()
  const request = encodeOcspRequest(certIdOf(certificate, issuer, world.hash), nonce)
  const octets = yield* fetchOnce(asking, {
    url,
    body: request,
    contentType: 'application/ocsp-request',
    mostBytes: MOST_OCSP_BYTES,
  })
  const answer = octets === undefined ? undefined : readOcsp(asking, octets, nonce, `the OCSP response of ${url}`)
  if (answer === undefined) return undefined
  if (answer.status === 'unknown') {
    notes.push(`the OCSP server ${url} does not know it`)
    return undefined
  }
  world.cache.keepAnswer(keyOf(asking), answer, world.now)
  return ofAnswer(asking, answer, `the OCSP server ${url}`)
}

function* fetchCrl(asking: Asking, url: string): Fetching<RevocationStatus | undefined> {
  const { world, notes } = asking
  const octets = yield* fetchOnce(asking, { url, mostBytes: MOST_CRL_BYTES })
  if (octets === undefined) return undefined
  const crl = tried(notes, `the CRL of ${url}`, () => decodeCrl(octets))
  const status = crl === undefined ? undefined : ofCrl(asking, crl, `the CRL of ${url}`)
  if (crl !== undefined && status !== undefined) world.cache.keepCrl(url, crl, world.now)
  return status
}

function* fetchOnce(
  { world, notes }: Asking,
  request: { url: string; body?: Uint8Array; contentType?: string; mostBytes: number },
): Fetching<Uint8Array | undefined> {
  const earlier = world.cache.failure(request.url, world.now)
  if (earlier !== undefined) {
    notes.push(`${request.url} could not be fetched a moment ago (${earlier})`)
    return undefined
  }
  const result = yield request
  if (result.ok) return result.octets
  world.cache.keepFailure(request.url, result.problem, world.now)
  notes.push(`${request.url} could not be fetched (${result.problem})`)
  return undefined
}

function readOcsp(
  { certificate, issuer, world, notes }: Asking,
  octets: Uint8Array,
  nonce: Uint8Array | undefined,
  what: string,
): OcspAnswer | undefined {
  const { now, signatures, hash, rules } = world
  const response = tried(notes, what, () => decodeOcspResponse(octets))
  if (response === undefined) return undefined
  const answer =
    'problem' in response
      ? response
      : verifyOcspResponse(response, { certificate, issuer, nonce, now, signatures, hash, rules })
  if (!('problem' in answer)) return answer
  notes.push(`${what}: ${answer.problem}`)
  return undefined
}

const ofAnswer = (
  { certificate, notes }: Asking,
  { status, revocation }: OcspAnswer,
  by: string,
): RevocationStatus => ({
  certificate,
  status,
  by,
  revocation,
  notes,
})

function ofCrl({ certificate, issuer, world, notes }: Asking, crl: Crl, by: string): RevocationStatus | undefined {
  const problem = crlProblem(crl, certificate, issuer, world.now)
  if (problem !== undefined) {
    notes.push(`${by}: ${problem}`)
    return undefined
  }
  if (!isCrlSignedBy(crl, issuer, world.signatures)) {
    notes.push(`${by}: ${nameOfCertificate(issuer)} did not sign it`)
    return undefined
  }
  const revocation = crl.revoked.get(serialKey(certificate.serial))
  if (revocation !== undefined) return { certificate, status: 'revoked', by, revocation, notes }
  const weak = weakness(crl, issuer.publicKey, world.rules)
  const doubt = weak === undefined ? ageProblem(crl, world) : `it ${weak}`
  if (doubt === undefined) return { certificate, status: 'good', by, revocation, notes }
  notes.push(`${by}: ${doubt}`)
  return undefined
}

/** A list that does not say until when it holds could be one of before the certificate was revoked. RFC 5280 §5.1.2.5. */
function ageProblem({ thisUpdate, nextUpdate }: Crl, { now, crlMaxAgeMs }: RevocationWorld): string | undefined {
  const mostMs = crlMaxAgeMs ?? DEFAULT_CRL_AGE_MS
  if (nextUpdate !== undefined || thisUpdate + mostMs >= now) return undefined
  return `it has no nextUpdate, which RFC 5280 §5.1.2.5 demands, and is of ${formatTime(thisUpdate)}: it counts for ${mostMs / 3_600_000} h (have it issued with nextUpdate, or raise crlMaxAge)`
}

/** A list can be long, and its signature is the same each time. */
const verified = new WeakMap<Crl, Uint8Array>()

function isCrlSignedBy(crl: Crl, issuer: Certificate, signatures: SignatureProvider): boolean {
  const by = verified.get(crl)
  if (by !== undefined && equalBytes(by, issuer.spki)) return true
  const isGood = isSignedBy(crl, issuer.publicKey, signatures)
  if (isGood) verified.set(crl, issuer.spki)
  return isGood
}

/** Whose rules are others may not take an answer that was good under these. */
const keyOf = ({ certificate, issuer, world: { hash, rules } }: Asking): string =>
  `${toHex(encodeCertId(certIdOf(certificate, issuer, hash)))}/${rules.minRsaBits}/${rules.allowSha1}`

function tried<T>(notes: string[], what: string, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    notes.push(`${what}: ${error.message}`)
    return undefined
  }
}
