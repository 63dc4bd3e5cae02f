import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { Encr, type HashName, Integ, integInfo } from '../../src/crypto/transforms.ts'
import { slowPoly1305 } from '../support/poly1305.ts'
import { loadVectors } from '../support/vectors.ts'

const providers = [nobleProvider, nodeProvider]

const hashOf: Readonly<Record<string, HashName>> = {
  'HMAC-SHA1': 'sha1',
  'HMAC-SHA256': 'sha256',
  'HMAC-SHA384': 'sha384',
  'HMAC-SHA512': 'sha512',
}

interface HmacCase {
  readonly id: string
  readonly alg: string
  readonly key: string
  readonly data: string
  readonly mac: string
  readonly truncated?: boolean
  readonly icv?: string
  readonly integ?: keyof typeof Integ
}

describe.each(providers)('$name: HMAC', (crypto) => {
  // MD5 and SHA-224 rows are of no transform here: 7 of the 14, 7 of the 28.
  it.each([
    ['rfc2202-hmac', 7],
    ['rfc4231-hmac-sha2', 21],
    ['rfc4868-hmac-sha2', 30],
  ])('%s', (file, expected) => {
    const cases = loadVectors<HmacCase>(`rfc/${file}.json`).cases.filter(({ alg }) => alg in hashOf)
    for (const { id, alg, key, data, mac, truncated } of cases) {
      const full = toHex(crypto.hmac(hashOf[alg]!, fromHex(key), fromHex(data)))
      // RFC 4231 §4.6 prints the first 128 bits only.
      expect(truncated === true ? full.slice(0, 32) : full, id).toBe(mac)
    }
    expect(cases.length).toBe(expected)
  })

  it('truncates as RFC 4868 §2.7.2 prints', () => {
    const cases = loadVectors<HmacCase>('rfc/rfc4868-hmac-sha2.json').cases.filter(({ icv }) => icv !== undefined)
    for (const { id, integ, key, data, icv } of cases) {
      expect(toHex(icvOf(crypto, Integ[integ!], fromHex(key), fromHex(data))), id).toBe(icv)
    }
    expect(cases.length).toBe(12)
  })

  it('truncates HMAC-SHA1 to 96 bits', () => {
    const { cases } = loadVectors<HmacCase>('rfc/rfc2202-hmac.json')
    const fitting = cases.filter(({ alg, key }) => alg === 'HMAC-SHA1' && key.length === 40)
    for (const { id, key, data, mac } of fitting) {
      expect(toHex(icvOf(crypto, Integ.AUTH_HMAC_SHA1_96, fromHex(key), fromHex(data))), id).toBe(mac.slice(0, 24))
    }
    expect(fitting.length).toBeGreaterThan(0)
  })
})

/** The ICV over data that stands inside a larger buffer, behind which it is written; also verified there. */
function icvOf(crypto: CryptoProvider, integ: number, key: Uint8Array, data: Uint8Array): Uint8Array {
  const mac = crypto.mac(integ, key)
  const buffer = concat(Uint8Array.of(0xee), data, new Uint8Array(mac.icvBytes + 1))
  const end = 1 + data.length
  mac.compute(buffer, 1, data.length, buffer, end)
  expect(mac.icvBytes).toBe(integInfo(integ)!.icvBytes)
  expect([buffer[0], buffer.at(-1)]).toEqual([0xee, 0])
  expect(mac.verify(buffer, 1, data.length, buffer, end)).toBe(true)
  return buffer.slice(end, end + mac.icvBytes)
}

interface CbcCase {
  readonly id: string
  readonly key: string
  readonly iv: string
  readonly plaintext: string
  readonly ciphertext: string
  readonly espPacket?: string
}

describe.each(providers)('$name: AES-CBC', (crypto) => {
  it.each(['rfc3602-aes-cbc', 'rfc3602-esp'])('%s', (file) => {
    const { cases } = loadVectors<CbcCase>(`rfc/${file}.json`)
    for (const { id, key, iv, plaintext, ciphertext, espPacket } of cases) {
      const cbc = crypto.cipher(Encr.ENCR_AES_CBC, fromHex(key))
      // Odd offsets: nothing promises that a payload is aligned.
      const buffer = concat(Uint8Array.of(1, 2, 3), fromHex(plaintext), Uint8Array.of(4))
      const length = plaintext.length / 2
      cbc.encrypt(fromHex(iv), buffer, 3, length)
      expect(toHex(buffer), id).toBe(`010203${ciphertext}04`)
      if (espPacket !== undefined) expect(espPacket.endsWith(iv + ciphertext), id).toBe(true)
      cbc.decrypt(fromHex(iv), buffer, 3, length)
      expect(toHex(buffer), id).toBe(`010203${plaintext}04`)
    }
    expect(cases.length).toBe(4)
  })
})

