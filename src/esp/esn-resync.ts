/**
 * When a receiver of 64-bit sequence numbers should try other high halves than the inferred one, because it may have lost more than
 * 2^32 - window packets in a row. RFC 4303 appendix A3.
 *
 * Nobody knows whether packets that fail are forged, so trying is rationed by them: of each `RESYNC_EVERY` failures in a row one packet is tried
 * with `RESYNC_TRIALS` halves. Whoever forges makes the receiver work at most an eighth more than without this, and needs no clock to be held back.
 */
export class EsnResync {
  #failures = 0

  /** Packets in a row that failed. */
  get failures(): number {
    return this.#failures
  }

  /** True when the next packet, should it fail, is the one to be tried further. */
  get isDue(): boolean {
    return this.#failures % RESYNC_EVERY === RESYNC_EVERY - 1
  }

  failed(): void {
    this.#failures++
  }

  succeeded(): void {
    this.#failures = 0
  }
}

/** Failures in a row, of which the last one is tried further. */
export const RESYNC_EVERY = 128

/** High halves that are tried behind the inferred one: at 100,000 packets a second, a week of loss. */
export const RESYNC_TRIALS = 16
