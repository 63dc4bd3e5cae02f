import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equalBytes, fromHex, toHex } from '../../src/bytes/index.ts'
import { ecdsaFromDer, ecdsaToDer } from '../../src/crypto/ecdsa-signature.ts'
import { decodePrivateKey, nobleSignatures } from '../../src/crypto/noble-signature.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { decodePrivateKeyParts } from '../../src/crypto/private-key-parts.ts'
import { decodePublicKey, decodePublicKeyParts, encodePublicKey } from '../../src/crypto/public-key.ts'
import type { EcCurve, PrivateKey, PublicKey, SignatureScheme } from '../../src/crypto/signature.ts'
import type { HashName } from '../../src/crypto/transforms.ts'
import { DecodeError, UsageError } from '../../src/errors.ts'
import { ecKeyNames, type KeyName, signingKey } from '../support/signing-keys.ts'
import { loadVectors } from '../support/vectors.ts'

const both = [nodeSignatures, nobleSignatures] as const
const message = fromHex(`${'00'.repeat(32)}c0ffee`)

const hashes: readonly HashName[] = ['sha1', 'sha256', 'sha384', 'sha512']
const ecdsa = (hash: HashName, encoding: 'der' | 'raw'): SignatureScheme => ({ kind: 'ecdsa', hash, encoding })

const rsaSchemes: readonly SignatureScheme[] = [
  ...hashes.map((hash) => ({ kind: 'rsa-pkcs1', hash }) as const),
  { kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 },
  { kind: 'rsa-pss', hash: 'sha384', saltBytes: 48 },
  { kind: 'rsa-pss', hash: 'sha512', saltBytes: 20 },
  { kind: 'rsa-pss', hash: 'sha1', saltBytes: 0 },
]

const rows: readonly { key: KeyName; schemes: readonly SignatureScheme[] }[] = [
  { key: 'rsa2048', schemes: rsaSchemes },
  // The encoding of PSS is an octet shorter than the modulus when that has 8k + 1 bits, and masks bits when it has 8k + 7.
  { key: 'rsa1031', schemes: rsaSchemes.filter((scheme) => !('saltBytes' in scheme && scheme.saltBytes > 40)) },
  { key: 'pss2048', schemes: rsaSchemes.filter(({ kind }) => kind === 'rsa-pss') },
  { key: 'P-256', schemes: hashes.flatMap((hash) => [ecdsa(hash, 'der'), ecdsa(hash, 'raw')]) },
  { key: 'P-384', schemes: [ecdsa('sha384', 'raw'), ecdsa('sha512', 'der')] },
  { key: 'P-521', schemes: [ecdsa('sha512', 'raw'), ecdsa('sha256', 'der')] },
  { key: 'brainpoolP256r1', schemes: [ecdsa('sha256', 'der')] },
  { key: 'brainpoolP384r1', schemes: [ecdsa('sha384', 'der')] },
  { key: 'brainpoolP512r1', schemes: [ecdsa('sha512', 'der')] },
  { key: 'ed25519', schemes: [{ kind: 'ed25519' }] },
  { key: 'ed448', schemes: [{ kind: 'ed448' }] },
]

describe.each(rows)('$key', ({ key: name, schemes }) => {
  it.each(schemes)('%j: what one provider signs the other verifies, and nothing else', (scheme) => {
    const key = signingKey(name)
    for (const signer of both) {
      const signature = signer.sign(key, scheme, message)
      const broken = changed(signature, signature.length >> 1, 1)
      for (const { name: by, verify } of both) {
        expect(verify(key.publicKey, scheme, message, signature), `${signer.name} ${by}`).toBe(true)
        expect(verify(key.publicKey, scheme, message, broken), `${by}: signature`).toBe(false)
        expect(verify(key.publicKey, scheme, message, signature.subarray(1)), `${by}: shorter`).toBe(false)
        expect(verify(key.publicKey, scheme, message, new Uint8Array(0)), `${by}: none`).toBe(false)
      }
    }
  })

  it('is read by the own decoder as OpenSSL reads it', () => {
    const key = signingKey(name)
    expect(decodePrivateKey(key.pkcs8)).toEqual({ ...key, pkcs8: key.pkcs8 })
    expect(toHex(encodePublicKey(decodePublicKeyParts(key.publicKey.spki)))).toBe(toHex(key.publicKey.spki))
  })
})

