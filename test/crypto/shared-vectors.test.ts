import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { Encr, type HashName, Integ, integInfo } from '../../src/crypto/transforms.ts'
import { UsageError } from '../../src/errors.ts'
import { sharedVectors, type Vectors } from '../support/vectors.ts'
import { wycheproof } from '../support/wycheproof.ts'

const providers = [nobleProvider, nodeProvider]

interface AeadRow {
  readonly key: string
  readonly nonce: string
  readonly aad: string
  /** Null when the row is one to be refused. */
  readonly plaintext: string | null
  readonly ciphertext: string
  readonly tag: string
  readonly valid: boolean
}

function checkAead(crypto: CryptoProvider, encr: number, row: AeadRow, name: string): void {
  const aead = crypto.aead(encr, fromHex(row.key))
  const nonce = fromHex(row.nonce)
  const aad = fromHex(row.aad)
  const length = row.ciphertext.length / 2
  const buffer = fromHex(row.ciphertext + row.tag)
  expect(aead.open(nonce, aad, 0, aad.length, buffer, 0, length), name).toBe(row.valid)
  if (!row.valid) return
  expect(toHex(buffer.subarray(0, length)), name).toBe(row.plaintext)
  aead.seal(nonce, aad, 0, aad.length, buffer, 0, length)
  expect(toHex(buffer), name).toBe(row.ciphertext + row.tag)
}

interface WycheproofAead {
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
}

/** IKE and ESP have nonces of 12 octets only: rows with others must be refused, whatever they say. */
function checkWycheproofAead(crypto: CryptoProvider, encr: number, test: WycheproofAead & { result: string }): void {
  if (test.iv.length === 24) {
    const row = { ...test, nonce: test.iv, plaintext: test.msg, ciphertext: test.ct, valid: test.result === 'valid' }
    checkAead(crypto, encr, row, test.iv)
    return
  }
  const aead = crypto.aead(encr, fromHex(test.key))
  const buffer = concat(fromHex(test.ct), new Uint8Array(16))
  const length = test.ct.length / 2
  expect(() => aead.open(fromHex(test.iv), buffer, 0, 0, buffer, 0, length), test.iv).toThrow(UsageError)
  expect(() => aead.seal(fromHex(test.iv), buffer, 0, 0, buffer, 0, length), test.iv).toThrow(UsageError)
}

describe.each(providers)('$name: Wycheproof', (crypto) => {
  for (const [file, encr] of [
    ['aes_gcm', Encr.ENCR_AES_GCM_16],
    ['chacha20_poly1305', Encr.ENCR_CHACHA20_POLY1305],
  ] as const) {
    const tests = wycheproof<WycheproofAead>(file)
    it.skipIf(tests === undefined)(file, () => {
      for (const test of tests!) checkWycheproofAead(crypto, encr, test)
      expect(tests!.length).toBeGreaterThan(0)
    })
  }

  for (const [file, hash, integ] of [
    ['hmac_sha1', 'sha1', Integ.AUTH_HMAC_SHA1_96],
    ['hmac_sha256', 'sha256', Integ.AUTH_HMAC_SHA2_256_128],
    ['hmac_sha384', 'sha384', Integ.AUTH_HMAC_SHA2_384_192],
    ['hmac_sha512', 'sha512', Integ.AUTH_HMAC_SHA2_512_256],
  ] as const) {
    const tests = wycheproof<{ key: string; msg: string; tag: string }>(file)
    it.skipIf(tests === undefined)(file, () => {
      for (const { tcId, key, msg, tag, result } of tests!) {
        const full = toHex(crypto.hmac(hash satisfies HashName, fromHex(key), fromHex(msg)))
        expect(full.slice(0, tag.length) === tag, `${tcId}`).toBe(result === 'valid')
        checkMac(crypto, integ, fromHex(key), fromHex(msg), fromHex(tag), result === 'valid')
      }
    })
  }
})

/** Runs a row on the integrity transform itself when it has that transform's sizes. */
function checkMac(
  crypto: CryptoProvider,
  integ: number,
  key: Uint8Array,
  data: Uint8Array,
  tag: Uint8Array,
  valid: boolean,
): void {
  const { keyBytes, icvBytes } = integInfo(integ)!
  if (key.length !== keyBytes || tag.length !== icvBytes) return
  expect(crypto.mac(integ, key).verify(data, 0, data.length, tag, 0)).toBe(valid)
}

interface NamedAead extends AeadRow {
  readonly id: string
  readonly alg: string
  readonly tagLength: number
}

describe.each(providers)('$name: NIST and Linux AEADs', (crypto) => {
  for (const [file, encr, expected] of [
    ['nist/acvp-aes-gcm', Encr.ENCR_AES_GCM_16, 30],
    // Two thirds have tags of 8 and 12 octets, which are other transforms.
    ['nist/cavs-gcm-decrypt', Encr.ENCR_AES_GCM_16, 225],
    ['kernel/linux-gcm', Encr.ENCR_AES_GCM_16, 13],
    ['kernel/linux-rfc4106-gcm', Encr.ENCR_AES_GCM_16, 23],
    ['kernel/linux-rfc7539', Encr.ENCR_CHACHA20_POLY1305, 2],
    ['kernel/linux-rfc7539esp', Encr.ENCR_CHACHA20_POLY1305, 1],
  ] as const) {
    const vectors = sharedVectors<Vectors<NamedAead>>(`${file}.json`)
    it.skipIf(vectors === undefined)(file, () => {
      const cases = vectors!.cases.filter(({ tagLength }) => tagLength === 16)
      for (const row of cases) checkAead(crypto, encr, row, row.id)
      expect(cases.length).toBe(expected)
    })
  }
})

interface AuthencCase {
  readonly id: string
  readonly integ: string
  readonly encKey: string
  readonly integKey: string
  readonly iv: string
  readonly aad: string
  readonly plaintext: string
  readonly ciphertext: string
  readonly icv: string
}

describe.each(providers)('$name: AES-CBC with HMAC', (crypto) => {
  const vectors = sharedVectors<Vectors<AuthencCase>>('kernel/linux-authenc-aes-cbc.json')
  it.skipIf(vectors === undefined)('kernel/linux-authenc-aes-cbc', () => {
    const hashes: Readonly<Record<string, HashName>> = {
      'HMAC-SHA1': 'sha1',
      'HMAC-SHA256': 'sha256',
      'HMAC-SHA384': 'sha384',
      'HMAC-SHA512': 'sha512',
    }
    for (const row of vectors!.cases) {
      const buffer = fromHex(row.plaintext)
      crypto.cipher(Encr.ENCR_AES_CBC, fromHex(row.encKey)).encrypt(fromHex(row.iv), buffer, 0, buffer.length)
      expect(toHex(buffer), row.id).toBe(row.ciphertext)
      const icv = crypto.hmac(hashes[row.integ]!, fromHex(row.integKey), fromHex(row.aad + row.ciphertext))
      expect(toHex(icv), row.id).toBe(row.icv)
    }
    expect(vectors!.cases.length).toBe(21)
  })
})