interface AeadCase {
  readonly id: string
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plaintext: string
  readonly ciphertext: string
  readonly tag: string
  readonly poly1305Key?: string
}

describe.each(providers)('$name: AEADs', (crypto) => {
  it.each([
    ['draft-mcgrew-gcm-esp', Encr.ENCR_AES_GCM_16, 14],
    ['rfc7634-esp', Encr.ENCR_CHACHA20_POLY1305, 1],
    ['rfc7634-ike', Encr.ENCR_CHACHA20_POLY1305, 1],
    ['rfc8439-aead', Encr.ENCR_CHACHA20_POLY1305, 2],
  ])('%s', (file, encr, expected) => {
    const { cases } = loadVectors<AeadCase>(`rfc/${file}.json`)
    for (const row of cases) checkAead(crypto, encr, row)
    expect(cases.length).toBe(expected)
  })
})

/** Seals and opens with the associated data before the plaintext in one buffer, as ESP and IKE lay it out. */
function checkAead(crypto: CryptoProvider, encr: number, row: AeadCase): void {
  const aead = crypto.aead(encr, fromHex(row.key))
  const aad = fromHex(row.aad)
  const length = row.plaintext.length / 2
  const at = 1 + aad.length
  const buffer = concat(Uint8Array.of(9), aad, fromHex(row.plaintext), new Uint8Array(17))
  aead.seal(fromHex(row.nonce), buffer, 1, aad.length, buffer, at, length)
  expect(toHex(buffer), row.id).toBe(`09${row.aad}${row.ciphertext}${row.tag}00`)
  expect(aead.open(fromHex(row.nonce), buffer, 1, aad.length, buffer, at, length), row.id).toBe(true)
  expect(toHex(buffer.subarray(0, at + length)), row.id).toBe(`09${row.aad}${row.plaintext}`)
}

interface ChaChaCase {
  readonly id: string
  readonly key: string
  readonly nonce: string
  readonly counter: number
  readonly keystream?: string
  readonly plaintext?: string
  readonly ciphertext?: string
  readonly poly1305Key?: string
}

describe('the slow twin of Poly1305', () => {
  it('rfc8439-poly1305', () => {
    const { cases } = loadVectors<{ id: string; key: string; data: string; tag: string }>('rfc/rfc8439-poly1305.json')
    for (const { id, key, data, tag } of cases) expect(toHex(slowPoly1305(fromHex(key), fromHex(data))), id).toBe(tag)
    expect(cases.length).toBe(11)
  })
})

// The seam has no bare ChaCha20. Its AEAD shows the blocks from 1 on as the encryption of zeros, and block 0 as the
// Poly1305 key of its tag.
describe.each(providers)('$name: ChaCha20 inside the AEAD', (crypto) => {
  it('rfc8439-chacha20', () => {
    const { cases } = loadVectors<ChaChaCase>('rfc/rfc8439-chacha20.json')
    for (const row of cases) {
      const keystream =
        row.keystream ?? row.poly1305Key ?? toHex(xor(fromHex(row.plaintext!), fromHex(row.ciphertext!)))
      if (row.counter === 0) checkPolyKey(crypto, row, fromHex(keystream).subarray(0, 32))
      else expect(keystreamFrom(crypto, row, keystream.length / 2), row.id).toBe(keystream)
    }
    expect(cases.length).toBe(12)
  })
})

function keystreamFrom(crypto: CryptoProvider, row: ChaChaCase, length: number): string {
  const start = 64 * (row.counter - 1)
  return toHex(sealZeros(crypto, row, start + length).subarray(start, start + length))
}

function checkPolyKey(crypto: CryptoProvider, row: ChaChaCase, polyKey: Uint8Array): void {
  const sealed = sealZeros(crypto, row, 16)
  // No associated data, 16 octets of ciphertext, and both lengths as 64-bit little-endian numbers.
  const authenticated = concat(sealed.subarray(0, 16), new Uint8Array(8), Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0))
  expect(toHex(sealed.subarray(16)), row.id).toBe(toHex(slowPoly1305(polyKey, authenticated)))
}

function sealZeros(crypto: CryptoProvider, row: ChaChaCase, length: number): Uint8Array {
  const buffer = new Uint8Array(length + 16)
  const aead = crypto.aead(Encr.ENCR_CHACHA20_POLY1305, fromHex(row.key))
  aead.seal(fromHex(row.nonce), buffer, 0, 0, buffer, 0, length)
  return buffer
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((octet, i) => octet ^ b[i]!)