describe.each(both)('$name', ({ sign, verify }) => {
  it.each([
    { kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 },
    { kind: 'rsa-pkcs1', hash: 'sha256' },
  ] as const)('refuses an RSA signature without its leading zero: %j', (scheme) => {
    const key = signingKey('rsa1031')
    for (let count = 0; ; count++) {
      const data = Uint8Array.of(count >> 8, count)
      const signature = nodeSignatures.sign(key, scheme, data)
      if (signature[0] !== 0) continue
      expect(verify(key.publicKey, scheme, data, signature)).toBe(true)
      return expect(verify(key.publicKey, scheme, data, signature.subarray(1))).toBe(false)
    }
  })

  it('takes only schemes of the key', () => {
    const key = signingKey('P-256')
    expect(() => sign(key, { kind: 'ed25519' }, message)).toThrow(UsageError)
    expect(() => verify(key.publicKey, { kind: 'rsa-pkcs1', hash: 'sha256' }, message, message)).toThrow(UsageError)
  })

  it('refuses PKCS #1 v1.5 for a key that is for PSS alone', () => {
    const key = signingKey('pss2048')
    const scheme = { kind: 'rsa-pkcs1', hash: 'sha256' } as const
    expect(() => sign(key, scheme, message)).toThrow(UsageError)
    expect(verify(key.publicKey, scheme, message, new Uint8Array(256).fill(1))).toBe(false)
  })

  it('says so when the modulus is too short for hash and salt', () => {
    const scheme = { kind: 'rsa-pss', hash: 'sha512', saltBytes: 64 } as const
    expect(() => sign(signingKey('rsa1031'), scheme, message)).toThrow(UsageError)
  })

  it('finds nothing valid under a point that is off the curve', () => {
    const key = signingKey('P-256')
    const { spki } = key.publicKey
    const off: PublicKey = { ...key.publicKey, spki: changed(spki, spki.length - 1, 1) }
    expect(verify(off, ecdsa('sha256', 'der'), message, sign(key, ecdsa('sha256', 'der'), message))).toBe(false)
  })

  it('verifies RFC 4754 §8', () => {
    const { cases } = loadVectors<EcdsaCase>('rfc/rfc4754-ecdsa.json')
    for (const row of cases) {
      const curve = rfc4754Curves[row.curve]!
      const point = fromHex(`04${row.publicKey}`)
      const key = decodePublicKey(encodePublicKey({ kind: 'ec', curve, point }))
      const scheme = ecdsa(row.hash.toLowerCase() as HashName, 'raw')
      expect(verify(key, scheme, fromHex(row.message), fromHex(row.signature)), row.id).toBe(true)
      const der = ecdsaToDer(fromHex(row.signature))
      expect(verify(key, { ...scheme, encoding: 'der' } as SignatureScheme, fromHex(row.message), der)).toBe(true)
    }
  })

  it('makes the signatures of RFC 8032 §7', () => {
    const { cases } = loadVectors<EddsaCase>('rfc/rfc8032-eddsa.json')
    const plain = cases.filter(({ alg, context }) => (alg === 'Ed25519' || alg === 'Ed448') && !context)
    for (const row of plain) {
      const kind = row.alg.toLowerCase() as 'ed25519' | 'ed448'
      const key = edwardsKey(kind, row.privateKey)
      expect(toHex(key.publicKey.spki).endsWith(row.publicKey), row.id).toBe(true)
      const signature = sign(key, { kind }, fromHex(row.message))
      expect(toHex(signature), row.id).toBe(row.signature)
      expect(verify(key.publicKey, { kind }, fromHex(row.message), signature), row.id).toBe(true)
    }
    expect(plain.length).toBeGreaterThanOrEqual(12)
  })
})

describe('ECDSA-Sig-Value', () => {
  it('is r | s again', () => {
    const raws = fc.uint8Array({ minLength: 64, maxLength: 64 })
    fc.assert(fc.property(raws, (raw) => equalBytes(ecdsaFromDer(ecdsaToDer(raw), 32)!, raw)))
  })

  it('is refused when it is not the shortest, negative, too long, or followed by something', () => {
    const wrong = [
      '3007020200010201ff',
      '300602018002010100',
      '30060201810201 01',
      '3081060201010201 01',
      '30080201010201010500',
    ]
    for (const hex of wrong) expect(ecdsaFromDer(fromHex(hex.replace(' ', '')), 32), hex).toBeUndefined()
    expect(toHex(ecdsaFromDer(fromHex('3006020101020102'), 2)!)).toBe('00010002')
    expect(ecdsaFromDer(fromHex('3006020101020102'), 0)).toBeUndefined()
  })
})

describe('decoders of keys', () => {
  const names: readonly KeyName[] = ['rsa1031', 'pss2048', 'ed25519', 'ed448', ...ecKeyNames]

  it.each(names)('%s: every prefix is refused with a DecodeError', (name) => {
    const { pkcs8, publicKey } = signingKey(name)
    for (let i = 0; i < pkcs8.length; i++)
      expect(() => decodePrivateKeyParts(pkcs8.subarray(0, i))).toThrow(DecodeError)
    for (let i = 0; i < publicKey.spki.length; i++) {
      expect(() => decodePublicKey(publicKey.spki.subarray(0, i))).toThrow(DecodeError)
    }
  })

  it.each(names)('%s: every changed octet gives a key or a DecodeError', (name) => {
    const { pkcs8, publicKey } = signingKey(name)
    let refused = 0
    for (const [decode, der] of [
      [decodePrivateKeyParts, pkcs8],
      [decodePublicKey, publicKey.spki],
    ] as const) {
      for (let i = 0; i < der.length; i++) {
        for (const mask of [1, 0x80, 0xff]) refused += isRefused(() => decode(changed(der, i, mask)))
      }
    }
    expect(refused).toBeGreaterThan(40)
  })
})

interface EcdsaCase {
  readonly id: string
  readonly curve: string
  readonly hash: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
}

interface EddsaCase {
  readonly id: string
  readonly alg: string
  readonly context?: string
  readonly privateKey: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
}

const rfc4754Curves: Readonly<Record<string, EcCurve>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }

function edwardsKey(kind: 'ed25519' | 'ed448', seed: string): PrivateKey {
  const head = { ed25519: '302e020100300506032b657004220420', ed448: '3047020100300506032b6571043b0439' }[kind]
  return decodePrivateKey(fromHex(head + seed))
}

function changed(octets: Uint8Array, at: number, mask: number): Uint8Array {
  const copy = octets.slice()
  copy[at]! ^= mask
  return copy
}

/** 1 for a `DecodeError`, 0 for a value; anything else is thrown. */
function isRefused(decode: () => unknown): number {
  try {
    decode()
    return 0
  } catch (error) {
    if (error instanceof DecodeError) return 1
    throw error
  }
}
