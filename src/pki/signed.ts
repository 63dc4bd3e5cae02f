import { equalBytes } from '../bytes/index.ts'
import { DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { fitsKey } from '../crypto/public-key.ts'
import type { PublicKey, SignatureProvider } from '../crypto/signature.ts'
import { decodeSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts'

/** What certificates, CRLs and OCSP responses have in common. RFC 5280 §4.1.1. */
export interface Signed {
  /** The octets that are signed. */
  readonly signed: Uint8Array
  readonly algorithm: SignatureAlgorithm
  readonly signature: Uint8Array
}

/**
 * SEQUENCE { what is signed, signatureAlgorithm, signature }, all borrowed. `inner` are the octets of the AlgorithmIdentifier, which must
 * stand in what is signed as well. Throws `DecodeError`.
 */
export function decodeSigned(
  der: Uint8Array,
  where: string,
  section: string,
): Signed & { readonly body: DerReader; readonly algorithmDer: Uint8Array } {
  const outer = new DerReader(der, where, section)
  const whole = outer.sequence(where)
  outer.end()
  const { signed, algorithm, algorithmDer, signature } = readSigned(whole, where, section)
  whole.end()
  const body = new DerReader(signed, where, section).sequence(where)
  return { signed, algorithm, algorithmDer, signature, body }
}

/** The same three elements, with more to follow (RFC 6960 §4.2.1). */
export function readSigned(whole: DerReader, where: string, section: string): Signed & { algorithmDer: Uint8Array } {
  if (whole.tag !== DerTag.SEQUENCE) whole.fail('a SEQUENCE was expected')
  const signed = whole.any(where)
  const algorithmDer = whole.any('signatureAlgorithm')
  const algorithm = decodeSignatureAlgorithm(new DerReader(algorithmDer, where, section))
  return { signed, algorithm, algorithmDer, signature: whole.bitString('signature') }
}

/** Reads the AlgorithmIdentifier in what is signed: it must be the one outside, which is not signed. RFC 5280 §4.1.2.3. */
export function sameAlgorithm(body: DerReader, algorithmDer: Uint8Array): void {
  if (!equalBytes(body.any('signature'), algorithmDer)) body.fail('two different signature algorithms')
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
