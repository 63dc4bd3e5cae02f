import { describe, expect, it } from 'vitest'
import { concat, equalBytes, fromHex, toHex } from '../../../src/bytes/index.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { prfPlus } from '../../../src/crypto/prf-plus.ts'
import type { CryptoProvider } from '../../../src/crypto/provider.ts'
import { Encr, Integ, Prf, prfInfo } from '../../../src/crypto/transforms.ts'
import { UsageError } from '../../../src/errors.ts'
import {
  type ChildSuite,
  deriveChildKeys,
  deriveIkeKeys,
  deriveSkeyseed,
  deriveSkeyseedRekey,
  wipeChildKeys,
  wipeIkeKeys,
} from '../../../src/ike/keys/keymat.ts'
import { flatChildKeys, hexIkeKeys } from '../../support/keys.ts'
import { sharedVectors, type Vectors } from '../../support/vectors.ts'

const providers = [nobleProvider, nodeProvider]

interface KdfCase {
  readonly id: string
  readonly prf: keyof typeof Prf
  readonly ni: string
  readonly nr: string
  readonly spiI: string
  readonly spiR: string
  readonly gir: string
  readonly girNew: string
  readonly skeyseed: string
  readonly dkm: string
  readonly dkmChild: string
  readonly dkmChildDh: string
  readonly skeyseedRekey: string
}

describe.each(providers)('$name: NIST CAVS IKEv2 key derivation', (crypto) => {
  const file = sharedVectors<Vectors<KdfCase>>('nist/cavs-ikev2-kdf.json')
  it.skipIf(file === undefined)('derives every case', () => {
    for (const kdf of file!.cases) checkKdf(crypto, kdf)
    expect(file!.cases.length).toBe(72)
  })
})

function checkKdf(crypto: CryptoProvider, kdf: KdfCase): void {
  const prf = prfInfo(Prf[kdf.prf])!
  const [Ni, Nr, SPIi, SPIr] = [kdf.ni, kdf.nr, kdf.spiI, kdf.spiR].map(fromHex) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const girNew = fromHex(kdf.girNew)
  const SKEYSEED = deriveSkeyseed(crypto, prf, Ni, Nr, fromHex(kdf.gir))
  expect(toHex(SKEYSEED), kdf.id).toBe(kdf.skeyseed)
  const dkm = fromHex(kdf.dkm)
  const SK_d = dkm.subarray(0, prf.bytes)
  expect(toHex(deriveSkeyseedRekey(crypto, prf, SK_d, girNew, Ni, Nr)), kdf.id).toBe(kdf.skeyseedRekey)
  expect(toHex(prfPlus(crypto, prf.id, SKEYSEED, concat(Ni, Nr, SPIi, SPIr), dkm.length)), kdf.id).toBe(kdf.dkm)

  // Any suite whose keys fit into the octets that the case has; the pieces joined are the head of them.
  const aes128 = { encr: Encr.ENCR_AES_GCM_16, keyBits: 128, integ: Integ.NONE }
  const ike = deriveIkeKeys(crypto, { ...aes128, prf: prf.id }, SKEYSEED, Ni, Nr, SPIi, SPIr)
  const ikeOctets = concat(...Object.values(ike))
  expect(equalBytes(ikeOctets.subarray(0, dkm.length), dkm.subarray(0, ikeOctets.length)), kdf.id).toBe(true)
  const aes256 = { encr: Encr.ENCR_AES_CBC, keyBits: 256, integ: Integ.AUTH_HMAC_SHA2_256_128 }
  const child = (gir?: Uint8Array) => flatChildKeys(deriveChildKeys(crypto, prf, SK_d, aes256, Ni, Nr, gir)).join('')
  expect(child(), kdf.id).toBe(kdf.dkmChild.slice(0, 256))
  expect(child(girNew), kdf.id).toBe(kdf.dkmChildDh.slice(0, 256))
}

interface XcbcStep {
  readonly id: string
  readonly op: 'skeyseed' | 'prf+'
  readonly gir: string
  readonly ni: string
  readonly nr: string
  readonly key: string
  readonly seed: string
  readonly length: number
  readonly out: string
}

describe.each(providers)('$name: IKEv2 key derivation with AES-XCBC', (crypto) => {
  const file = sharedVectors<Vectors<XcbcStep>>('nist/nss-ikev2-xcbc-kdf.json')
  const prf = prfInfo(Prf.PRF_AES128_XCBC)!

  it.skipIf(file === undefined)('derives every step that NSS publishes', () => {
    for (const { id, op, ni, nr, gir, key, seed, length, out } of file!.cases) {
      const made =
        op === 'skeyseed'
          ? deriveSkeyseed(crypto, prf, fromHex(ni), fromHex(nr), fromHex(gir))
          : prfPlus(crypto, prf.id, fromHex(key), fromHex(seed), length)
      expect(toHex(made), id).toBe(out)
    }
    expect(file!.cases.length).toBe(5)
  })

  it('takes the first 64 bits of each nonce as the key of SKEYSEED', () => {
    const nonce = (length: number) => Uint8Array.from({ length }, (_, i) => i)
    const shared = new Uint8Array(32).fill(7)
    const short = toHex(deriveSkeyseed(crypto, prf, nonce(8), nonce(8), shared))
    expect(toHex(deriveSkeyseed(crypto, prf, nonce(32), nonce(16), shared))).toBe(short)
    expect(toHex(crypto.prf(prf.id, concat(nonce(8), nonce(8)), shared))).toBe(short)
  })
})

