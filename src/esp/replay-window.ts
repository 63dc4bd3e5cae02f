import { UsageError } from '../errors.ts'

/** What the window says about a sequence number. */
export const ReplayStatus = {
  OK: 0,
  /** Below the window, or zero, which no sender uses. */
  OLD: 1,
  DUPLICATE: 2,
} as const

const BLOCK_BITS = 32
const BLOCKS_IN_SUBSPACE = 0x100000000 / BLOCK_BITS

/** Smallest and largest window, in packets. RFC 4303 §3.4.3 asks for 32 at least. */
export const MIN_REPLAY_WINDOW = 32
export const MAX_REPLAY_WINDOW = 1 << 20

/**
 * The anti-replay window: which of the last `size` sequence numbers were received. A ring of 32-bit blocks; going forward
 * clears blocks in front of the top and shifts nothing. Numbers are 64 bits as two unsigned 32-bit halves; without ESN the
 * high half is always 0. RFC 4303 §3.4.3, RFC 6479.
 */
export class ReplayWindow {
  /** Packets that the window covers: what was asked for, rounded up to a multiple of 32. */
  readonly size: number
  /** The highest number received, its upper and lower half; 0 and 0 before the first packet. */
  high = 0
  low = 0
  /**
   * The ring, for display: bit n % 32 of block floor(n / 32) % `bitmap.length` stands for number n. Only bits within
   * `size` of the top mean anything. Borrowed: it changes with each packet.
   */
  readonly bitmap: Uint32Array
  readonly #mask: number

  /** `size` in packets, `MIN_REPLAY_WINDOW` to `MAX_REPLAY_WINDOW`. Throws `UsageError`. */
  constructor(size: number) {
    if (!Number.isInteger(size) || size < MIN_REPLAY_WINDOW || size > MAX_REPLAY_WINDOW) {
      throw new UsageError('replayWindow', `must be ${MIN_REPLAY_WINDOW} to ${MAX_REPLAY_WINDOW} packets, not ${size}`)
    }
    const blocks = Math.ceil(size / BLOCK_BITS)
    this.size = blocks * BLOCK_BITS
    // One block more than the window, because the top block is filled only in part. A power of two divides the blocks
    // of a 32-bit subspace, so that the ring goes on without a seam when the low half wraps.
    this.bitmap = new Uint32Array(2 ** Math.ceil(Math.log2(blocks + 1)))
    this.#mask = this.bitmap.length - 1
  }

  /** Whether a packet of this number may still be received. Changes nothing. Returns a `ReplayStatus`. */
  check(low: number, high: number): number {
    if (low === 0 && high === 0) return ReplayStatus.OLD
    const behind = (this.high - high) * 0x100000000 + (this.low - low)
    if (behind < 0) return ReplayStatus.OK
    if (behind >= this.size) return ReplayStatus.OLD
    const block = this.bitmap[(low >>> 5) & this.#mask]!
    return (block & (1 << (low & 31))) === 0 ? ReplayStatus.OK : ReplayStatus.DUPLICATE
  }

  /** Marks a number whose packet is authentic, moving the window when it is the highest. Checks again; returns a `ReplayStatus`. */
  advance(low: number, high: number): number {
    const status = this.check(low, high)
    if (status !== ReplayStatus.OK) return status
    if (high > this.high || (high === this.high && low > this.low)) {
      this.#clearUpTo(low, high)
      this.low = low
      this.high = high
    }
    const index = (low >>> 5) & this.#mask
    this.bitmap[index] = this.bitmap[index]! | (1 << (low & 31))
    return ReplayStatus.OK
  }

  /** Empties the blocks behind the top's own up to the one of the new top. */
  #clearUpTo(low: number, high: number): void {
    const topBlock = this.low >>> 5
    const forward = (high - this.high) * BLOCKS_IN_SUBSPACE + ((low >>> 5) - topBlock)
    if (forward >= this.bitmap.length) {
      this.bitmap.fill(0)
      return
    }
    for (let i = 1; i <= forward; i++) this.bitmap[(topBlock + i) & this.#mask] = 0
  }
}
