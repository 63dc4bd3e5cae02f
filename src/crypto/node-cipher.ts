import { type CipherGCMTypes, createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { concat } from '../bytes/index.ts'
import type { Aead, Cipher } from './provider.ts'
import { requireIv, requireLive, requireNonce } from './require.ts'
import { Encr, type EncrInfo } from './transforms.ts'

/** An AEAD under a key of checked length (copied). The key is handed to OpenSSL once, the nonce with each packet. */
export class NodeAead implements Aead {
  readonly nonceBytes: number
  readonly tagBytes: number
  readonly #name: CipherGCMTypes
  readonly #isCcm: boolean
  readonly #options: { readonly authTagLength: number }
  #key: KeyObject | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.nonceBytes = info.nonceBytes
    this.tagBytes = info.tagBytes
    this.#name = aeadName(info, key)
    this.#isCcm = this.#name.endsWith('-ccm')
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
    cipher.setAAD(aad.subarray(aadOffset, aadOffset + aadLength), this.#lengthOption(length))
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
    decipher.setAuthTag(buffer.subarray(end, end + this.tagBytes))
    decipher.setAAD(aad.subarray(aadOffset, aadOffset + aadLength), this.#lengthOption(length))
    try {
      const plaintext = decipher.update(buffer.subarray(offset, end))
      decipher.final()
      buffer.set(plaintext, offset)
      return true
    } catch {
      return false // The one way that node:crypto has to say that the tag is wrong.
    }
  }

  /** OpenSSL's copy of the key is cleansed when the key object is collected; there is no call that does it at once. */
  destroy(): void {
    this.#key = undefined
  }

  /** CCM's first block holds the length of the text. */
  #lengthOption(plaintextLength: number): { plaintextLength: number } | undefined {
    return this.#isCcm ? { plaintextLength } : undefined
  }
}

/** AES-CBC, AES-CTR or 3DES-CBC under a key of checked length (copied). */
export class NodeCipher implements Cipher {
  readonly #info: EncrInfo
  readonly #name: string
  #key: KeyObject | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.#info = info
    this.#name = info.id === Encr.ENCR_3DES ? 'des-ede3-cbc' : `aes-${8 * key.length}-${info.kind}`
    this.#key = createSecretKey(key)
  }

  encrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    const cipher = createCipheriv(this.#name, requireLive('cipher', this.#key), this.#firstBlock(iv)).setAutoPadding(
      false,
    )
    const ciphertext = cipher.update(buffer.subarray(offset, offset + length))
    cipher.final()
    buffer.set(ciphertext, offset)
  }

  decrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    const decipher = createDecipheriv(
      this.#name,
      requireLive('cipher', this.#key),
      this.#firstBlock(iv),
    ).setAutoPadding(false)
    const plaintext = decipher.update(buffer.subarray(offset, offset + length))
    decipher.final()
    buffer.set(plaintext, offset)
  }

  /** As for `NodeAead.destroy`. */
  destroy(): void {
    this.#key = undefined
  }

  /** The IV, for CTR nonce | IV | a counter that begins with 1. RFC 3686 §4. */
  #firstBlock(iv: Uint8Array): Uint8Array {
    requireIv(this.#info, iv)
    return this.#info.kind === 'ctr' ? concat(iv, one) : iv
  }
}

const ccmIds: ReadonlySet<number> = new Set([
  Encr.ENCR_AES_CCM_8,
  Encr.ENCR_AES_CCM_12,
  Encr.ENCR_AES_CCM_16,
  Encr.ENCR_AES_CCM_8_IIV,
])
const chachaIds: ReadonlySet<number> = new Set([Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_CHACHA20_POLY1305_IIV])
const one = Uint8Array.of(0, 0, 0, 1)

function aeadName(info: EncrInfo, key: Uint8Array): CipherGCMTypes {
  // The options and methods are the same for both; the type declarations know them under two names.
  if (chachaIds.has(info.id)) return 'chacha20-poly1305' as CipherGCMTypes
  const mode = ccmIds.has(info.id) ? 'ccm' : 'gcm'
  return `aes-${8 * key.length}-${mode}` as CipherGCMTypes
}
