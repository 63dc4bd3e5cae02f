import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'
import { UsageError } from '../errors.ts'
import { asBuffer } from './node-modpow.ts'
import { ecCurves, requireScheme } from './public-key.ts'
import type { PrivateKey, PublicKey, PublicKeyKind, SignatureProvider, SignatureScheme } from './signature.ts'

/** Signatures on node:crypto. A key is loaded once and kept as long as the object that it came in. */
export const nodeSignatures: SignatureProvider = {
  name: 'node',
  verify(key, scheme, data, signature) {
    requireScheme(key, scheme)
    const loaded = loadPublic(key)
    if (loaded === undefined || !hasLength(key, scheme, signature)) return false
    try {
      return verify(digestOf(scheme), data, { key: loaded, ...parameters(scheme) }, signature)
    } catch {
      return false // OpenSSL throws for some signatures: a salt that does not fit, a key that is for PSS alone.
    }
  },
  sign(key, scheme, data) {
    requireScheme(key, scheme)
    try {
      const made = sign(digestOf(scheme), data, { key: loadPrivate(key), ...parameters(scheme) })
      return new Uint8Array(made.buffer, made.byteOffset, made.length)
    } catch {
      // OpenSSL's text can name parts of the key's file.
      throw new UsageError('key', `OpenSSL does not sign ${scheme.kind} with it`)
    }
  },
}

const publicKeys = new WeakMap<PublicKey, KeyObject | null>()
const privateKeys = new WeakMap<PrivateKey, KeyObject>()

/** Undefined for a key that OpenSSL does not take, for example a point off the curve. */
function loadPublic(key: PublicKey): KeyObject | undefined {
  let loaded = publicKeys.get(key)
  if (loaded === undefined) {
    try {
      loaded = createPublicKey({ key: asBuffer(key.spki), format: 'der', type: 'spki' })
    } catch {
      loaded = null
    }
    publicKeys.set(key, loaded)
  }
  return loaded ?? undefined
}

function loadPrivate(key: PrivateKey): KeyObject {
  let loaded = privateKeys.get(key)
  if (loaded === undefined) {
    loaded = createPrivateKey({ key: asBuffer(key.pkcs8), format: 'der', type: 'pkcs8' })
    privateKeys.set(key, loaded)
  }
  return loaded
}

const digestOf = (scheme: SignatureScheme): string | null => ('hash' in scheme ? scheme.hash : null)

function parameters(scheme: SignatureScheme): Omit<SignKeyObjectInput & VerifyKeyObjectInput, 'key'> {
  switch (scheme.kind) {
    case 'rsa-pkcs1':
      return { padding: constants.RSA_PKCS1_PADDING }
    case 'rsa-pss':
      return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltBytes }
    case 'ecdsa':
      return { dsaEncoding: scheme.encoding === 'raw' ? 'ieee-p1363' : 'der' }
    default:
      return {}
  }
}

/** Node takes r | s of a wrong length for DER, and OpenSSL one of RSA-PSS that has lost its leading zeros (RFC 8017 §8.1.2). */
function hasLength(key: PublicKeyKind, scheme: SignatureScheme, { length }: Uint8Array): boolean {
  if (key.kind === 'rsa') return length === Math.ceil(key.bits / 8)
  if (key.kind !== 'ec' || scheme.kind !== 'ecdsa' || scheme.encoding === 'der') return true
  return length === 2 * ecCurves[key.curve].bytes
}
