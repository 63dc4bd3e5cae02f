import { wipe, writeU32 } from '../bytes/index.ts'
import type { Aead } from '../crypto/provider.ts'
import type { EncrInfo } from '../crypto/transforms.ts'
import type { EspCipher } from './esp-cipher.ts'
import { ESP_HEADER_BYTES } from './packet.ts'

/**
 * ENCR_NULL_AUTH_AES_GMAC (RFC 4543): AES-GCM over nothing, with the whole packet up to the ICV as associated data. With ESN the high
 * half of the sequence number is authenticated between the SPI and the low half (§3.3), where the packet has no room for it: what is
 * authenticated then stands in a place of its own.
 */
export class GmacEspCipher implements EspCipher {
  readonly ivBytes: number
  readonly icvBytes: number
  readonly blockBytes: number
  readonly unpredictableIv = false
  readonly #aead: Aead
  readonly #saltBytes: number
  readonly #nonce: Uint8Array
  readonly #esn: boolean
  /** Only with ESN; grows with the longest packet. */
  #scratch = new Uint8Array(0)

  constructor(info: EncrInfo, aead: Aead, salt: Uint8Array, esn: boolean) {
    this.ivBytes = info.ivBytes
    this.icvBytes = aead.tagBytes
    this.blockBytes = info.blockBytes
    this.#aead = aead
    this.#esn = esn
    this.#saltBytes = salt.length
    this.#nonce = new Uint8Array(aead.nonceBytes)
    this.#nonce.set(salt)
  }

  seal(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): void {
    const length = ESP_HEADER_BYTES + this.ivBytes + textLength
    this.#loadNonce(buffer, at)
    if (!this.#esn) {
      this.#aead.seal(this.#nonce, buffer, at, length, buffer, at + length, 0)
      return
    }
    this.#loadScratch(buffer, at, length, sequenceHigh)
    this.#aead.seal(this.#nonce, this.#scratch, 0, length + 4, buffer, at + length, 0)
  }

  open(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): boolean {
    const length = ESP_HEADER_BYTES + this.ivBytes + textLength
    this.#loadNonce(buffer, at)
    if (!this.#esn) return this.#aead.open(this.#nonce, buffer, at, length, buffer, at + length, 0)
    this.#loadScratch(buffer, at, length, sequenceHigh)
    return this.#aead.open(this.#nonce, this.#scratch, 0, length + 4, buffer, at + length, 0)
  }

  destroy(): void {
    this.#aead.destroy()
    wipe(this.#nonce, this.#scratch)
  }

  #loadNonce(buffer: Uint8Array, at: number): void {
    for (let i = 0; i < this.ivBytes; i++) this.#nonce[this.#saltBytes + i] = buffer[at + ESP_HEADER_BYTES + i]!
  }

  /** SPI | high | low | IV | text, from a packet of `length` octets without ICV. */
  #loadScratch(buffer: Uint8Array, at: number, length: number, sequenceHigh: number): void {
    if (this.#scratch.length < length + 4) this.#scratch = new Uint8Array(2 * length + 4)
    const scratch = this.#scratch
    for (let i = 0; i < 4; i++) scratch[i] = buffer[at + i]!
    writeU32(scratch, 4, sequenceHigh)
    for (let i = 4; i < length; i++) scratch[i + 4] = buffer[at + i]!
  }
}
