import { writeU32 } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import type { EspCipher } from './esp-cipher.ts'
import { createEspCipher } from './esp-crypto.ts'
import { EspUsage } from './esp-usage.ts'
import {
  checkSpi,
  EncapStatus,
  ESP_ALIGNMENT,
  ESP_HEADER_BYTES,
  ESP_TRAILER_BYTES,
  type EspSaParameters,
  isUint32,
  paddingBytes,
  writeTrailer,
} from './packet.ts'

/** Octets of unpredictable IVs that are fetched at a time: asking the source for each packet would cost more than the IV is long. */
const IV_POOL_BYTES = 4096

const empty = new Uint8Array(0)

/** The sending end of one SA: makes ESP packets in place and counts them. RFC 4303 §3.3. */
export class EspEncapsulator {
  readonly spi: number
  readonly esn: boolean
  /** Octets in front of the inner packet: SPI, sequence number, IV. */
  readonly headerBytes: number
  /** Octets behind the inner packet at most: padding, pad length, next header, ICV. */
  readonly maxTrailerBytes: number
  /** What the key was used for. For display; only this object counts. */
  readonly usage: EspUsage
  readonly #cipher: EspCipher
  readonly #alignment: number
  readonly #random: RandomSource
  #ivPool = empty
  #ivAt = 0
  #sequenceLow = 0
  #sequenceHigh = 0

  /** Keys are copied; `random` is asked for IVs when the cipher needs unpredictable ones. Throws `UsageError` on parameters that do not fit. */
  constructor(crypto: CryptoProvider, parameters: EspSaParameters, random: RandomSource) {
    this.spi = checkSpi(parameters.spi)
    this.esn = parameters.esn
    this.#cipher = createEspCipher(crypto, parameters)
    this.#alignment = Math.max(ESP_ALIGNMENT, this.#cipher.blockBytes)
    this.#random = random
    this.usage = new EspUsage(parameters.encr.id, parameters.esn)
    this.headerBytes = ESP_HEADER_BYTES + this.#cipher.ivBytes
    this.maxTrailerBytes = this.#alignment - 1 + ESP_TRAILER_BYTES + this.#cipher.icvBytes
  }

  /** Lower half of the last sequence number that was used; 0 before the first packet. */
  get sequenceLow(): number {
    return this.#sequenceLow
  }

  /** Upper half of the last sequence number that was used; always 0 without ESN. */
  get sequenceHigh(): number {
    return this.#sequenceHigh
  }

  /** True from when on another SA should take over: the key was used much, or few sequence numbers are left, as after `skip`. */
  get isNearLimit(): boolean {
    const highest = this.esn ? this.#sequenceHigh : this.#sequenceLow
    return this.usage.isNearLimit || highest >= 0xffff_ffff * this.usage.limits.soft
  }

  /**
   * Goes on behind the given sequence number, for an SA that was moved here. Only forward, because an AEAD's IV is its
   * sequence number and must never come twice. Throws `UsageError`.
   */
  startAfter(low: number, high: number): void {
    const back = high < this.#sequenceHigh || (high === this.#sequenceHigh && low < this.#sequenceLow)
    if (back || !isUint32(low) || !isUint32(high) || (high !== 0 && !this.esn)) {
      throw new UsageError('sequence', `cannot go on behind ${high}:${low}`)
    }
    this.#sequenceLow = low
    this.#sequenceHigh = high
  }

  /** Leaves out `count` sequence numbers, or all that are left when they are fewer. */
  skip(count: number): void {
    const most = this.esn ? 0xffff_ffff : 0
    const low = this.#sequenceLow + (count % 0x1_0000_0000)
    const high = this.#sequenceHigh + Math.floor(count / 0x1_0000_0000) + (low > 0xffff_ffff ? 1 : 0)
    if (high > most) this.startAfter(0xffff_ffff, most)
    else this.startAfter(low >>> 0, high)
  }

