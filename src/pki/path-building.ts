import { equalBytes } from '../bytes/index.ts'
import type { SignatureProvider } from '../crypto/signature.ts'
import { equalNames } from '../ike/codec/distinguished-name.ts'
import { type Certificate, isSameCertificate, isSelfIssued, nameOfCertificate } from './certificate.ts'
import { type PathProblem, type PathRules, pathProblem } from './path-rules.ts'
import { isSignedBy } from './signed.ts'

export interface PathRequest {
  readonly endEntity: Certificate
  /** Sent by the peer or our own, in any order, also ones that do not belong to it. */
  readonly intermediates: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly rules: PathRules
  readonly signatures: SignatureProvider
}

/** Certificates in a path, the anchor's included. */
const LONGEST_PATH = 8
/**
 * Authorities that certify each other make more paths than anybody can look at, and it is somebody who has proved nothing who sends
 * them; a signature costs up to a millisecond. The longest path has seven: this is for two tries at each of its steps, and two to spare.
 */
const MOST_SIGNATURES = 16

/**
 * The paths from the end entity to a trust anchor that keep all rules, the first that was found first: more than one is of use when an
 * authority of the first was revoked. Returns why there is no further one: the problem of the candidate that came farthest. RFC 5280
 * §6.1, RFC 4158.
 */
export function* trustedPaths(request: PathRequest): Generator<readonly Certificate[], PathProblem> {
  const search: Search = { request, signaturesLeft: MOST_SIGNATURES, farthest: -1, problem: noPath(request.endEntity) }
  yield* extend(search, [request.endEntity])
  return search.problem
}

interface Search {
  readonly request: PathRequest
  signaturesLeft: number
  /** How far the candidate of `problem` came. */
  farthest: number
  problem: PathProblem
}

/** A candidate that reached an anchor came farther than any that did not. */
const REACHED_ANCHOR = 100

function* extend(search: Search, path: readonly Certificate[]): Generator<readonly Certificate[]> {
  const { request } = search
  const top = path.at(-1)!
  if (request.anchors.some((anchor) => isSameCertificate(anchor, top))) {
    const broken = pathProblem(path, request.rules)
    if (broken === undefined) yield path
    else note(search, REACHED_ANCHOR + path.length, broken)
    return
  }
  const issuers = issuersOf(request, path)
  if (issuers.length === 0) note(search, path.length, noIssuer(top))
  else if (path.length >= LONGEST_PATH) note(search, path.length, tooLong(request.endEntity))
  for (const issuer of path.length >= LONGEST_PATH ? [] : issuers) {
    if (search.signaturesLeft-- <= 0) return note(search, REACHED_ANCHOR, tooMany(request.endEntity))
    if (isSignedBy(top, issuer.publicKey, request.signatures)) yield* extend(search, [...path, issuer])
    else note(search, path.length + 0.5, wrongSignature(top, issuer))
  }
}

/** Those with the right name, most likely ones first: anchors, then by key identifiers. */
function issuersOf({ anchors, intermediates }: PathRequest, path: readonly Certificate[]): Certificate[] {
  const top = path.at(-1)!
  const found: Certificate[] = []
  for (const one of [...anchors, ...intermediates]) {
    if (!equalNames(one.subject, top.issuer) || one.subject.length === 0) continue
    // The same key of the same authority again leads round in a circle.
    const isKnown = path.some((below) => equalBytes(below.spki, one.spki) && equalNames(below.subject, one.subject))
    if (!isKnown && !found.some((other) => isSameCertificate(other, one))) found.push(one)
  }
  const wanted = top.extensions.authorityKeyId
  const hasKeyId = ({ extensions: { subjectKeyId } }: Certificate): number =>
    wanted === undefined || subjectKeyId === undefined ? 1 : equalBytes(wanted, subjectKeyId) ? 0 : 2
  return found.sort((a, b) => hasKeyId(a) - hasKeyId(b))
}

function note(search: Search, distance: number, problem: PathProblem): void {
  if (distance <= search.farthest) return
  search.farthest = distance
  search.problem = problem
}

const noPath = (certificate: Certificate): PathProblem => ({
  certificate: nameOfCertificate(certificate),
  rule: 'RFC 5280 §6.1',
  message: `${nameOfCertificate(certificate)} has no path to a trusted authority`,
  hint: 'add the authority to those that are trusted',
})

const noIssuer = (certificate: Certificate): PathProblem => ({
  certificate: nameOfCertificate(certificate),
  rule: 'RFC 5280 §6.1.3 (a)(4)',
  message: isSelfIssued(certificate)
    ? `${nameOfCertificate(certificate)} issued itself, and is not one of the trusted authorities`
    : `${nameOfCertificate(certificate)} was issued by "${certificate.issuerText}", whose certificate neither came with it nor is configured`,
  hint: `add the certificate of "${certificate.issuerText}" to the authorities, or have the peer send its intermediate certificates`,
})

const wrongSignature = (certificate: Certificate, issuer: Certificate): PathProblem => ({
  certificate: nameOfCertificate(certificate),
  rule: 'RFC 5280 §6.1.3 (a)(1)',
  message:
    certificate.algorithm.scheme === undefined
      ? `${nameOfCertificate(certificate)} is signed with ${certificate.algorithm.name}, which is not implemented (RFC 5280 §6.1.3 (a)(1))`
      : `${nameOfCertificate(certificate)} names ${nameOfCertificate(issuer)} as its issuer, but was not signed with that one's key (RFC 5280 §6.1.3 (a)(1))`,
  hint: 'check that the configured authority is the one that issued it, and not another of the same name',
})

const tooLong = (certificate: Certificate): PathProblem => ({
  certificate: nameOfCertificate(certificate),
  rule: 'limit',
  message: `${nameOfCertificate(certificate)} has no path of ${LONGEST_PATH} certificates or fewer to a trusted authority`,
  hint: 'add an intermediate authority to those that are trusted',
})

const tooMany = (certificate: Certificate): PathProblem => ({
  certificate: nameOfCertificate(certificate),
  rule: 'limit',
  message: `${nameOfCertificate(certificate)} was sent with certificates that make too many paths: none of the first ${MOST_SIGNATURES} signatures that were verified led to a trusted authority`,
  hint: 'have the peer send only the certificates of its own path',
})
