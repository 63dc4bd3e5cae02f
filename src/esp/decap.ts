import { readU32 } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { packetLength } from '../ip/header.ts'
import { IpProtocol } from '../ip/protocol.ts'
import { inferSequenceHigh } from './esn.ts'
import { EsnResync, RESYNC_TRIALS } from './esn-resync.ts'
import type { EspCipher } from './esp-cipher.ts'
import { createEspCipher } from './esp-crypto.ts'
import { EspUsage } from './esp-usage.ts'
import {
  checkSpi,
  type DecapResult,
  DecapStatus,
  ESP_ALIGNMENT,
  ESP_HEADER_BYTES,
  type EspSaParameters,
  lengthWithoutTrailer,
} from './packet.ts'
import { ReplayStatus, ReplayWindow } from './replay-window.ts'

// One for all: most never need it.
const empty = new Uint8Array(0)

/** The receiving end of one SA: refuses replays, opens ESP packets in place and finds the inner packet. RFC 4303 §3.4. */
export class EspDecapsulator {
  readonly spi: number
  readonly esn: boolean
  /** Which sequence numbers were received. For display; only this object moves it. */
  readonly replay: ReplayWindow
  /** What the key was used for. For display; only this object counts. */
  readonly usage: EspUsage
  readonly #cipher: EspCipher
  /** Octets in front of the ciphertext. */
  readonly #headerBytes: number
  /** Octets of the shortest packet: one aligned text that holds only a trailer. */
  readonly #minLength: number
  readonly #resync = new EsnResync()
  /** The packet that other high halves are tried on, as it came. */
  #scratch = empty

  /** Keys are copied. Throws `UsageError` on parameters that do not fit. */
  constructor(crypto: CryptoProvider, parameters: EspSaParameters) {
    this.spi = checkSpi(parameters.spi)
    this.esn = parameters.esn
    this.replay = new ReplayWindow(parameters.replayWindow)
    this.#cipher = createEspCipher(crypto, parameters)
    this.usage = new EspUsage(parameters.encr.id, parameters.esn)
    this.#headerBytes = ESP_HEADER_BYTES + this.#cipher.ivBytes
    this.#minLength = this.#headerBytes + Math.max(ESP_ALIGNMENT, this.#cipher.blockBytes) + this.#cipher.icvBytes
  }

  /**
   * Opens, in place, the ESP packet at `buffer[offset, offset + length)`, which starts with the SPI by which the caller
   * found this SA. Says in `result` where the inner packet stands; padding for traffic flow confidentiality behind it
   * (RFC 4303 §2.7) is cut off. Returns a `DecapStatus`; never throws. The window moves only after the ICV is good, and
   * a packet that was refused leaves the buffer unspecified.
   */
  decapsulate(buffer: Uint8Array, offset: number, length: number, result: DecapResult): number {
    if (offset < 0 || length < this.#minLength || offset + length > buffer.length) return DecapStatus.TOO_SHORT
    const textLength = length - this.#headerBytes - this.#cipher.icvBytes
    if (textLength % this.#cipher.blockBytes !== 0) return DecapStatus.BAD_LENGTH
    if (!this.usage.allows(textLength)) return DecapStatus.USAGE_LIMIT
    const replay = this.replay
    const low = readU32(buffer, offset + 4)
    let high = this.esn ? inferSequenceHigh(replay.high, replay.low, replay.size, low) : 0
    if (high < 0) return DecapStatus.REPLAY_OLD
    const seen = replay.check(low, high)
    if (seen !== ReplayStatus.OK) return replayRefusal(seen)
    high = this.#open(buffer, offset, length, high)
    if (high < 0) {
      this.usage.forgeries++
      return DecapStatus.BAD_ICV
    }
    this.usage.count(textLength)
    const moved = replay.advance(low, high)
    if (moved !== ReplayStatus.OK) return replayRefusal(moved)
    return findInner(buffer, offset + this.#headerBytes, textLength, result)
  }

  /** Wipes the keys; the object must not be used afterwards. */
  destroy(): void {
    this.#cipher.destroy()
    this.#scratch.fill(0)
  }

  /** Opens the packet. Returns the high half of its sequence number: the inferred one, or the right one after a large loss; -1 when the ICV is wrong. */
  #open(buffer: Uint8Array, offset: number, length: number, high: number): number {
    const resync = this.#resync
    const textLength = length - this.#headerBytes - this.#cipher.icvBytes
    const tryFurther = this.esn && resync.isDue
    if (tryFurther) this.#keep(buffer, offset, length)
    if (this.#cipher.open(buffer, offset, textLength, high)) {
      resync.succeeded()
      return high
    }
    resync.failed()
    if (!tryFurther) return -1
    for (let trial = high + 1; trial <= high + RESYNC_TRIALS && trial <= 0xffff_ffff; trial++) {
      for (let i = 0; i < length; i++) buffer[offset + i] = this.#scratch[i]!
      if (!this.#cipher.open(buffer, offset, textLength, trial)) continue
      resync.succeeded()
      return trial
    }
    return -1
  }

  /** A packet that is refused is left unspecified, so that each trial needs it anew. */
  #keep(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(2 * length)
    for (let i = 0; i < length; i++) this.#scratch[i] = buffer[offset + i]!
  }
}

function replayRefusal(status: number): number {
  return status === ReplayStatus.DUPLICATE ? DecapStatus.REPLAY_DUPLICATE : DecapStatus.REPLAY_OLD
}

function findInner(buffer: Uint8Array, at: number, textLength: number, result: DecapResult): number {
  const payloadLength = lengthWithoutTrailer(buffer, at, textLength)
  if (payloadLength < 0) return DecapStatus.BAD_PADDING
  const nextHeader = buffer[at + textLength - 1]!
  result.offset = at
  result.length = payloadLength
  result.nextHeader = nextHeader
  if (nextHeader === IpProtocol.NO_NEXT_HEADER) return DecapStatus.DUMMY
  if (nextHeader === IpProtocol.IPV4 || nextHeader === IpProtocol.IPV6) {
    const inner = packetLength(buffer, at, payloadLength)
    // A malformed one is passed on as it is: refusing it, and counting that, is the policy check's business.
    if (inner > 0) result.length = inner
  }
  return DecapStatus.OK
}
