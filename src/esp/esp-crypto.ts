import { wipe, writeU32 } from '../bytes/index.ts'
import type { Aead, Cipher, CryptoProvider, Mac } from '../crypto/provider.ts'
import { type EncrInfo, encrInfo, TransformType, transformName } from '../crypto/transforms.ts'
import { UsageError } from '../errors.ts'
import { ESP_HEADER_BYTES, type EspSaParameters } from './packet.ts'

/**
 * A keyed ESP transform that works in place. A packet starts with its SPI at `buffer[at]`; behind SPI and sequence number
 * stands the IV, then `textLength` octets of text (payload, padding, pad length, next header), then the ICV.
 * `sequenceHigh` is used with ESN only.
 */
export interface EspCipher {
  readonly ivBytes: number
  readonly icvBytes: number
  /** `textLength` is a multiple of it. */
  readonly blockBytes: number
  /** True when the IV must be unpredictable, false when it must only never repeat (a counter will do). */
  readonly unpredictableIv: boolean
  /** Encrypts the text and writes the ICV. SPI, sequence number and IV are in place. */
  seal(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): void
  /** Verifies the ICV and decrypts. False when the ICV is wrong; the packet's contents are then unspecified. Never throws for any content. */
  open(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): boolean
  /** Wipes the keys; the object must not be used afterwards. */
  destroy(): void
}

/**
 * The transform of an SA. Keys are copied; the provider checks their lengths. Throws `UsageError` when a transform is not
 * implemented or the parts do not fit together.
 */
export function createEspCipher(crypto: CryptoProvider, parameters: EspSaParameters): EspCipher {
  const { encr, integ, esn } = parameters
  const info = encrInfo(encr.id)
  const name = transformName(TransformType.ENCR, encr.id)
  if (info === undefined) throw new UsageError('encr', `${name} is not implemented`)
  if (encr.salt.length !== info.saltBytes) {
    throw new UsageError('encr', `${name} needs ${info.saltBytes} octets of salt, not ${encr.salt.length}`)
  }
  if (info.kind === 'aead') {
    if (integ !== undefined) throw new UsageError('integ', `${name} has no integrity transform beside it`)
    return new AeadEspCipher(info, crypto.aead(encr.id, encr.key), encr.salt, esn)
  }
  // Encryption alone can be decrypted by whoever may send packets and watch the answers. RFC 4303 §1.
  if (integ === undefined) throw new UsageError('integ', `${name} needs an integrity transform`)
  return new EncryptThenMacEspCipher(
    info,
    crypto.cipher(encr.id, encr.key),
    encr.salt,
    crypto.mac(integ.id, integ.key),
    esn,
  )
}

/** AES-GCM (RFC 4106), AES-CCM (RFC 4309) and ChaCha20-Poly1305 (RFC 7634): nonce = salt | IV, AAD = SPI | sequence number of 32 or 64 bits. */
class AeadEspCipher implements EspCipher {
  readonly ivBytes: number
  readonly icvBytes: number
  readonly blockBytes: number
  readonly unpredictableIv = false
  readonly #aead: Aead
  readonly #saltBytes: number
  readonly #nonce: Uint8Array
  /** SPI | high | low: the high half is not in the packet, so the AAD of ESN needs a place of its own. */
  readonly #esnAad: Uint8Array | undefined

  constructor(info: EncrInfo, aead: Aead, salt: Uint8Array, esn: boolean) {
    this.ivBytes = info.ivBytes
    this.icvBytes = aead.tagBytes
    this.blockBytes = info.blockBytes
    this.#aead = aead
    this.#esnAad = esn ? new Uint8Array(12) : undefined
    this.#saltBytes = salt.length
    this.#nonce = new Uint8Array(aead.nonceBytes)
    this.#nonce.set(salt)
  }

  seal(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): void {
    const text = at + ESP_HEADER_BYTES + this.ivBytes
    this.#loadNonce(buffer, at)
    if (this.#esnAad === undefined) this.#aead.seal(this.#nonce, buffer, at, ESP_HEADER_BYTES, buffer, text, textLength)
    else {
      loadEsnAad(this.#esnAad, buffer, at, sequenceHigh)
      this.#aead.seal(this.#nonce, this.#esnAad, 0, 12, buffer, text, textLength)
    }
  }

  open(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): boolean {
    const text = at + ESP_HEADER_BYTES + this.ivBytes
    this.#loadNonce(buffer, at)
    if (this.#esnAad === undefined)
      return this.#aead.open(this.#nonce, buffer, at, ESP_HEADER_BYTES, buffer, text, textLength)
    loadEsnAad(this.#esnAad, buffer, at, sequenceHigh)
    return this.#aead.open(this.#nonce, this.#esnAad, 0, 12, buffer, text, textLength)
  }

  destroy(): void {
    this.#aead.destroy()
    wipe(this.#nonce)
  }

  #loadNonce(buffer: Uint8Array, at: number): void {
    const iv = at + ESP_HEADER_BYTES
    for (let i = 0; i < this.ivBytes; i++) this.#nonce[this.#saltBytes + i] = buffer[iv + i]!
  }
}

function loadEsnAad(aad: Uint8Array, buffer: Uint8Array, at: number, sequenceHigh: number): void {
  for (let i = 0; i < 4; i++) {
    aad[i] = buffer[at + i]!
    aad[8 + i] = buffer[at + 4 + i]!
  }
  writeU32(aad, 4, sequenceHigh)
}

/**
 * AES-CBC (RFC 3602), AES-CTR (RFC 3686) or 3DES (RFC 2451), then a MAC over SPI to the end of the ciphertext. With ESN the high half of the sequence number is
 * authenticated behind the ciphertext and not sent (RFC 4303 §2.2.1): it stands where the ICV will be for that moment.
 */
class EncryptThenMacEspCipher implements EspCipher {
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
    this.#iv = new Uint8Array(salt.length + info.ivBytes)
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
