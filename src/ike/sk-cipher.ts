import { Writer, wipe } from '../bytes/index.ts'
import type { Aead, Cipher, CryptoProvider, Mac, RandomSource } from '../crypto/provider.ts'
import type { EncrInfo, IntegInfo } from '../crypto/transforms.ts'

/**
 * Seals and opens in place a message that is complete but for its ciphertext and ICV: all before `ivOffset` is
 * authenticated only, the IV stands at `ivOffset`, the ICV at the end. Lengths are checked by the caller.
 */
export interface SkCipher {
  readonly icvBytes: number
  nextIv(): Uint8Array
  seal(message: Uint8Array, ivOffset: number): void
  open(message: Uint8Array, ivOffset: number): boolean
  destroy(): void
}

/** RFC 5282: nonce = salt | IV, the IV a counter; the associated data ends where the IV begins. */
export class AeadCipher implements SkCipher {
  readonly icvBytes: number
  readonly #aead: Aead
  readonly #nonce: Uint8Array
  readonly #saltBytes: number
  readonly #ivBytes: number
  #counterLow = 0
  #counterHigh = 0

  constructor(crypto: CryptoProvider, encr: EncrInfo, SK_e: Uint8Array) {
    const keyBytes = SK_e.length - encr.saltBytes
    this.icvBytes = encr.tagBytes
    this.#aead = crypto.aead(encr.id, SK_e.subarray(0, keyBytes))
    this.#saltBytes = encr.saltBytes
    this.#ivBytes = encr.ivBytes
    this.#nonce = new Uint8Array(encr.saltBytes + encr.ivBytes)
    this.#nonce.set(SK_e.subarray(keyBytes))
  }

  nextIv(): Uint8Array {
    this.#counterLow = (this.#counterLow + 1) >>> 0
    if (this.#counterLow === 0) this.#counterHigh = (this.#counterHigh + 1) >>> 0
    return new Writer(this.#ivBytes).u32(this.#counterHigh).u32(this.#counterLow).finish()
  }

  seal(message: Uint8Array, ivOffset: number): void {
    const offset = this.#takeNonce(message, ivOffset)
    this.#aead.seal(this.#nonce, message, 0, ivOffset, message, offset, message.length - this.icvBytes - offset)
  }

  open(message: Uint8Array, ivOffset: number): boolean {
    const offset = this.#takeNonce(message, ivOffset)
    return this.#aead.open(this.#nonce, message, 0, ivOffset, message, offset, message.length - this.icvBytes - offset)
  }

  destroy(): void {
    this.#aead.destroy()
    wipe(this.#nonce)
  }

  #takeNonce(message: Uint8Array, ivOffset: number): number {
    const offset = ivOffset + this.#ivBytes
    this.#nonce.set(message.subarray(ivOffset, offset), this.#saltBytes)
    return offset
  }
}

/** RFC 7296 §3.14: encrypt, then an ICV over everything before it. The IV is unpredictable. */
export class CbcCipher implements SkCipher {
  readonly icvBytes: number
  readonly #cbc: Cipher
  readonly #mac: Mac
  readonly #ivBytes: number
  readonly #random: RandomSource

  constructor(cbc: Cipher, mac: Mac, encr: EncrInfo, integ: IntegInfo, random: RandomSource) {
    this.icvBytes = integ.icvBytes
    this.#cbc = cbc
    this.#mac = mac
    this.#ivBytes = encr.ivBytes
    this.#random = random
  }

  nextIv(): Uint8Array {
    return this.#random(this.#ivBytes, 'iv')
  }

  seal(message: Uint8Array, ivOffset: number): void {
    const icvOffset = message.length - this.icvBytes
    const offset = ivOffset + this.#ivBytes
    this.#cbc.encrypt(message.subarray(ivOffset, offset), message, offset, icvOffset - offset)
    this.#mac.compute(message, 0, icvOffset, message, icvOffset)
  }

  open(message: Uint8Array, ivOffset: number): boolean {
    const icvOffset = message.length - this.icvBytes
    if (!this.#mac.verify(message, 0, icvOffset, message, icvOffset)) return false
    const offset = ivOffset + this.#ivBytes
    this.#cbc.decrypt(message.subarray(ivOffset, offset), message, offset, icvOffset - offset)
    return true
  }

  destroy(): void {
    this.#cbc.destroy()
    this.#mac.destroy()
  }
}
