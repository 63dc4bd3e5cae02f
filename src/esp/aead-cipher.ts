import { wipe, writeU32 } from '../bytes/index.ts'
import type { Aead } from '../crypto/provider.ts'
import type { EncrInfo } from '../crypto/transforms.ts'
import type { EspCipher } from './esp-cipher.ts'
import { ESP_HEADER_BYTES } from './packet.ts'

/**
 * SPI | high | low: the high half is not in the packet, so the AAD of ESN needs a place of its own. One for all SAs, because it is used
 * within one call and an array for each would take more memory than the rest of the cipher's state.
 */
const esnAad = new Uint8Array(12)

/**
 * AES-GCM (RFC 4106), AES-CCM (RFC 4309) and ChaCha20-Poly1305 (RFC 7634): nonce = salt | IV, AAD = SPI | sequence number of 32 or
 * 64 bits. An implicit IV is the sequence number in 64 bits (RFC 8750 §4).
 */
export class AeadEspCipher implements EspCipher {
  readonly ivBytes: number
  readonly icvBytes: number
  readonly blockBytes: number
  readonly unpredictableIv = false
  readonly #aead: Aead
  readonly #saltBytes: number
  readonly #nonce: Uint8Array
  readonly #esn: boolean

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
    const text = at + ESP_HEADER_BYTES + this.ivBytes
    this.#loadNonce(buffer, at, sequenceHigh)
    if (!this.#esn) this.#aead.seal(this.#nonce, buffer, at, ESP_HEADER_BYTES, buffer, text, textLength)
    else {
      loadEsnAad(buffer, at, sequenceHigh)
      this.#aead.seal(this.#nonce, esnAad, 0, 12, buffer, text, textLength)
    }
  }

  open(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): boolean {
    const text = at + ESP_HEADER_BYTES + this.ivBytes
    this.#loadNonce(buffer, at, sequenceHigh)
    if (!this.#esn) return this.#aead.open(this.#nonce, buffer, at, ESP_HEADER_BYTES, buffer, text, textLength)
    loadEsnAad(buffer, at, sequenceHigh)
    return this.#aead.open(this.#nonce, esnAad, 0, 12, buffer, text, textLength)
  }

  destroy(): void {
    this.#aead.destroy()
    wipe(this.#nonce)
  }

  #loadNonce(buffer: Uint8Array, at: number, sequenceHigh: number): void {
    const nonce = this.#nonce
    const salt = this.#saltBytes
    const iv = at + ESP_HEADER_BYTES
    for (let i = 0; i < this.ivBytes; i++) nonce[salt + i] = buffer[iv + i]!
    if (this.ivBytes > 0) return
    writeU32(nonce, salt, sequenceHigh)
    for (let i = 0; i < 4; i++) nonce[salt + 4 + i] = buffer[at + 4 + i]!
  }
}

function loadEsnAad(buffer: Uint8Array, at: number, sequenceHigh: number): void {
  const aad = esnAad
  for (let i = 0; i < 4; i++) {
    aad[i] = buffer[at + i]!
    aad[8 + i] = buffer[at + 4 + i]!
  }
  writeU32(aad, 4, sequenceHigh)
}
