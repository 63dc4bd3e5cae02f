import { type CipherGCMTypes, createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { Aead, Cipher } from './provider.ts'
import { requireLive, requireNonce } from './require.ts'
import { Encr, type EncrInfo } from './transforms.ts'

/** An AEAD under a key of checked length (copied). The key is handed to OpenSSL once, the nonce with each packet. */
export class NodeAead implements Aead {
  readonly nonceBytes: number
  readonly tagBytes: number
  readonly #name: CipherGCMTypes
  readonly #options: { readonly authTagLength: number }
  #key: KeyObject | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.nonceBytes = info.saltBytes + info.ivBytes
    this.tagBytes = info.tagBytes
    this.#name = aeadName(info, key)
    this.#options = { authTagLength: info.tagBytes }
    this.#key = createSecretKey(key)
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
    const cipher = createCipheriv(this.#name, requireLive('cipher', this.#key), nonce, this.#options)
    cipher.setAAD(aad.subarray(aadOffset, aadOffset + aadLength))
    const ciphertext = cipher.update(buffer.subarray(offset, offset + length))
    cipher.final()
    buffer.set(ciphertext, offset)
    buffer.set(cipher.getAuthTag(), offset + length)
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
    const end = offset + length
    if (end + this.tagBytes > buffer.length) return false
    const decipher = createDecipheriv(this.#name, requireLive('cipher', this.#key), nonce, this.#options)
    decipher.setAAD(aad.subarray(aadOffset, aadOffset + aadLength))
    decipher.setAuthTag(buffer.subarray(end, end + this.tagBytes))
    const plaintext = decipher.update(buffer.subarray(offset, end))
    try {
      decipher.final()
    } catch {
      return false // The one way that node:crypto has to say that the tag is wrong.
    }
    buffer.set(plaintext, offset)
    return true
  }

  /** OpenSSL's copy of the key is cleansed when the key object is collected; there is no call that does it at once. */
  destroy(): void {
    this.#key = undefined
  }
}

/** AES-CBC under a key of checked length (copied). */
export class NodeCbc implements Cipher {
  readonly #name: string
  #key: KeyObject | undefined

  constructor(key: Uint8Array) {
    this.#name = `aes-${8 * key.length}-cbc`
    this.#key = createSecretKey(key)
  }

  encrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    const cipher = createCipheriv(this.#name, requireLive('cipher', this.#key), iv).setAutoPadding(false)
    const ciphertext = cipher.update(buffer.subarray(offset, offset + length))
    cipher.final()
    buffer.set(ciphertext, offset)
  }

  decrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    const decipher = createDecipheriv(this.#name, requireLive('cipher', this.#key), iv).setAutoPadding(false)
    const plaintext = decipher.update(buffer.subarray(offset, offset + length))
    decipher.final()
    buffer.set(plaintext, offset)
  }

  /** As for `NodeAead.destroy`. */
  destroy(): void {
    this.#key = undefined
  }
}

function aeadName(info: EncrInfo, key: Uint8Array): CipherGCMTypes {
  // The options and methods are the same for both; the type declarations know them under two names.
  if (info.id === Encr.ENCR_CHACHA20_POLY1305) return 'chacha20-poly1305' as CipherGCMTypes
  return `aes-${8 * key.length}-gcm` as CipherGCMTypes
}
