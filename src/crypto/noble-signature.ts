import { ed448 } from '@noble/curves/ed448.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { randomBytes } from '@noble/hashes/utils.js'
import { DecodeError, UsageError } from '../errors.ts'
import { ecdsaFromDer, ecdsaToDer } from './ecdsa-signature.ts'
import { nobleHash } from './noble-hash.ts'
import { type RsaScheme, signRsa, verifyRsa } from './noble-rsa.ts'
import { decodePrivateKeyParts, type PrivateKeyParts, requireRsa } from './private-key-parts.ts'
import {
  decodePublicKeyParts,
  ecCurves,
  encodePublicKey,
  keyKind,
  type PublicKeyParts,
  requireScheme,
} from './public-key.ts'
import type { EcCurve, PrivateKey, PublicKey, SignatureProvider, SignatureScheme } from './signature.ts'

/**
 * Signatures in JavaScript alone, for any engine. ECDSA is deterministic (RFC 6979); the salt of RSASSA-PSS and what blinds RSA come
 * from WebCrypto's random source. BigInt arithmetic is not constant time in any engine: where somebody can
 * measure the time of many signatures closely, sign with another provider.
 */
export const nobleSignatures: SignatureProvider = {
  name: 'noble',
  verify(key, scheme, data, signature) {
    requireScheme(key, scheme)
    const parts = publicParts(key)
    if (parts === undefined || parts.kind !== key.kind) return false
    if (parts.kind === 'rsa') return verifyRsa(parts, scheme as RsaScheme, data, signature)
    try {
      return parts.kind === 'ec'
        ? verifyEcdsa(parts, scheme as EcdsaScheme, data, signature)
        : // The rules of RFC 8032 §5.1.7 and FIPS 186-5, not the wider ones that block chains agreed on.
          edwards[parts.kind].verify(signature, data, parts.point, { zip215: false })
    } catch {
      return false // A point off the curve, or a signature of a wrong length.
    }
  },
  sign(key, scheme, data) {
    requireScheme(key, scheme)
    const parts = privateParts(key)
    if (scheme.kind === 'rsa-pkcs1' || scheme.kind === 'rsa-pss') {
      return signRsa(requireRsa(parts), scheme, data, randomBytes)
    }
    if (parts.kind === 'ec' && scheme.kind === 'ecdsa') return signEcdsa(parts, scheme, data)
    if (parts.kind === 'ed25519' || parts.kind === 'ed448') return edwards[parts.kind].sign(data, parts.seed)
    throw new UsageError('key', 'holds another key than it says')
  },
}

/**
 * The key in a PrivateKeyInfo in DER, which is copied, without any engine's own decoder. Throws `DecodeError` for what is malformed, and
 * for keys that are not implemented. RFC 5208 §5, RFC 5958 §2.
 */
export function decodePrivateKey(pkcs8: Uint8Array): PrivateKey {
  const parts = decodePrivateKeyParts(pkcs8)
  const spki = encodePublicKey(publicPartsOf(parts))
  const kind = keyKind(parts)
  return { ...kind, pkcs8: Uint8Array.from(pkcs8), publicKey: { ...kind, spki } }
}

type EcdsaScheme = Extract<SignatureScheme, { readonly kind: 'ecdsa' }>

const edwards = { ed25519, ed448 } as const

const curves: Readonly<Record<EcCurve, typeof p256>> = {
  'P-256': p256,
  'P-384': p384,
  'P-521': p521,
  brainpoolP256r1,
  brainpoolP384r1,
  brainpoolP512r1,
}

const publicKeys = new WeakMap<PublicKey, PublicKeyParts | null>()
const privateKeys = new WeakMap<PrivateKey, PrivateKeyParts>()

function publicParts(key: PublicKey): PublicKeyParts | undefined {
  let parts = publicKeys.get(key)
  if (parts === undefined) {
    try {
      parts = decodePublicKeyParts(key.spki)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      parts = null
    }
    publicKeys.set(key, parts)
  }
  return parts ?? undefined
}

function privateParts(key: PrivateKey): PrivateKeyParts {
  let parts = privateKeys.get(key)
  if (parts === undefined) {
    parts = decodePrivateKeyParts(key.pkcs8)
    privateKeys.set(key, parts)
  }
  return parts
}

/** The digest goes in as it is: its hash need not be the one that the library has for the curve. FIPS 186-5 §6.4.1. */
const digestAsIs = { prehash: false, lowS: false, format: 'compact' } as const

function verifyEcdsa(
  key: Extract<PublicKeyParts, { readonly kind: 'ec' }>,
  scheme: EcdsaScheme,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const raw = scheme.encoding === 'raw' ? signature : ecdsaFromDer(signature, ecCurves[key.curve].bytes)
  return raw !== undefined && curves[key.curve].verify(raw, nobleHash(scheme.hash, data), key.point, digestAsIs)
}

function signEcdsa(
  key: Extract<PrivateKeyParts, { readonly kind: 'ec' }>,
  scheme: EcdsaScheme,
  data: Uint8Array,
): Uint8Array {
  const raw = curves[key.curve].sign(nobleHash(scheme.hash, data), key.scalar, digestAsIs)
  return scheme.encoding === 'raw' ? raw : ecdsaToDer(raw)
}

function publicPartsOf(parts: PrivateKeyParts): PublicKeyParts {
  if (parts.kind === 'rsa') return parts
  if (parts.kind !== 'ec') return { kind: parts.kind, point: edwards[parts.kind].getPublicKey(parts.seed) }
  const { getPublicKey, utils } = curves[parts.curve]
  if (!utils.isValidSecretKey(parts.scalar)) {
    throw new DecodeError({
      where: 'ECPrivateKey',
      offset: 0,
      section: 'RFC 5915 §3',
      problem: 'a scalar that is not from 1 to n-1',
    })
  }
  return { kind: 'ec', curve: parts.curve, point: getPublicKey(parts.scalar, false) }
}
