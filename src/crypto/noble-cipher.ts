import { cbc, gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { wipe } from '../bytes/index.ts'
import type { Aead, Cipher } from './provider.ts'
import { requireLive, requireNonce } from './require.ts'
import { Encr, type EncrInfo } from './transforms.ts'

/** An AEAD under a key of checked length (copied). */
export class NobleAead implements Aead {
  readonly nonceBytes: number
  readonly tagBytes: number
  readonly #cipher: typeof gcm | typeof chacha20poly1305
  #key: Uint8Array | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.nonceBytes = info.saltBytes + info.ivBytes
    this.tagBytes = info.tagBytes
    this.#cipher = info.id === Encr.ENCR_CHACHA20_POLY1305 ? chacha20poly1305 : gcm
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

const unpadded = { disablePadding: true }

/** AES-CBC under a key of checked length (copied). */
export class NobleCbc implements Cipher {
  #key: Uint8Array | undefined

  constructor(key: Uint8Array) {
    this.#key = key.slice()
  }

  encrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    buffer.set(
      cbc(requireLive('cipher', this.#key), iv, unpadded).encrypt(buffer.subarray(offset, offset + length)),
      offset,
    )
  }

  decrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    const plaintext = cbc(requireLive('cipher', this.#key), iv, unpadded).decrypt(
      buffer.subarray(offset, offset + length),
    )
    buffer.set(plaintext, offset)
    wipe(plaintext)
  }

  destroy(): void {
    wipe(this.#key)
    this.#key = undefined
  }
}
