import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { modpGroup } from '../../src/crypto/modp-groups.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { RandomSource } from '../../src/crypto/provider.ts'
import { Encr, Integ, KeGroup, keGroupInfo, Prf } from '../../src/crypto/transforms.ts'
import { PeerError, UsageError } from '../../src/errors.ts'

const providers = [nobleProvider, nodeProvider]
const groups = [
  KeGroup.MODP_1024,
  KeGroup.MODP_1536,
  KeGroup.MODP_2048,
  KeGroup.MODP_3072,
  KeGroup.MODP_4096,
  KeGroup.ECP_256,
  KeGroup.ECP_384,
  KeGroup.ECP_521,
  KeGroup.BRAINPOOL_P224R1,
  KeGroup.BRAINPOOL_P256R1,
  KeGroup.BRAINPOOL_P384R1,
  KeGroup.BRAINPOOL_P512R1,
  KeGroup.CURVE25519,
  KeGroup.CURVE448,
  KeGroup.ML_KEM_512,
  KeGroup.ML_KEM_768,
  KeGroup.ML_KEM_1024,
]
// Hundreds of milliseconds each over noble.
const slowGroups = [KeGroup.MODP_6144, KeGroup.MODP_8192]
const ecp = groups.filter((group) => keGroupInfo(group)!.kind === 'ecp')

/** A repeatable source: octet i of the whole stream is a function of `seed` and i. */
function counted(seed: number): RandomSource {
  let at = seed
  const next = () => {
    at = (at * 75 + 74) % 65537
    return at & 0xff
  }
  return (length) => Uint8Array.from({ length }, next)
}

describe.each(providers)('$name: key exchange', (crypto) => {
  it.each(crypto === nodeProvider ? [...groups, ...slowGroups] : groups)(
    'both sides of group %i get the same secret, of the registered sizes',
    (group) => {
      const info = keGroupInfo(group)!
      const first = crypto.keyExchange(group, counted(1))
      const second = crypto.respondKeyExchange(group, first.publicValue, counted(2))
      expect(first.group).toBe(group)
      expect(first.publicValue.length).toBe(info.publicBytes)
      expect(second.publicValue.length).toBe(info.answerBytes)
      expect(second.sharedSecret.length).toBe(info.sharedBytes)
      expect(toHex(first.finish(second.publicValue))).toBe(toHex(second.sharedSecret))
    },
  )

  it.each(groups)('refuses a public value of group %i that is too short, too long, or empty', (group) => {
    const { publicBytes, answerBytes } = keGroupInfo(group)!
    const pending = crypto.keyExchange(group, counted(1))
    const refused = expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 })
    const wrong = (bytes: number) => [0, 1, bytes - 1, bytes + 1].map((length) => new Uint8Array(length).fill(9))
    for (const value of wrong(answerBytes)) {
      expect(() => pending.finish(value)).toThrow(refused)
      expect(() => pending.finish(value)).toThrow(PeerError)
    }
    for (const value of wrong(publicBytes)) {
      expect(() => crypto.respondKeyExchange(group, value, counted(2))).toThrow(refused)
    }
  })

  it.each(groups.filter((group) => modpGroup(group)))('refuses 0, 1, p-1, p and more in MODP group %i', (group) => {
    const prime = modpGroup(group)!.primeBytes
    const at = (last: number) => prime.map((octet, i) => (i === prime.length - 1 ? last : octet))
    const small = (last: number) => new Uint8Array(prime.length).fill(last, prime.length - 1)
    const pending = crypto.keyExchange(group, counted(1))
    for (const value of [small(0), small(1), at(0xfe), at(0xff), new Uint8Array(prime.length).fill(0xff)]) {
      expect(() => pending.finish(value)).toThrow(expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 }))
    }
    expect(pending.finish(small(2)).length).toBe(prime.length)
    expect(pending.finish(at(0xfd)).length).toBe(prime.length)
  })

  it.each(ecp)('refuses points off the curve of group %i', (group) => {
    const pending = crypto.keyExchange(group, counted(1))
    const { publicValue } = crypto.keyExchange(group, counted(2))
    const offCurve = publicValue.slice()
    offCurve[offCurve.length - 1] = offCurve[offCurve.length - 1]! ^ 1
    const beyondField = new Uint8Array(publicValue.length).fill(0xff)
    for (const value of [offCurve, beyondField, new Uint8Array(publicValue.length)]) {
      expect(() => pending.finish(value)).toThrow(expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 }))
    }
  })

  it('takes an ECP point whose x coordinate is zero', () => {
    // (0, sqrt(b)) of P-256: with the scalar 1 the shared secret is zero too, which only X25519 forbids.
    const y = '66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4'
    const pending = crypto.keyExchangeFromPrivate(KeGroup.ECP_256, Uint8Array.of(1))
    expect(pending.finish(fromHex('00'.repeat(32) + y))).toEqual(new Uint8Array(32))
  })

  it.each([
    ['0', '0000000000000000000000000000000000000000000000000000000000000000'],
    ['1', '0100000000000000000000000000000000000000000000000000000000000000'],
    ['order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['p-1', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['p', 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['p, high bit set', 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'],
  ])('refuses the X25519 value of low order: %s', (_, hex) => {
    const pending = crypto.keyExchange(KeGroup.CURVE25519, counted(1))
    expect(() => pending.finish(fromHex(hex))).toThrow(expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 }))
  })

  it('cannot be finished after destroy', () => {
    for (const group of groups) {
      const pending = crypto.keyExchange(group, counted(1))
      const { publicValue } = crypto.respondKeyExchange(group, pending.publicValue, counted(2))
      pending.destroy()
      pending.destroy()
      expect(() => pending.finish(publicValue)).toThrow(UsageError)
    }
  })

  it('refuses private values out of range', () => {
    const refuse = (group: number, value: Uint8Array) =>
      expect(() => crypto.keyExchangeFromPrivate(group, value)).toThrow(UsageError)
    const order = fromHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
    for (const value of [new Uint8Array(32), order, new Uint8Array(33).fill(1)]) refuse(KeGroup.ECP_256, value)
    for (const value of [new Uint8Array(0), Uint8Array.of(0, 1), new Uint8Array(257).fill(1)]) {
      refuse(KeGroup.MODP_2048, value)
    }
    refuse(KeGroup.CURVE25519, new Uint8Array(31))
    refuse(KeGroup.CURVE448, new Uint8Array(32))
    refuse(KeGroup.ML_KEM_768, new Uint8Array(32))
  })

  it('gives up on a random source that never gives a usable value', () => {
    const zeros: RandomSource = (length) => new Uint8Array(length)
    for (const group of [KeGroup.ECP_256, KeGroup.MODP_2048]) {
      expect(() => crypto.keyExchange(group, zeros)).toThrow(UsageError)
    }
  })
})

