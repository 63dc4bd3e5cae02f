import { UsageError } from '../errors.ts'
import { DerTag, derBitString, derElement, derInteger, derOid } from './der.ts'
import { DerReader } from './der-reader.ts'
import type { EcCurve, PublicKey, PublicKeyKind, SignatureScheme } from './signature.ts'

/** OBJECT IDENTIFIERs of keys. RFC 8017 appendix C, RFC 5480 §2.1.1, RFC 8410 §3. */
export const KeyOid = {
  rsaEncryption: '1.2.840.113549.1.1.1',
  rsassaPss: '1.2.840.113549.1.1.10',
  ecPublicKey: '1.2.840.10045.2.1',
  ed25519: '1.3.101.112',
  ed448: '1.3.101.113',
} as const

/** Octets of an EdDSA public key. RFC 8032 §§5.1.5, 5.2.5. */
export const edwardsBytes = { ed25519: 32, ed448: 57 } as const

/** OBJECT IDENTIFIER and octets of a coordinate. RFC 5480 §2.1.1.1, RFC 5639 appendix A. */
export const ecCurves: Readonly<Record<EcCurve, { readonly oid: string; readonly bytes: number }>> = {
  'P-256': { oid: '1.2.840.10045.3.1.7', bytes: 32 },
  'P-384': { oid: '1.3.132.0.34', bytes: 48 },
  'P-521': { oid: '1.3.132.0.35', bytes: 66 },
  brainpoolP256r1: { oid: '1.3.36.3.3.2.8.1.1.7', bytes: 32 },
  brainpoolP384r1: { oid: '1.3.36.3.3.2.8.1.1.11', bytes: 48 },
  brainpoolP512r1: { oid: '1.3.36.3.3.2.8.1.1.13', bytes: 64 },
}

/** The curve of an OBJECT IDENTIFIER; undefined for one that is not implemented. */
export const curveOfOid = (oid: string): EcCurve | undefined =>
  (Object.keys(ecCurves) as EcCurve[]).find((curve) => ecCurves[curve].oid === oid)

/** Verifying takes longer with the square of it, and nobody has larger keys. */
const MOST_RSA_BITS = 16_384

/** What a SubjectPublicKeyInfo holds, as octets. */
export type PublicKeyParts =
  | {
      readonly kind: 'rsa'
      readonly bits: number
      readonly modulus: Uint8Array
      readonly exponent: Uint8Array
      /** The key says that it is for PSS alone. RFC 4055 §1.2. */
      readonly isPssOnly: boolean
    }
  | { readonly kind: 'ec'; readonly curve: EcCurve; readonly point: Uint8Array }
  | { readonly kind: 'ed25519' | 'ed448'; readonly point: Uint8Array }

/**
 * The key in a SubjectPublicKeyInfo in DER, which is copied. Throws `DecodeError` for what is malformed, and for keys that are not implemented.
 * That a point is on its curve is seen when something is verified: then nothing is valid. RFC 5280 §4.1.2.7.
 */
export function decodePublicKey(spki: Uint8Array): PublicKey {
  return { ...keyKind(decodePublicKeyParts(spki)), spki: Uint8Array.from(spki) }
}

/** The same as octets, borrowed. */
export function decodePublicKeyParts(spki: Uint8Array): PublicKeyParts {
  const outer = new DerReader(spki, 'SubjectPublicKeyInfo', 'RFC 5280 §4.1.2.7')
  const info = outer.sequence('SubjectPublicKeyInfo')
  outer.end()
  const algorithm = info.sequence('algorithm')
  const oid = algorithm.oid('algorithm')
  const kind = algorithmOfKey(oid, algorithm)
  const key = info.bitString('subjectPublicKey')
  info.end()
  if (kind.kind === 'rsa') return { ...rsaPublicKey(key), isPssOnly: oid === KeyOid.rsassaPss }
  const expected = kind.kind === 'ec' ? ecPointBytes(kind.curve, key) : edwardsBytes[kind.kind]
  if (key.length !== expected) info.fail(`a public key of ${key.length} octets that begins with ${key[0]}`)
  return { ...kind, point: key }
}

export type KeyAlgorithm =
  | { readonly kind: 'rsa' }
  | { readonly kind: 'ed25519' | 'ed448' }
  | { readonly kind: 'ec'; readonly curve: EcCurve }

