import { generateKeyPairSync } from 'node:crypto'
import { decodePublicKey, keyKind } from '../../crypto/public-key.ts'
import type { PrivateKey } from '../../crypto/signature.ts'

/** Kinds of key by the names of `--key`. */
export const keyNames = [
  'ecdsa-p256',
  'ecdsa-p384',
  'ecdsa-p521',
  'rsa-2048',
  'rsa-3072',
  'rsa-4096',
  'ed25519',
  'ed448',
] as const
export type KeyName = (typeof keyNames)[number]

/** A fresh key from the random source of node:crypto. */
export function generateKey(name: KeyName): PrivateKey {
  const { privateKey, publicKey } = keyPair(name)
  const spki = decodePublicKey(octets(publicKey.export({ format: 'der', type: 'spki' })))
  const pkcs8 = octets(privateKey.export({ format: 'der', type: 'pkcs8' }))
  return { ...keyKind(spki), pkcs8, publicKey: spki }
}

function keyPair(name: KeyName): ReturnType<typeof generateKeyPairSync> {
  const size = name.slice(name.indexOf('-') + 1)
  if (name.startsWith('rsa-')) return generateKeyPairSync('rsa', { modulusLength: Number(size) })
  if (name.startsWith('ecdsa-')) return generateKeyPairSync('ec', { namedCurve: size.toUpperCase().replace('P', 'P-') })
  return name === 'ed448' ? generateKeyPairSync('ed448') : generateKeyPairSync('ed25519')
}

/** A plain view instead of a Buffer, so that equality in tests and `slice` mean the same everywhere. */
const octets = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length).slice()