describe.each(providers)('$name: misuse', (crypto) => {
  it('refuses transforms that it does not have', () => {
    expect(() => crypto.cipher(Encr.ENCR_NULL, new Uint8Array(0))).toThrow(UsageError)
    expect(() => crypto.cipher(Encr.ENCR_AES_GCM_16, new Uint8Array(16))).toThrow(UsageError)
    expect(() => crypto.aead(Encr.ENCR_AES_CBC, new Uint8Array(16))).toThrow(UsageError)
    expect(() => crypto.mac(Integ.AUTH_HMAC_MD5_96, new Uint8Array(16))).toThrow(UsageError)
    expect(() => crypto.prf(Prf.PRF_HMAC_MD5, new Uint8Array(16), new Uint8Array(16))).toThrow(UsageError)
    expect(() => crypto.keyExchange(KeGroup.ECP_192, counted(1))).toThrow(UsageError)
    expect(() => crypto.respondKeyExchange(99, new Uint8Array(32), counted(1))).toThrow(UsageError)
    expect(() => crypto.keyExchangeFromPrivate(0, new Uint8Array(32))).toThrow(UsageError)
  })

  it('refuses keys of a wrong length', () => {
    expect(() => crypto.aead(Encr.ENCR_AES_GCM_16, new Uint8Array(20))).toThrow(UsageError)
    expect(() => crypto.aead(Encr.ENCR_CHACHA20_POLY1305, new Uint8Array(36))).toThrow(UsageError)
    expect(() => crypto.cipher(Encr.ENCR_AES_CBC, new Uint8Array(15))).toThrow(UsageError)
    expect(() => crypto.cipher(Encr.ENCR_3DES, new Uint8Array(16))).toThrow(UsageError)
    expect(() => crypto.cipher(Encr.ENCR_AES_CTR, new Uint8Array(20))).toThrow(UsageError)
    expect(() => crypto.mac(Integ.AUTH_AES_XCBC_96, new Uint8Array(20))).toThrow(UsageError)
    expect(() => crypto.mac(Integ.AUTH_HMAC_SHA2_256_128, new Uint8Array(31))).toThrow(UsageError)
  })

  it('refuses IVs of a wrong length', () => {
    const buffer = new Uint8Array(32)
    for (const [encr, keyBytes, ivBytes] of [
      [Encr.ENCR_AES_CBC, 16, 12],
      [Encr.ENCR_AES_CTR, 16, 8],
      [Encr.ENCR_AES_CTR, 16, 16],
      [Encr.ENCR_3DES, 24, 16],
    ] as const) {
      const cipher = crypto.cipher(encr, new Uint8Array(keyBytes))
      expect(() => cipher.encrypt(new Uint8Array(ivBytes), buffer, 0, 16)).toThrow(UsageError)
      expect(() => cipher.decrypt(new Uint8Array(ivBytes), buffer, 0, 16)).toThrow(UsageError)
    }
  })

  it('throws, and never encrypts under zeros, after destroy', () => {
    const aead = crypto.aead(Encr.ENCR_AES_GCM_16, new Uint8Array(16).fill(1))
    const chacha = crypto.aead(Encr.ENCR_CHACHA20_POLY1305, new Uint8Array(32).fill(1))
    const cbc = crypto.cipher(Encr.ENCR_AES_CBC, new Uint8Array(16).fill(1))
    const mac = crypto.mac(Integ.AUTH_HMAC_SHA2_256_128, new Uint8Array(32).fill(1))
    const ctr = crypto.cipher(Encr.ENCR_AES_CTR, new Uint8Array(16).fill(1))
    const xcbc = crypto.mac(Integ.AUTH_AES_XCBC_96, new Uint8Array(16).fill(1))
    for (const keyed of [aead, chacha, cbc, mac, ctr, xcbc]) keyed.destroy()
    const buffer = new Uint8Array(64)
    const nonce = new Uint8Array(12)
    expect(() => aead.seal(nonce, buffer, 0, 8, buffer, 16, 16)).toThrow(UsageError)
    expect(() => aead.open(nonce, buffer, 0, 8, buffer, 16, 16)).toThrow(UsageError)
    expect(() => chacha.seal(nonce, buffer, 0, 8, buffer, 16, 16)).toThrow(UsageError)
    expect(() => cbc.encrypt(new Uint8Array(16), buffer, 16, 16)).toThrow(UsageError)
    expect(() => cbc.decrypt(new Uint8Array(16), buffer, 16, 16)).toThrow(UsageError)
    expect(() => ctr.encrypt(nonce, buffer, 16, 16)).toThrow(UsageError)
    expect(() => mac.compute(buffer, 0, 16, buffer, 32)).toThrow(UsageError)
    expect(() => xcbc.compute(buffer, 0, 16, buffer, 32)).toThrow(UsageError)
    expect(buffer).toEqual(new Uint8Array(64))
  })

  it('keeps a copy of each key', () => {
    const key = new Uint8Array(32).fill(1)
    const cbc = crypto.cipher(Encr.ENCR_AES_CBC, key)
    const aead = crypto.aead(Encr.ENCR_AES_GCM_16, key)
    const mac = crypto.mac(Integ.AUTH_HMAC_SHA2_256_128, key)
    const run = () => {
      const buffer = new Uint8Array(64)
      cbc.encrypt(new Uint8Array(16), buffer, 0, 16)
      aead.seal(new Uint8Array(12), buffer, 0, 0, buffer, 16, 16)
      mac.compute(buffer, 0, 32, buffer, 48)
      return toHex(buffer)
    }
    const before = run()
    key.fill(2)
    expect(run()).toBe(before)
  })
})

describe('both providers', () => {
  it.each(groups)('make the same handshake of group %i from the same random octets', (group) => {
    const [a, b] = providers.map((crypto) => {
      const first = crypto.keyExchange(group, counted(7))
      const second = crypto.respondKeyExchange(group, first.publicValue, counted(8))
      return [first.publicValue, second.publicValue, second.sharedSecret].map(toHex)
    })
    expect(a).toEqual(b)
  })
})