  /** Octets of the ESP packet around an inner packet of `innerLength` octets. */
  sealedLength(innerLength: number): number {
    const padding = paddingBytes(innerLength, this.#alignment)
    return this.headerBytes + innerLength + padding + ESP_TRAILER_BYTES + this.#cipher.icvBytes
  }

  /** The longest inner packet whose ESP packet has at most `espLength` octets; negative when not even an empty one fits. */
  maxInnerLength(espLength: number): number {
    const text = espLength - this.headerBytes - this.#cipher.icvBytes
    return Math.floor(text / this.#alignment) * this.#alignment - ESP_TRAILER_BYTES
  }

  /**
   * Makes the ESP packet of the inner packet at `buffer[offset, offset + length)`, in place: it starts at
   * `offset - headerBytes`, over at least that much headroom, and may reach `maxTrailerBytes` behind the inner packet.
   * Returns its length in octets, or a negative `EncapStatus` with the buffer and the counter untouched; never throws.
   */
  encapsulate(buffer: Uint8Array, offset: number, length: number, nextHeader: number): number {
    return this.encapsulatePadded(buffer, offset, length, nextHeader, length)
  }

  /**
   * The same with zeros behind the inner packet until it has `padTo` octets, if it is shorter: padding for traffic flow
   * confidentiality, which the receiver knows by the length that the inner packet names, and cuts off. `length` 0 with next header 59
   * is a dummy packet of `padTo` octets. RFC 4303 §2.6, §2.7.
   */
  encapsulatePadded(buffer: Uint8Array, offset: number, length: number, nextHeader: number, padTo: number): number {
    const at = offset - this.headerBytes
    const padded = padTo > length ? padTo : length
    const total = this.sealedLength(padded)
    if (at < 0 || length < 0 || at + total > buffer.length) return EncapStatus.NO_ROOM
    const padding = paddingBytes(padded, this.#alignment)
    const text = padded + padding + ESP_TRAILER_BYTES
    if (!this.usage.allows(text)) return EncapStatus.USAGE_LIMIT
    if (!this.#nextSequence()) return EncapStatus.SEQUENCE_EXHAUSTED
    this.usage.count(text)
    writeU32(buffer, at, this.spi)
    writeU32(buffer, at + 4, this.#sequenceLow)
    this.#writeIv(buffer, at + ESP_HEADER_BYTES)
    if (padded > length) buffer.fill(0, offset + length, offset + padded)
    writeTrailer(buffer, offset + padded, padding, nextHeader)
    this.#cipher.seal(buffer, at, text, this.#sequenceHigh)
    return total
  }

  /** Wipes the keys; the object must not be used afterwards. */
  destroy(): void {
    this.#cipher.destroy()
    this.#ivPool.fill(0)
  }

  /** Counts on; false when the last number was used, for the counter must not cycle. */
  #nextSequence(): boolean {
    if (this.#sequenceLow !== 0xffffffff) {
      this.#sequenceLow++
      return true
    }
    if (!this.esn || this.#sequenceHigh === 0xffffffff) return false
    this.#sequenceLow = 0
    this.#sequenceHigh++
    return true
  }

  #writeIv(buffer: Uint8Array, at: number): void {
    const bytes = this.#cipher.ivBytes
    if (bytes === 0) return
    if (!this.#cipher.unpredictableIv) {
      // The sequence number never comes twice under one key, which is all that a counter mode asks. RFC 4106 §3.1.
      writeU32(buffer, at, this.#sequenceHigh)
      writeU32(buffer, at + 4, this.#sequenceLow)
      return
    }
    if (this.#ivAt + bytes > this.#ivPool.length) {
      this.#ivPool = new Uint8Array(this.#random(IV_POOL_BYTES, 'iv'))
      this.#ivAt = 0
    }
    for (let i = 0; i < bytes; i++) buffer[at + i] = this.#ivPool[this.#ivAt + i]!
    this.#ivAt += bytes
  }
}
