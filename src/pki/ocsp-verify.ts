import { equalBytes } from '../bytes/index.ts'
import type { SignatureProvider } from '../crypto/signature.ts'
import { equalNames } from '../ike/codec/distinguished-name.ts'
import { type Certificate, isSameCertificate, nameOfCertificate } from './certificate.ts'
import { CLOCK_SKEW_MS } from './crl.ts'
import { formatTime } from './der-time.ts'
import { certIdOf, equalCertIds, type Hash, type OcspAnswer, type OcspResponse } from './ocsp.ts'
import { Purpose } from './oids.ts'
import { type StrengthRules, weakness } from './signature-strength.ts'
import { isSignedBy } from './signed.ts'

export interface OcspQuestion {
  readonly certificate: Certificate
  readonly issuer: Certificate
  /** What was asked with; undefined: nothing was (a response that the peer brought). */
  readonly nonce: Uint8Array | undefined
  /** ms since 1970. */
  readonly now: number
  readonly signatures: SignatureProvider
  readonly hash: Hash
  /** For the response and its signer's certificate; that the certificate was revoked is believed of weaker ones too. */
  readonly rules: StrengthRules
}

/** An answer without nextUpdate is new for as long as this. RFC 6960 §4.2.2.1 leaves it to us. */
const MOST_AGE_MS = 86_400_000

/** Certificates of the name that a response gives, whose keys are tried: it is the peer that may have brought it. */
const MOST_SIGNERS = 4

/** The answer about the certificate, once all that RFC 6960 §3.2 demands is found good; else why it is of no use. */
export function verifyOcspResponse(
  response: OcspResponse,
  question: OcspQuestion,
): OcspAnswer | { readonly problem: string } {
  const { certificate, issuer, hash, now } = question
  const answer = response.answers.find(
    ({ id }) => id.hash !== undefined && equalCertIds(id, certIdOf(certificate, issuer, hash, id.hash)),
  )
  if (answer === undefined) return { problem: 'it is about other certificates' }
  const problem =
    signerProblem(response, question, answer) ?? nonceProblem(response, question) ?? timeProblem(answer, now)
  return problem === undefined ? answer : { problem }
}

/** The issuer signed it, or somebody whom the issuer made its responder. RFC 6960 §4.2.2.2. */
function signerProblem(response: OcspResponse, question: OcspQuestion, { status }: OcspAnswer): string | undefined {
  const { issuer, signatures, rules } = question
  const named = [issuer, ...response.certificates].filter((one) => isResponder(one, response, question.hash))
  const signer = named.slice(0, MOST_SIGNERS).find((one) => isSignedBy(response, one.publicKey, signatures))
  if (signer === undefined) return 'its signature is not that of the responder whom it names'
  const isIssuer = isSameCertificate(signer, issuer) || equalBytes(signer.spki, issuer.spki)
  const problem = isIssuer ? undefined : delegateProblem(signer, question)
  if (problem !== undefined || status === 'revoked') return problem
  const weak = weakness(response, signer.publicKey, rules)
  if (weak !== undefined) return `it ${weak}`
  const weakSigner = isIssuer ? undefined : weakness(signer, issuer.publicKey, rules)
  return weakSigner === undefined
    ? undefined
    : `the certificate of its signer ${nameOfCertificate(signer)} ${weakSigner}`
}

function isResponder(certificate: Certificate, { responder }: OcspResponse, hash: Hash): boolean {
  return 'name' in responder
    ? equalNames(responder.name, certificate.subject)
    : equalBytes(responder.keyHash, hash('sha1', certificate.keyOctets))
}

function delegateProblem(signer: Certificate, { issuer, now, signatures }: OcspQuestion): string | undefined {
  const name = nameOfCertificate(signer)
  if (!equalNames(signer.issuer, issuer.subject) || !isSignedBy(signer, issuer.publicKey, signatures))
    return `its signer ${name} was not made responder by ${nameOfCertificate(issuer)}`
  if (signer.extensions.extendedKeyUsage?.includes(Purpose.ocspSigning) !== true)
    return `its signer ${name} is not for ocspSigning (extKeyUsage)`
  if (now < signer.notBefore || now > signer.notAfter)
    return `its signer ${name} expired at ${formatTime(signer.notAfter)}`
  const { keyUsage, unknownCritical } = signer.extensions
  if (unknownCritical.length > 0) return `its signer ${name} has a critical extension that is not understood`
  return keyUsage === undefined || keyUsage.has('digitalSignature') || keyUsage.has('nonRepudiation')
    ? undefined
    : `its signer ${name} has no digitalSignature in keyUsage`
}

/** Many responders sign in advance and send no nonce; one that is another's answer is a replay. RFC 6960 §4.4.1. */
function nonceProblem({ nonce }: OcspResponse, { nonce: asked }: OcspQuestion): string | undefined {
  return asked === undefined || nonce === undefined || equalBytes(asked, nonce)
    ? undefined
    : 'it has another nonce than was sent'
}

function timeProblem({ thisUpdate, nextUpdate }: OcspAnswer, now: number): string | undefined {
  if (thisUpdate > now + CLOCK_SKEW_MS) return `it is not valid before ${formatTime(thisUpdate)}`
  const until = nextUpdate ?? thisUpdate + MOST_AGE_MS
  return until < now - CLOCK_SKEW_MS ? `it was good until ${formatTime(until)}` : undefined
}
