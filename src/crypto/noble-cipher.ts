import { cbc, ctr, gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { concat, equalConstantTime, wipe } from '../bytes/index.ts'
import { ccm } from './noble-ccm.ts'
import type { Aead, Cipher } from './provider.ts'
import { requireIv, requireLive, requireNonce } from './require.ts'
import { Encr, type EncrInfo } from './transforms.ts'
import { tripleDesCbc } from './triple-des.ts'

/** Encrypts to ciphertext | tag; decrypts that, or throws when the tag is wrong. */
type AeadFunction = (
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
) => { encrypt(plaintext: Uint8Array): Uint8Array; decrypt(sealed: Uint8Array): Uint8Array }

/** An AEAD under a key of checked length (copied). */
export class NobleAead implements Aead {
  readonly nonceBytes: number
  readonly tagBytes: number
  readonly #cipher: AeadFunction
  #key: Uint8Array | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.nonceBytes = info.nonceBytes
    this.tagBytes = info.tagBytes
    this.#cipher = aeadFunctions.get(info.id)!
    this.#key = key.slice()
  }

  seal(
    nonce: Uint8Array,
    aad: Uint8Array,
    aadOffset: number,
    aadLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    requireNonce(this, nonce)
    const cipher = this.#cipher(requireLive('cipher', this.#key), nonce, aad.subarray(aadOffset, aadOffset + aadLength))
    buffer.set(cipher.encrypt(buffer.subarray(offset, offset + length)), offset)
  }

  open(
    nonce: Uint8Array,
    aad: Uint8Array,
    aadOffset: number,
    aadLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    requireNonce(this, nonce)
    const cipher = this.#cipher(requireLive('cipher', this.#key), nonce, aad.subarray(aadOffset, aadOffset + aadLength))
    const sealed = buffer.subarray(offset, offset + length + this.tagBytes)
    if (sealed.length !== length + this.tagBytes) return false
    let plaintext: Uint8Array
    try {
      plaintext = cipher.decrypt(sealed)
    } catch {
      return false // The lengths are right, so only the tag is left to be wrong.
    }
    buffer.set(plaintext, offset)
    wipe(plaintext)
    return true
  }

  destroy(): void {
    wipe(this.#key)
    this.#key = undefined
  }
}

/** GCM with the tag cut to `tagBytes` octets, which the library does not know how to check: it is made again and compared. */
const shortGcm =
  (tagBytes: number): AeadFunction =>
  (key, nonce, aad) => {
    const encrypt = (plaintext: Uint8Array) =>
      gcm(key, nonce, aad)
        .encrypt(plaintext)
        .slice(0, plaintext.length + tagBytes)
    return {
      encrypt,
      decrypt(sealed) {
        // The block that counts 1 belongs to the tag. SP 800-38D §7.1.
        const firstBlock = concat(nonce, Uint8Array.of(0, 0, 0, 2))
        const plaintext = ctr(key, firstBlock).decrypt(sealed.subarray(0, sealed.length - tagBytes))
        if (equalConstantTime(encrypt(plaintext), sealed)) return plaintext
        wipe(plaintext)
        throw new Error('the tag is wrong')
      },
    }
  }

const aeadFunctions: ReadonlyMap<number, AeadFunction> = new Map<number, AeadFunction>([
  [Encr.ENCR_AES_CCM_8, ccm(8)],
  [Encr.ENCR_AES_CCM_12, ccm(12)],
  [Encr.ENCR_AES_CCM_16, ccm(16)],
  [Encr.ENCR_AES_GCM_8, shortGcm(8)],
  [Encr.ENCR_AES_GCM_12, shortGcm(12)],
  [Encr.ENCR_AES_GCM_16, gcm],
  [Encr.ENCR_CHACHA20_POLY1305, chacha20poly1305],
  [Encr.ENCR_AES_CCM_8_IIV, ccm(8)],
  [Encr.ENCR_AES_GCM_16_IIV, gcm],
  [Encr.ENCR_CHACHA20_POLY1305_IIV, chacha20poly1305],
  [Encr.ENCR_NULL_AUTH_AES_GMAC, gcm],
])

/** Encrypts and decrypts to an array of the same length. */
type CipherFunction = (
  key: Uint8Array,
  iv: Uint8Array,
) => { encrypt(text: Uint8Array): Uint8Array; decrypt(text: Uint8Array): Uint8Array }

const cipherFunctions: ReadonlyMap<number, CipherFunction> = new Map<number, CipherFunction>([
  [Encr.ENCR_3DES, tripleDesCbc],
  [Encr.ENCR_AES_CBC, (key, iv) => cbc(key, iv, { disablePadding: true })],
  // RFC 3686 §4: nonce | IV | a counter that begins with 1.
  [Encr.ENCR_AES_CTR, (key, iv) => ctr(key, concat(iv, Uint8Array.of(0, 0, 0, 1)))],
])

/** AES-CBC, AES-CTR or 3DES-CBC under a key of checked length (copied). */
export class NobleCipher implements Cipher {
  readonly #info: EncrInfo
  readonly #cipher: CipherFunction
  #key: Uint8Array | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.#info = info
    this.#cipher = cipherFunctions.get(info.id)!
    this.#key = key.slice()
  }

  encrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    requireIv(this.#info, iv)
    const cipher = this.#cipher(requireLive('cipher', this.#key), iv)
    buffer.set(cipher.encrypt(buffer.subarray(offset, offset + length)), offset)
  }

  decrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    requireIv(this.#info, iv)
    const cipher = this.#cipher(requireLive('cipher', this.#key), iv)
    const plaintext = cipher.decrypt(buffer.subarray(offset, offset + length))
    buffer.set(plaintext, offset)
    wipe(plaintext)
  }

  destroy(): void {
    wipe(this.#key)
    this.#key = undefined
  }
}