/** What an AlgorithmIdentifier says of a key, read to its end. */
export function algorithmOfKey(oid: string, parameters: DerReader): KeyAlgorithm {
  if (oid === KeyOid.ecPublicKey) {
    // A curve by its parameters could be any curve: only named ones are taken. RFC 5480 §2.1.1.
    const name = parameters.oid('namedCurve')
    parameters.end()
    const curve = curveOfOid(name)
    return curve === undefined ? parameters.fail(`the curve ${name} is not implemented`) : { kind: 'ec', curve }
  }
  // RFC 3279 §2.3.1 has NULL there; keys without it are met too.
  if (oid === KeyOid.rsaEncryption && parameters.tag === DerTag.NULL) parameters.element(DerTag.NULL, 'parameters')
  if (parameters.tag !== undefined) parameters.fail(`parameters of a key ${oid} are not implemented`)
  if (oid === KeyOid.rsaEncryption || oid === KeyOid.rsassaPss) return { kind: 'rsa' }
  if (oid === KeyOid.ed25519) return { kind: 'ed25519' }
  if (oid === KeyOid.ed448) return { kind: 'ed448' }
  return parameters.fail(`keys of the algorithm ${oid} are not implemented`)
}

/** A SubjectPublicKeyInfo from what it holds. */
export function encodePublicKey(parts: PublicKeyParts): Uint8Array {
  if (parts.kind === 'rsa') {
    const key = derElement(DerTag.SEQUENCE, derInteger(parts.modulus), derInteger(parts.exponent))
    const algorithm = parts.isPssOnly ? [derOid(KeyOid.rsassaPss)] : [derOid(KeyOid.rsaEncryption), derNull]
    return derElement(DerTag.SEQUENCE, derElement(DerTag.SEQUENCE, ...algorithm), derBitString(key))
  }
  const algorithm =
    parts.kind === 'ec' ? [derOid(KeyOid.ecPublicKey), derOid(ecCurves[parts.curve].oid)] : [derOid(KeyOid[parts.kind])]
  return derElement(DerTag.SEQUENCE, derElement(DerTag.SEQUENCE, ...algorithm), derBitString(parts.point))
}

/** The kind alone of a key, without its octets. */
export function keyKind(key: PublicKeyKind): PublicKeyKind {
  if (key.kind === 'rsa') return { kind: 'rsa', bits: key.bits }
  if (key.kind === 'ec') return { kind: 'ec', curve: key.curve }
  return { kind: key.kind }
}

/** For people: `RSA-2048`, `ECDSA P-256`, `Ed25519`. */
export function describeKey(key: PublicKeyKind): string {
  if (key.kind === 'rsa') return `RSA-${key.bits}`
  if (key.kind === 'ec') return `ECDSA ${key.curve}`
  return key.kind === 'ed25519' ? 'Ed25519' : 'Ed448'
}

/** True when `key` can make signatures of `scheme`. */
export const fitsKey = (key: PublicKeyKind, scheme: SignatureScheme): boolean =>
  key.kind ===
  (scheme.kind === 'rsa-pkcs1' || scheme.kind === 'rsa-pss' ? 'rsa' : scheme.kind === 'ecdsa' ? 'ec' : scheme.kind)

/** Throws `UsageError` for a scheme that is not one of the key. */
export function requireScheme(key: PublicKeyKind, scheme: SignatureScheme): void {
  if (!fitsKey(key, scheme)) throw new UsageError('scheme', `${scheme.kind} is not a scheme of ${describeKey(key)}`)
}

const derNull = Uint8Array.of(DerTag.NULL, 0)

/** RSAPublicKey. RFC 8017 appendix A.1.1. */
export function rsaPublicKey(der: Uint8Array): {
  kind: 'rsa'
  bits: number
  modulus: Uint8Array
  exponent: Uint8Array
} {
  const outer = new DerReader(der, 'RSAPublicKey', 'RFC 8017 appendix A.1.1')
  const key = outer.sequence('RSAPublicKey')
  outer.end()
  const modulus = key.integer('modulus')
  const exponent = key.integer('publicExponent')
  key.end()
  const bits = bitLength(modulus)
  if (bits < 512 || bits > MOST_RSA_BITS) key.fail(`a modulus of ${bits} bits`)
  if ((modulus.at(-1)! & 1) === 0) key.fail('an even modulus')
  // OpenSSL takes no larger exponent for large keys either: it makes verifying slow.
  if (exponent.length > 8 || (exponent.at(-1)! & 1) === 0 || bitLength(exponent) < 2) key.fail('a wrong exponent')
  return { kind: 'rsa', bits, modulus, exponent }
}

/** Bits of a big-endian number without leading zeros. */
const bitLength = (octets: Uint8Array): number => 8 * octets.length - Math.clz32(octets[0]!) + 24

/** Octets that a point has, by its first one: 4 uncompressed, 2 and 3 compressed. SEC 1 §2.3.3. */
function ecPointBytes(curve: EcCurve, point: Uint8Array): number {
  const { bytes } = ecCurves[curve]
  return point[0] === 2 || point[0] === 3 ? 1 + bytes : point[0] === 4 ? 1 + 2 * bytes : 0
}
