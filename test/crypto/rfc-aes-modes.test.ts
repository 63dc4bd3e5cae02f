import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { ccm } from '../../src/crypto/noble-ccm.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Encr, Integ, Prf } from '../../src/crypto/transforms.ts'
import { loadVectors } from '../support/vectors.ts'

const providers = [nobleProvider, nodeProvider]

interface MacCase {
  readonly id: string
  readonly alg: string
  readonly key: string
  readonly data: string
  readonly mac: string
  readonly mac96?: string
}

describe.each(providers)('$name: MACs of AES', (crypto) => {
  it.each([
    ['rfc3566-4434-xcbc', Integ.AUTH_AES_XCBC_96, Prf.PRF_AES128_XCBC, 7, 10],
    ['rfc4493-4615-cmac', Integ.AUTH_AES_CMAC_96, Prf.PRF_AES128_CMAC, 4, 7],
  ])('%s', (file, integ, prf, macs, all) => {
    const { cases } = loadVectors<MacCase>(`rfc/${file}.json`)
    // A key of 16 octets is taken as it is, so that the PRF shows the whole of a MAC.
    for (const { id, key, data, mac } of cases) {
      expect(toHex(crypto.prf(prf, fromHex(key), fromHex(data))), id).toBe(mac)
    }
    const truncated = cases.filter(({ mac96 }) => mac96 !== undefined)
    for (const { id, key, data, mac96 } of truncated) {
      const keyed = crypto.mac(integ, fromHex(key))
      const buffer = concat(fromHex(data), new Uint8Array(12))
      keyed.compute(buffer, 0, data.length / 2, buffer, data.length / 2)
      expect(toHex(buffer), id).toBe(data + mac96)
      expect(keyed.verify(buffer, 0, data.length / 2, buffer, data.length / 2), id).toBe(true)
    }
    expect([truncated.length, cases.length]).toEqual([macs, all])
  })
})

interface CtrCase {
  readonly id: string
  readonly key: string
  readonly nonce: string
  readonly iv: string
  readonly plaintext: string
  readonly ciphertext: string
}

describe.each(providers)('$name: AES-CTR', (crypto) => {
  it('rfc3686-aes-ctr', () => {
    const { cases } = loadVectors<CtrCase>('rfc/rfc3686-aes-ctr.json')
    for (const { id, key, nonce, iv, plaintext, ciphertext } of cases) {
      const ctr = crypto.cipher(Encr.ENCR_AES_CTR, fromHex(key))
      const buffer = concat(Uint8Array.of(1), fromHex(plaintext), Uint8Array.of(2))
      ctr.encrypt(fromHex(nonce + iv), buffer, 1, plaintext.length / 2)
      expect(toHex(buffer), id).toBe(`01${ciphertext}02`)
      ctr.decrypt(fromHex(nonce + iv), buffer, 1, plaintext.length / 2)
      expect(toHex(buffer), id).toBe(`01${plaintext}02`)
    }
    expect(cases.length).toBe(9)
  })
})

interface CcmCase {
  readonly id: string
  readonly tagLength: number
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plaintext: string
  readonly ciphertext: string
  readonly tag: string
}

// The nonces have 13 octets there, and the providers take 11 only; node's CCM is that of OpenSSL.
describe('AES-CCM in JavaScript', () => {
  it('rfc3610-aes-ccm', () => {
    const { cases } = loadVectors<CcmCase>('rfc/rfc3610-aes-ccm.json')
    for (const { id, tagLength, key, nonce, aad, plaintext, ciphertext, tag } of cases) {
      const cipher = ccm(tagLength)(fromHex(key), fromHex(nonce), fromHex(aad))
      expect(toHex(cipher.encrypt(fromHex(plaintext))), id).toBe(ciphertext + tag)
      expect(toHex(cipher.decrypt(fromHex(ciphertext + tag))), id).toBe(plaintext)
    }
    expect(cases.length).toBe(24)
  })
})
