import { readU32 } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { packetLength } from '../ip/header.ts'
import { IpProtocol } from '../ip/protocol.ts'
import { inferSequenceHigh } from './esn.ts'
import { createEspCipher, type EspCipher } from './esp-crypto.ts'
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

/** The receiving end of one SA: refuses replays, opens ESP packets in place and finds the inner packet. RFC 4303 §3.4. */
export class EspDecapsulator {
  readonly spi: number
  readonly esn: boolean
  /** Which sequence numbers were received. For display; only this object moves it. */
  readonly replay: ReplayWindow
  readonly #cipher: EspCipher
  /** Octets in front of the ciphertext. */
  readonly #headerBytes: number
  /** Octets of the shortest packet: one aligned text that holds only a trailer. */
  readonly #minLength: number

  /** Keys are copied. Throws `UsageError` on parameters that do not fit. */
  constructor(crypto: CryptoProvider, parameters: EspSaParameters) {
    this.spi = checkSpi(parameters.spi)
    this.esn = parameters.esn
    this.replay = new ReplayWindow(parameters.replayWindow)
    this.#cipher = createEspCipher(crypto, parameters)
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
    const replay = this.replay
    const low = readU32(buffer, offset + 4)
    const high = this.esn ? inferSequenceHigh(replay.high, replay.low, replay.size, low) : 0
    if (high < 0) return DecapStatus.REPLAY_OLD
    const seen = replay.check(low, high)
    if (seen !== ReplayStatus.OK) return replayRefusal(seen)
    if (!this.#cipher.open(buffer, offset, textLength, high)) return DecapStatus.BAD_ICV
    const moved = replay.advance(low, high)
    if (moved !== ReplayStatus.OK) return replayRefusal(moved)
    return findInner(buffer, offset + this.#headerBytes, textLength, result)
  }

  /** Wipes the keys; the object must not be used afterwards. */
  destroy(): void {
    this.#cipher.destroy()
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
