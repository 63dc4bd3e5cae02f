import { concat } from '../bytes/index.ts'
import type { EcCurve, SignatureScheme } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'
import { DecodeError } from '../errors.ts'
import { HashAlgorithm } from '../ike/auth/supported-methods.ts'
import { AuthMethod } from '../ike/codec/index.ts'
import { decodeSignatureAlgorithm, encodeSignatureAlgorithm } from '../pki/signature-algorithm.ts'

/** IANA "IKEv2 Hash Algorithms" of a scheme: what the peer must have announced. RFC 7427 §4, RFC 8420 §2. */
export const hashNumber = (scheme: SignatureScheme): number =>
  'hash' in scheme ? hashNumbers[scheme.hash] : HashAlgorithm.IDENTITY

const hashNumbers: Readonly<Record<HashName, number>> = {
  sha1: 1,
  sha256: HashAlgorithm.SHA2_256,
  sha384: HashAlgorithm.SHA2_384,
  sha512: HashAlgorithm.SHA2_512,
}

/** For messages. */
export function formatHashNumbers(hashes: readonly number[]): string {
  const names = ['', 'sha1', 'sha256', 'sha384', 'sha512', 'identity (ed25519, ed448)']
  return hashes.map((hash) => names[hash] || `hash ${hash}`).join(', ')
}

/** The curve and hash of an `AuthMethod` of RFC 4754 §3. */
export const ecdsaMethods: Readonly<Record<number, { readonly curve: EcCurve; readonly hash: HashName }>> = {
  [AuthMethod.ECDSA_SHA256_P256]: { curve: 'P-256', hash: 'sha256' },
  [AuthMethod.ECDSA_SHA384_P384]: { curve: 'P-384', hash: 'sha384' },
  [AuthMethod.ECDSA_SHA512_P521]: { curve: 'P-521', hash: 'sha512' },
}

/**
 * Authentication Data of `AuthMethod.DIGITAL_SIGNATURE`. RFC 7427 §3.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | ASN.1 Length  | AlgorithmIdentifier ASN.1 object              |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                         Signature Value                       ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function encodeDigitalSignature(scheme: SignatureScheme, signature: Uint8Array): Uint8Array {
  const algorithm = encodeSignatureAlgorithm(scheme)
  return concat(Uint8Array.of(algorithm.length), algorithm, signature)
}

/** The same from a peer. */
export type DigitalSignature =
  | {
      readonly ok: true
      /** For people. */
      readonly name: string
      /** Undefined for an algorithm that is not implemented. */
      readonly scheme: SignatureScheme | undefined
      /** Borrowed. */
      readonly signature: Uint8Array
    }
  | { readonly ok: false; readonly problem: string }

/** Never throws. */
export function decodeDigitalSignature(data: Uint8Array): DigitalSignature {
  const length = data[0]
  if (length === undefined || 1 + length > data.length) return { ok: false, problem: 'its ASN.1 Length is too large' }
  try {
    const subject = { where: 'AlgorithmIdentifier', section: 'RFC 7427 §3' }
    const { name, scheme } = decodeSignatureAlgorithm(data.subarray(1, 1 + length), subject)
    return { ok: true, name, scheme, signature: data.subarray(1 + length) }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { ok: false, problem: error.message }
  }
}
