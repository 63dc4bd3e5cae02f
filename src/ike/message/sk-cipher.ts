import { Writer, wipe } from '../../bytes/index.ts'
import type { Aead, Cipher, CryptoProvider, Mac, RandomSource } from '../../crypto/provider.ts'
import type { EncrInfo, IntegInfo } from '../../crypto/transforms.ts'

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

/** IVs that never repeat, for ciphers that need no more than that. */
class CounterIv {
  #low = 0
  #high = 0

  /** 8 octets. */
  next(): Uint8Array {
    this.#low = (this.#low + 1) >>> 0
    if (this.#low === 0) this.#high = (this.#high + 1) >>> 0
    return new Writer(8).u32(this.#high).u32(this.#low).finish()
  }
}

/** RFC 5282: nonce = salt | IV, the IV a counter; the associated data ends where the IV begins. */
export class AeadCipher implements SkCipher {
  readonly icvBytes: number
  readonly #aead: Aead
  readonly #nonce: Uint8Array
  readonly #saltBytes: number
  readonly #ivBytes: number
  readonly #counter = new CounterIv()

  constructor(crypto: CryptoProvider, encr: EncrInfo, SK_e: Uint8Array) {
    const keyBytes = SK_e.length - encr.saltBytes
    this.icvBytes = encr.tagBytes
    this.#aead = crypto.aead(encr.id, SK_e.subarray(0, keyBytes))
    this.#saltBytes = encr.saltBytes
    this.#ivBytes = encr.ivBytes
    this.#nonce = new Uint8Array(encr.nonceBytes)
    this.#nonce.set(SK_e.subarray(keyBytes))
  }

  nextIv(): Uint8Array {
    return this.#counter.next()
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

/**
 * Encrypt, then an ICV over everything before it. RFC 7296 §3.14. The IV of CBC is unpredictable; that of CTR a counter, and
 * before it stands the salt (RFC 5930 §2).
 */
export class EncryptThenMac implements SkCipher {
  readonly icvBytes: number
  readonly #cipher: Cipher
  readonly #mac: Mac
  readonly #saltBytes: number
  readonly #ivBytes: number
  /** salt | IV. */
  readonly #iv: Uint8Array
  readonly #nextIv: () => Uint8Array

  constructor(
    crypto: CryptoProvider,
    encr: EncrInfo,
    integ: IntegInfo,
    SK_e: Uint8Array,
    SK_a: Uint8Array,
    random: RandomSource,
  ) {
    const keyBytes = SK_e.length - encr.saltBytes
    this.icvBytes = integ.icvBytes
    this.#cipher = crypto.cipher(encr.id, SK_e.subarray(0, keyBytes))
    this.#mac = crypto.mac(integ.id, SK_a)
    this.#saltBytes = encr.saltBytes
    this.#ivBytes = encr.ivBytes
    this.#iv = new Uint8Array(encr.nonceBytes)
    this.#iv.set(SK_e.subarray(keyBytes))
    const counter = new CounterIv()
    this.#nextIv = encr.kind === 'ctr' ? () => counter.next() : () => random(encr.ivBytes, 'iv')
  }

  nextIv(): Uint8Array {
    return this.#nextIv()
  }

  seal(message: Uint8Array, ivOffset: number): void {
    const icvOffset = message.length - this.icvBytes
    const offset = this.#takeIv(message, ivOffset)
    this.#cipher.encrypt(this.#iv, message, offset, icvOffset - offset)
    this.#mac.compute(message, 0, icvOffset, message, icvOffset)
  }

  open(message: Uint8Array, ivOffset: number): boolean {
    const icvOffset = message.length - this.icvBytes
    if (!this.#mac.verify(message, 0, icvOffset, message, icvOffset)) return false
    const offset = this.#takeIv(message, ivOffset)
    this.#cipher.decrypt(this.#iv, message, offset, icvOffset - offset)
    return true
  }

  destroy(): void {
    this.#cipher.destroy()
    this.#mac.destroy()
    wipe(this.#iv)
  }

  #takeIv(message: Uint8Array, ivOffset: number): number {
    const offset = ivOffset + this.#ivBytes
    this.#iv.set(message.subarray(ivOffset, offset), this.#saltBytes)
    return offset
  }
}
