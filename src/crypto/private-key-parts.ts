import { UsageError } from '../errors.ts'
import { DerTag, derElement, derInteger, derOid } from './der.ts'
import { DerReader } from './der-reader.ts'
import { algorithmOfKey, ecCurves, edwardsBytes, KeyOid, rsaPublicKey } from './public-key.ts'
import type { EcCurve } from './signature.ts'

/** What a PrivateKeyInfo holds, as octets borrowed from it: secret, but for `modulus`, `exponent` and `bits`. */
export type PrivateKeyParts =
  | RsaPrivateKeyParts
  | { readonly kind: 'ec'; readonly curve: EcCurve; readonly scalar: Uint8Array }
  | { readonly kind: 'ed25519' | 'ed448'; readonly seed: Uint8Array }

/** RSAPrivateKey of two primes, big-endian. RFC 8017 appendix A.1.2. */
export interface RsaPrivateKeyParts {
  readonly kind: 'rsa'
  readonly bits: number
  readonly modulus: Uint8Array
  readonly exponent: Uint8Array
  readonly isPssOnly: boolean
  readonly prime1: Uint8Array
  readonly prime2: Uint8Array
  /** d mod (p-1), d mod (q-1), q^-1 mod p. */
  readonly exponent1: Uint8Array
  readonly exponent2: Uint8Array
  readonly coefficient: Uint8Array
}

/** Throws `DecodeError`, which names octets' places and never the octets. RFC 5208 §5, RFC 5958 §2. */
export function decodePrivateKeyParts(pkcs8: Uint8Array): PrivateKeyParts {
  const outer = new DerReader(pkcs8, 'PrivateKeyInfo', 'RFC 5958 §2')
  const info = outer.sequence('PrivateKeyInfo')
  outer.end()
  if (info.smallInteger('version') > 1) info.fail('a version that is not 0 or 1')
  const algorithm = info.sequence('privateKeyAlgorithm')
  const oid = algorithm.oid('privateKeyAlgorithm')
  const kind = algorithmOfKey(oid, algorithm)
  const key = info.element(DerTag.OCTET_STRING, 'privateKey')
  // Attributes, and the public key, which is calculated anyway.
  if (info.tag === 0xa0) info.element(0xa0, 'attributes')
  if (info.tag === 0x81) info.element(0x81, 'publicKey')
  info.end()
  if (kind.kind === 'rsa') return { ...rsaPrivateKey(key), isPssOnly: oid === KeyOid.rsassaPss }
  if (kind.kind === 'ec') return { ...kind, scalar: ecScalar(key, kind.curve) }
  return { ...kind, seed: edwardsSeed(key, kind.kind) }
}

/** A PrivateKeyInfo around an RSAPrivateKey (PKCS #1), which is copied. RFC 8017 appendix A.1.2. */
export const wrapRsaPrivateKey = (pkcs1: Uint8Array): Uint8Array =>
  privateKeyInfo(derElement(DerTag.SEQUENCE, derOid(KeyOid.rsaEncryption), Uint8Array.of(DerTag.NULL, 0)), pkcs1)

/** The same around an ECPrivateKey (SEC 1), whose curve it must name. RFC 5915 §3. */
export function wrapEcPrivateKey(sec1: Uint8Array): Uint8Array {
  const outer = new DerReader(sec1, 'ECPrivateKey', 'RFC 5915 §3')
  const key = outer.sequence('ECPrivateKey')
  outer.end()
  key.integer('version')
  key.element(DerTag.OCTET_STRING, 'privateKey')
  const curve = key.nested(0xa0, 'parameters').oid('namedCurve')
  return privateKeyInfo(derElement(DerTag.SEQUENCE, derOid(KeyOid.ecPublicKey), derOid(curve)), sec1)
}

const privateKeyInfo = (algorithm: Uint8Array, key: Uint8Array): Uint8Array =>
  derElement(DerTag.SEQUENCE, derInteger(Uint8Array.of(0)), algorithm, derElement(DerTag.OCTET_STRING, key))

/** The parts of an RSA key. Throws `UsageError` for another. */
export function requireRsa(parts: PrivateKeyParts): RsaPrivateKeyParts {
  if (parts.kind !== 'rsa') throw new UsageError('key', 'holds another key than it says')
  return parts
}

function rsaPrivateKey(der: Uint8Array): Omit<RsaPrivateKeyParts, 'isPssOnly'> {
  const outer = new DerReader(der, 'RSAPrivateKey', 'RFC 8017 appendix A.1.2')
  const key = outer.sequence('RSAPrivateKey')
  outer.end()
  if (key.smallInteger('version') !== 0) key.fail('a key of more than two primes')
  const modulus = key.integer('modulus')
  const exponent = key.integer('publicExponent')
  key.integer('privateExponent')
  const prime1 = key.integer('prime1')
  const prime2 = key.integer('prime2')
  const exponent1 = key.integer('exponent1')
  const exponent2 = key.integer('exponent2')
  const coefficient = key.integer('coefficient')
  key.end()
  const checked = rsaPublicKey(derElement(DerTag.SEQUENCE, derInteger(modulus), derInteger(exponent)))
  return { kind: 'rsa', bits: checked.bits, modulus, exponent, prime1, prime2, exponent1, exponent2, coefficient }
}

/** ECPrivateKey. RFC 5915 §3. */
function ecScalar(der: Uint8Array, curve: EcCurve): Uint8Array {
  const outer = new DerReader(der, 'ECPrivateKey', 'RFC 5915 §3')
  const key = outer.sequence('ECPrivateKey')
  outer.end()
  if (key.smallInteger('version') !== 1) key.fail('a version that is not 1')
  const scalar = key.element(DerTag.OCTET_STRING, 'privateKey')
  if (key.tag === 0xa0) key.element(0xa0, 'parameters')
  if (key.tag === 0xa1) key.element(0xa1, 'publicKey')
  key.end()
  const { bytes } = ecCurves[curve]
  if (scalar.length !== bytes) key.fail(`a scalar of ${scalar.length} octets, not ${bytes}`)
  return scalar
}

/** CurvePrivateKey. RFC 8410 §7. */
function edwardsSeed(der: Uint8Array, kind: 'ed25519' | 'ed448'): Uint8Array {
  const outer = new DerReader(der, 'CurvePrivateKey', 'RFC 8410 §7')
  const seed = outer.element(DerTag.OCTET_STRING, 'CurvePrivateKey')
  outer.end()
  if (seed.length !== edwardsBytes[kind]) outer.fail(`a key of ${seed.length} octets, not ${edwardsBytes[kind]}`)
  return seed
}
