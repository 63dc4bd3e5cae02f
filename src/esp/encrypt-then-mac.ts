import { wipe, writeU32 } from '../bytes/index.ts'
import type { Cipher, Mac } from '../crypto/provider.ts'
import type { EncrInfo } from '../crypto/transforms.ts'
import type { EspCipher } from './esp-cipher.ts'
import { ESP_HEADER_BYTES } from './packet.ts'

/**
 * AES-CBC (RFC 3602), AES-CTR (RFC 3686), 3DES (RFC 2451) or nothing (RFC 2410), then a MAC over SPI to the end of the ciphertext. With ESN the high half of the sequence number is
 * authenticated behind the ciphertext and not sent (RFC 4303 §2.2.1): it stands where the ICV will be for that moment.
 */
export class EncryptThenMacEspCipher implements EspCipher {
  readonly ivBytes: number
  readonly icvBytes: number
  readonly blockBytes: number
  readonly unpredictableIv: boolean
  readonly #cipher: Cipher
  readonly #mac: Mac
  readonly #esn: boolean
  readonly #saltBytes: number
  /** salt | IV. */
  readonly #iv: Uint8Array
  readonly #receivedIcv: Uint8Array

  constructor(info: EncrInfo, cipher: Cipher, salt: Uint8Array, mac: Mac, esn: boolean) {
    this.ivBytes = info.ivBytes
    this.icvBytes = mac.icvBytes
    this.blockBytes = info.blockBytes
    // The cipher counts in CTR: an IV that was never used is enough.
    this.unpredictableIv = info.kind === 'cbc'
    this.#cipher = cipher
    this.#mac = mac
    this.#esn = esn
    this.#saltBytes = salt.length
    this.#iv = new Uint8Array(info.nonceBytes)
    this.#iv.set(salt)
    this.#receivedIcv = new Uint8Array(mac.icvBytes)
  }

  seal(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): void {
    const text = at + ESP_HEADER_BYTES + this.ivBytes
    const icv = text + textLength
    this.#loadIv(buffer, at)
    this.#cipher.encrypt(this.#iv, buffer, text, textLength)
    if (this.#esn) writeU32(buffer, icv, sequenceHigh)
    this.#mac.compute(buffer, at, icv - at + (this.#esn ? 4 : 0), buffer, icv)
  }

  open(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): boolean {
    const text = at + ESP_HEADER_BYTES + this.ivBytes
    if (!this.#verify(buffer, at, text + textLength, sequenceHigh)) return false
    this.#loadIv(buffer, at)
    this.#cipher.decrypt(this.#iv, buffer, text, textLength)
    return true
  }

  destroy(): void {
    this.#cipher.destroy()
    this.#mac.destroy()
    wipe(this.#iv)
  }

  #verify(buffer: Uint8Array, at: number, icv: number, sequenceHigh: number): boolean {
    if (!this.#esn) return this.#mac.verify(buffer, at, icv - at, buffer, icv)
    for (let i = 0; i < this.icvBytes; i++) this.#receivedIcv[i] = buffer[icv + i]!
    writeU32(buffer, icv, sequenceHigh)
    return this.#mac.verify(buffer, at, icv - at + 4, this.#receivedIcv, 0)
  }

  #loadIv(buffer: Uint8Array, at: number): void {
    for (let i = 0; i < this.ivBytes; i++) this.#iv[this.#saltBytes + i] = buffer[at + ESP_HEADER_BYTES + i]!
  }
}
