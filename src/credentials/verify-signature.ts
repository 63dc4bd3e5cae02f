import { describeKey, fitsKey } from '../crypto/public-key.ts'
import type { PublicKey, SignatureProvider, SignatureScheme } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'
import { AuthMethod } from '../ike/codec/index.ts'
import { decodeDigitalSignature, ecdsaMethods } from './auth-signature.ts'
import { formatScheme, rulesAllow, type SignatureRule } from './signature-rules.ts'

/** Which signatures of a peer are taken. */
export interface SignaturePolicy {
  /** None: everything with SHA-2. SHA-1 is taken only where a rule names it. */
  readonly rules: readonly SignatureRule[]
  /** Shorter RSA keys are refused. */
  readonly leastRsaBits: number
}

export const defaultSignaturePolicy: SignaturePolicy = { rules: [], leastRsaBits: 2048 }

/** What a peer's AUTH payload holds, and what it must have signed (RFC 7296 §2.15). All borrowed. */
export interface AuthSignature {
  /** An `AuthMethod`. */
  readonly method: number
  readonly data: Uint8Array
  readonly octets: Uint8Array
}

/** `reason`: half a sentence for our own log, which begins with "the". */
export type SignatureVerdict =
  | { readonly ok: true; readonly scheme: SignatureScheme }
  | { readonly ok: false; readonly reason: string }

/**
 * Is this the signature of `key`? By the methods of RFC 7427 (with RFC 8420), RFC 7296 §3.8 (RSA) and RFC 4754 (ECDSA). Never throws for
 * anything that a peer sends; `key` is one of `decodePublicKey`.
 */
export function verifyAuthSignature(
  signatures: SignatureProvider,
  key: PublicKey,
  auth: AuthSignature,
  policy: SignaturePolicy = defaultSignaturePolicy,
): SignatureVerdict {
  if (key.kind === 'rsa' && key.bits < policy.leastRsaBits) {
    return no(`the key is ${describeKey(key)}, and ${policy.leastRsaBits} bits are the least that is taken`)
  }
  if (auth.method === AuthMethod.DIGITAL_SIGNATURE) return verifyDigital(signatures, key, auth, policy)
  if (auth.method === AuthMethod.RSA_DIGITAL_SIGNATURE) return verifyRsaMethod(signatures, key, auth, policy)
  return verifyEcdsaMethod(signatures, key, auth, policy)
}

/** Method 14. RFC 7427 §3. */
function verifyDigital(
  signatures: SignatureProvider,
  key: PublicKey,
  { data, octets }: AuthSignature,
  policy: SignaturePolicy,
): SignatureVerdict {
  const found = decodeDigitalSignature(data)
  if (!found.ok) return no(`the AUTH payload is malformed: ${found.problem}`)
  const { scheme } = found
  if (scheme === undefined) return no(`the signature is made by ${found.name}, which is not implemented`)
  if (!fitsKey(key, scheme)) return no(`the signature is ${formatScheme(scheme)}, and the key is ${describeKey(key)}`)
  if (!rulesAllow(policy.rules, scheme)) return no(notAllowed(scheme))
  if (signatures.verify(key, scheme, octets, found.signature)) return { ok: true, scheme }
  return no(doesNotVerify(key, formatScheme(scheme)))
}

/** Method 1, whose hash is SHA-1 unless both know better: the signature itself tells. RFC 7296 §3.8. */
function verifyRsaMethod(
  signatures: SignatureProvider,
  key: PublicKey,
  { data, octets }: AuthSignature,
  policy: SignaturePolicy,
): SignatureVerdict {
  if (key.kind !== 'rsa') return no(`the AUTH method is RSA, and the key is ${describeKey(key)}`)
  const scheme = rsaHashes
    .map((hash) => ({ kind: 'rsa-pkcs1', hash }) as const)
    .find((one) => signatures.verify(key, one, octets, data))
  if (scheme === undefined) return no(doesNotVerify(key, 'rsa'))
  return rulesAllow(policy.rules, scheme) ? { ok: true, scheme } : no(notAllowed(scheme))
}

const rsaHashes: readonly HashName[] = ['sha1', 'sha256', 'sha384', 'sha512']

/** Methods 9 to 11. RFC 4754 §7. */
function verifyEcdsaMethod(
  signatures: SignatureProvider,
  key: PublicKey,
  { method, data, octets }: AuthSignature,
  policy: SignaturePolicy,
): SignatureVerdict {
  const fixed = ecdsaMethods[method]
  if (fixed === undefined) return no(`the AUTH method ${method} is no signature that is implemented`)
  if (key.kind !== 'ec' || key.curve !== fixed.curve) {
    return no(`the AUTH method is ECDSA with ${fixed.curve}, and the key is ${describeKey(key)}`)
  }
  const scheme = { kind: 'ecdsa', hash: fixed.hash, encoding: 'raw' } as const
  if (!rulesAllow(policy.rules, scheme)) return no(notAllowed(scheme))
  return signatures.verify(key, scheme, octets, data) ? { ok: true, scheme } : no(doesNotVerify(key, 'ecdsa'))
}

const no = (reason: string): SignatureVerdict => ({ ok: false, reason })

const notAllowed = (scheme: SignatureScheme): string =>
  `the signature is ${formatScheme(scheme)}, which is not among the signatures that are taken`

const doesNotVerify = (key: PublicKey, scheme: string): string =>
  `the ${scheme} signature does not verify under the ${describeKey(key)} key: another key made it, or it is over other octets`