describe('keymat', () => {
  const prf = prfInfo(Prf.PRF_HMAC_SHA2_256)!
  const gcm = { encr: Encr.ENCR_AES_GCM_16, keyBits: 256, integ: Integ.NONE }
  const cbc = { encr: Encr.ENCR_AES_CBC, keyBits: 128, integ: Integ.AUTH_HMAC_SHA2_512_256 }
  const nonce = new Uint8Array(16).fill(1)
  const spi = new Uint8Array(8).fill(2)
  const secret = new Uint8Array(32).fill(3)
  const ike = (suite: ChildSuite) =>
    deriveIkeKeys(nodeProvider, { ...suite, prf: prf.id }, secret, nonce, nonce, spi, spi)
  const child = (suite: ChildSuite) => deriveChildKeys(nodeProvider, prf, secret, suite, nonce, nonce)

  it('gives an AEAD no integrity keys, and the salt behind the key', () => {
    const keys = ike(gcm)
    expect([keys.SK_ai, keys.SK_ar, keys.SK_ei, keys.SK_er].map((key) => key.length)).toEqual([0, 0, 36, 36])
    const { encrI2R, integI2R, integR2I } = child(gcm)
    expect([encrI2R.key.length, encrI2R.salt.length, integI2R, integR2I]).toEqual([32, 4, undefined, undefined])
  })

  it('gives CBC the key of its integrity transform, whatever the prf', () => {
    const keys = ike(cbc)
    expect([keys.SK_ai.length, keys.SK_ei.length, keys.SK_d.length]).toEqual([64, 16, 32])
    expect(child(cbc).integI2R?.length).toBe(64)
  })

  it('takes the one key length of ChaCha20-Poly1305 whatever was negotiated', () => {
    const chacha = { encr: Encr.ENCR_CHACHA20_POLY1305, keyBits: 0, integ: Integ.NONE }
    expect(child(chacha)).toEqual(child({ ...chacha, keyBits: 256 }))
  })

  it('refuses suites that cannot be', () => {
    const wrong = [
      { ...gcm, keyBits: 0 },
      { ...gcm, keyBits: 160 },
      { ...gcm, integ: Integ.AUTH_HMAC_SHA2_256_128 },
      { ...cbc, integ: Integ.NONE },
      { ...cbc, integ: Integ.AUTH_HMAC_MD5_96 },
    ]
    for (const suite of wrong) {
      expect(() => ike(suite), JSON.stringify(suite)).toThrow(UsageError)
      expect(() => child(suite), JSON.stringify(suite)).toThrow(UsageError)
    }
    const noPrf = { ...gcm, prf: Prf.PRF_HMAC_MD5 }
    expect(() => deriveIkeKeys(nodeProvider, noPrf, secret, nonce, nonce, spi, spi)).toThrow(UsageError)
  })

  it.each([
    ['ENCR_NULL_AUTH_AES_GMAC', { ...gcm, encr: Encr.ENCR_NULL_AUTH_AES_GMAC }],
    ['ENCR_AES_GCM_16_IIV', { ...gcm, encr: Encr.ENCR_AES_GCM_16_IIV }],
    ['ENCR_NULL', { ...cbc, encr: Encr.ENCR_NULL, keyBits: 0 }],
  ])('derives keys of %s for ESP and none for IKE', (name, suite) => {
    expect(() => ike(suite)).toThrow(`${name} is for ESP alone`)
    expect(() => child(suite)).not.toThrow()
  })

  it('wipes every key', () => {
    const keys = ike(cbc)
    const childKeys = child(cbc)
    wipeIkeKeys(keys)
    wipeChildKeys(childKeys)
    expect(Object.values(hexIkeKeys(keys)).join('')).toMatch(/^0+$/)
    expect(flatChildKeys(childKeys).join('')).toMatch(/^0+$/)
  })

  it('ends prf+ at 255 blocks', () => {
    const most = prfPlus(nodeProvider, Prf.PRF_HMAC_SHA2_256, secret, nonce, 255 * 32)
    expect(most.subarray(-32).some((octet) => octet !== 0)).toBe(true)
    expect(() => prfPlus(nodeProvider, Prf.PRF_HMAC_SHA2_256, secret, nonce, 255 * 32 + 1)).toThrow(UsageError)
  })
})
