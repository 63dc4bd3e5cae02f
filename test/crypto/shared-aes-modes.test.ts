import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { Encr, Integ, Prf } from '../../src/crypto/transforms.ts'
import { sharedVectors, type Vectors } from '../support/vectors.ts'
import { wycheproof } from '../support/wycheproof.ts'

const providers = [nobleProvider, nodeProvider]

interface AeadCase {
  readonly id: string
  readonly key: string
  readonly nonce: string
  readonly aad: string
  /** Null when the row is one to be refused. */
  readonly plaintext: string | null
  readonly ciphertext: string
  readonly tag: string
  readonly tagLength: number
  readonly valid: boolean
}

const ccmOf: Readonly<Record<number, number>> = {
  8: Encr.ENCR_AES_CCM_8,
  12: Encr.ENCR_AES_CCM_12,
  16: Encr.ENCR_AES_CCM_16,
}
const gcmOf: Readonly<Record<number, number>> = { 8: Encr.ENCR_AES_GCM_8, 12: Encr.ENCR_AES_GCM_12 }

function checkAead(crypto: CryptoProvider, encr: number, row: AeadCase): void {
  const aead = crypto.aead(encr, fromHex(row.key))
  const [nonce, aad] = [fromHex(row.nonce), fromHex(row.aad)]
  const length = row.ciphertext.length / 2
  const buffer = fromHex(row.ciphertext + row.tag)
  expect(aead.open(nonce, aad, 0, aad.length, buffer, 0, length), row.id).toBe(row.valid)
  if (!row.valid) return
  expect(toHex(buffer.subarray(0, length)), row.id).toBe(row.plaintext)
  aead.seal(nonce, aad, 0, aad.length, buffer, 0, length)
  expect(toHex(buffer), row.id).toBe(row.ciphertext + row.tag)
}

describe.each(providers)('$name: AES-CCM, and AES-GCM with short tags', (crypto) => {
  // Other nonces than those of 11 octets have no place in ESP and IKE, nor have tags of 10.
  for (const [file, transforms, expected] of [
    ['nist/acvp-aes-ccm-11octet-nonce', ccmOf, 198],
    ['kernel/linux-rfc4309-ccm', ccmOf, 23],
    ['kernel/linux-ccm', ccmOf, 17],
    ['nist/cavs-gcm-decrypt', gcmOf, 449],
  ] as const) {
    const vectors = sharedVectors<Vectors<AeadCase>>(`${file}.json`)
    it.skipIf(vectors === undefined)(file, () => {
      const nonceBytes = transforms === ccmOf ? 11 : 12
      const cases = vectors!.cases.filter((row) => row.nonce.length === 2 * nonceBytes && row.tagLength in transforms)
      for (const row of cases) checkAead(crypto, transforms[row.tagLength]!, row)
      expect(cases.length).toBe(expected)
    })
  }

  const tests = wycheproof<{ key: string; iv: string; aad: string; msg: string; ct: string; tag: string }>('aes_ccm')
  it.skipIf(tests === undefined)('Wycheproof aes_ccm, the nonces of 11 octets', () => {
    const rows = tests!.filter(({ iv }) => iv.length === 22)
    for (const { tcId, iv, msg, ct, result, ...row } of rows) {
      const aead = { ...row, id: `${tcId}`, nonce: iv, plaintext: msg, ciphertext: ct, tagLength: row.tag.length / 2 }
      checkAead(crypto, ccmOf[aead.tagLength]!, { ...aead, valid: result === 'valid' })
    }
    expect(rows.length).toBe(6)
  })
})

describe.each(providers)('$name: AES-CMAC', (crypto) => {
  const tests = wycheproof<{ key: string; msg: string; tag: string }>('aes_cmac')
  it.skipIf(tests === undefined)('Wycheproof aes_cmac, the keys of 16 octets', () => {
    const rows = tests!.filter(({ key }) => key.length === 32)
    for (const { tcId, key, msg, tag, result } of rows) {
      const isValid = result === 'valid'
      expect(toHex(crypto.prf(Prf.PRF_AES128_CMAC, fromHex(key), fromHex(msg))) === tag, `${tcId}`).toBe(isValid)
      if (!isValid) continue
      const mac = crypto.mac(Integ.AUTH_AES_CMAC_96, fromHex(key))
      expect(mac.verify(fromHex(msg), 0, msg.length / 2, fromHex(tag), 0), `${tcId}`).toBe(true)
    }
    expect(rows.length).toBe(102)
  })
})
