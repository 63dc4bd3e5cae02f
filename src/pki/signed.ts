import type { AsnType, BitString } from 'asn1js'
import type { AlgorithmIdentifier } from 'pkijs'
import { equalBytes } from '../bytes/index.ts'
import { fitsKey } from '../crypto/public-key.ts'
import type { PublicKey, SignatureProvider } from '../crypto/signature.ts'
import { elements, encodedBlock, malformed, type Subject, wholeOctets } from './asn1.ts'
import { type SignatureAlgorithm, signatureAlgorithmOf } from './signature-algorithm.ts'

/** What certificates, CRLs and OCSP responses have in common. RFC 5280 §4.1.1. */
export interface Signed {
  /** The octets that are signed. */
  readonly signed: Uint8Array
  readonly algorithm: SignatureAlgorithm
  readonly signature: Uint8Array
}

/** `signed`: the octets as they came, borrowed, never encoded again. Throws `DecodeError`. */
export const signedOf = (
  signed: Uint8Array,
  algorithm: AlgorithmIdentifier,
  signature: BitString,
  subject: Subject,
): Signed => ({
  signed,
  algorithm: signatureAlgorithmOf(algorithm, subject),
  signature: wholeOctets(signature, subject, 'signature'),
})

/** The AlgorithmIdentifier in what is signed must be the one outside, which is not signed. RFC 5280 §4.1.2.3. */
export function demandSameAlgorithm(inside: AsnType | undefined, whole: AsnType, subject: Subject): void {
  const outside = elements(whole)[1]
  if (inside === undefined || outside === undefined || !equalBytes(encodedBlock(inside), encodedBlock(outside)))
    throw malformed(subject, 'two different signature algorithms')
}

/** True when `key` made the signature. False for algorithms that are not implemented, or not of this key. */
export function isSignedBy(item: Signed, key: PublicKey | undefined, signatures: SignatureProvider): boolean {
  const { scheme } = item.algorithm
  return (
    key !== undefined &&
    scheme !== undefined &&
    fitsKey(key, scheme) &&
    signatures.verify(key, scheme, item.signed, item.signature)
  )
}
