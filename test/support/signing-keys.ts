import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { decodePublicKey, keyKind } from '../../src/crypto/public-key.ts'
import type { EcCurve, PrivateKey } from '../../src/crypto/signature.ts'

export type KeyName = 'rsa1031' | 'rsa2048' | 'pss2048' | 'ed25519' | 'ed448' | EcCurve

export const ecKeyNames: readonly EcCurve[] = [
  'P-256',
  'P-384',
  'P-521',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
]

/** A private key made by OpenSSL, the same for each call with a name in one test file. */
export function signingKey(name: KeyName): PrivateKey {
  let key = made.get(name)
  if (key === undefined) {
    key = fromKeyObject(generate(name))
    made.set(name, key)
  }
  return key
}

/** A key of OpenSSL as the providers take it. */
export function fromKeyObject(key: KeyObject): PrivateKey {
  const publicKey = decodePublicKey(bytes(createPublicKey(key).export({ format: 'der', type: 'spki' })))
  return { ...keyKind(publicKey), pkcs8: bytes(key.export({ format: 'der', type: 'pkcs8' })), publicKey }
}

/** The same from a file of OpenSSL. */
export const fromPem = (pem: string): PrivateKey => fromKeyObject(createPrivateKey(pem))

const made = new Map<KeyName, PrivateKey>()

function generate(name: KeyName): KeyObject {
  if (name === 'rsa1031' || name === 'rsa2048') {
    return generateKeyPairSync('rsa', { modulusLength: Number(name.slice(3)) }).privateKey
  }
  if (name === 'pss2048') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey
  if (name === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  if (name === 'ed448') return generateKeyPairSync('ed448').privateKey
  return generateKeyPairSync('ec', { namedCurve: name }).privateKey
}

const bytes = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer)
