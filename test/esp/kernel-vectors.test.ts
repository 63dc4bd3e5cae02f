import { createCipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, readU32, toHex } from '../../src/bytes/index.ts'
import { Encr } from '../../src/crypto/transforms.ts'
import { createEspCipher } from '../../src/esp/index.ts'
import { sharedVectors } from '../support/vectors.ts'
import { parametersOf, patterned, providers, suites } from './suites.ts'

interface KernelCase {
  readonly id: string
  readonly key: string
  readonly salt: string
  readonly iv: string
  readonly aad: string
  readonly plaintext: string
  readonly ciphertext: string
  readonly tag: string
  readonly valid: boolean
}

const files = [
  { file: 'linux-rfc4106-gcm', ids: { 16: Encr.ENCR_AES_GCM_16, 12: Encr.ENCR_AES_GCM_12, 8: Encr.ENCR_AES_GCM_8 } },
  { file: 'linux-rfc4309-ccm', ids: { 16: Encr.ENCR_AES_CCM_16, 12: Encr.ENCR_AES_CCM_12, 8: Encr.ENCR_AES_CCM_8 } },
  { file: 'linux-rfc4543-gmac', ids: { 16: Encr.ENCR_NULL_AUTH_AES_GMAC } },
  { file: 'linux-rfc7539esp', ids: { 16: Encr.ENCR_CHACHA20_POLY1305 } },
] as const

describe.each(files)("the kernel's $file as whole packets", ({ file, ids }) => {
  const vectors = sharedVectors<{ readonly cases: readonly KernelCase[] }>(`kernel/${file}.json`)
  // SPI and sequence number, of 32 or 64 bits; the other cases have no shape of ESP.
  const cases = vectors?.cases.filter(({ aad }) => aad.length === 16 || aad.length === 24) ?? []

  it.skipIf(vectors === undefined).each(providers)('are sealed and opened over $name', (crypto) => {
    expect(cases.length).toBeGreaterThan(0)
    for (const one of cases) {
      const aad = fromHex(one.aad)
      const esn = aad.length === 12
      const high = esn ? readU32(aad, 4) : 0
      const tagBytes = (one.tag.length / 2) as 8 | 12 | 16
      const id = (ids as Readonly<Record<number, number>>)[tagBytes]!
      const encr = { id, key: fromHex(one.key), salt: fromHex(one.salt) }
      const cipher = createEspCipher(crypto, { spi: 1, encr, esn, replayWindow: 32 })
      const header = concat(aad.subarray(0, 4), aad.subarray(aad.length - 4), fromHex(one.iv))
      const text = fromHex(one.plaintext)
      const packet = concat(header, fromHex(one.ciphertext), fromHex(one.tag))

      const sealed = concat(header, text, new Uint8Array(tagBytes))
      cipher.seal(sealed, 0, text.length, high)
      if (one.valid) expect(toHex(sealed), one.id).toBe(toHex(packet))
      expect(cipher.open(packet, 0, text.length, high), one.id).toBe(one.valid)
      if (one.valid)
        expect(toHex(packet.subarray(header.length, header.length + text.length)), one.id).toBe(one.plaintext)
    }
  })
})

describe.each(providers)('AES-GMAC over $name', (crypto) => {
  it.each([false, true])('authenticates SPI, sequence number (64 bits: %s), IV and text, and hides nothing', (esn) => {
    const gmac = suites.find(({ encr }) => encr === Encr.ENCR_NULL_AUTH_AES_GMAC)!
    const parameters = parametersOf(gmac, esn)
    const header = patterned(16, 5)
    const text = patterned(60, 6)
    const packet = concat(header, text, new Uint8Array(16))
    createEspCipher(crypto, parameters).seal(packet, 0, text.length, 0x01020304)

    // RFC 4543 §3.3, put together anew: AES-GCM with nothing to encrypt.
    const nonce = concat(parameters.encr.salt, header.subarray(8))
    const gcm = createCipheriv('aes-128-gcm', parameters.encr.key, nonce)
    const high = esn ? Uint8Array.of(1, 2, 3, 4) : new Uint8Array(0)
    gcm.setAAD(concat(header.subarray(0, 4), high, header.subarray(4), text))
    gcm.final()
    expect(toHex(packet)).toBe(toHex(concat(header, text, gcm.getAuthTag())))
  })
})

describe.each(providers)('an implicit IV over $name', (crypto) => {
  const explicit = [
    { iiv: Encr.ENCR_AES_GCM_16_IIV, plain: Encr.ENCR_AES_GCM_16 },
    { iiv: Encr.ENCR_AES_CCM_8_IIV, plain: Encr.ENCR_AES_CCM_8 },
    { iiv: Encr.ENCR_CHACHA20_POLY1305_IIV, plain: Encr.ENCR_CHACHA20_POLY1305 },
  ]
  // RFC 8750 §4: the same AEAD with the sequence number, filled up to 64 bits, as its IV.
  it.each(explicit)('gives the octets of the same transform with that IV ($iiv)', ({ iiv, plain }) => {
    const suite = suites.find(({ encr }) => encr === iiv)!
    for (const esn of [false, true]) {
      const implicit = parametersOf(suite, esn)
      const header = patterned(8, 5)
      const high = esn ? 0x01020304 : 0
      const text = patterned(60, 6)
      const short = concat(header, text, new Uint8Array(16))
      createEspCipher(crypto, implicit).seal(short, 0, text.length, high)
      const iv = concat(esn ? Uint8Array.of(1, 2, 3, 4) : new Uint8Array(4), header.subarray(4))
      const long = concat(header, iv, text, new Uint8Array(16))
      createEspCipher(crypto, { ...implicit, encr: { ...implicit.encr, id: plain } }).seal(long, 0, text.length, high)
      expect(toHex(short.subarray(8))).toBe(toHex(long.subarray(16)))
    }
  })
})
