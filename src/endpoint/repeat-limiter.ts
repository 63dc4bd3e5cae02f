interface Window {
  startedAt: number
  admitted: number
  suppressed: number
}

/**
 * Lets the first `burst` lines of a kind through in each window of `windowMs`, and counts the rest, so that a flood of bad
 * datagrams cannot fill a disk. Kinds come from a small fixed set (drop reasons); the table does not grow with the peers.
 */
export class RepeatLimiter {
  readonly #burst: number
  readonly #windowMs: number
  readonly #windows = new Map<string, Window>()

  constructor(burst = 5, windowMs = 10_000) {
    this.#burst = burst
    this.#windowMs = windowMs
  }

  /**
   * Asks to write a line of `kind` at `now` (ms). Returns -1 when it must not be written, otherwise how many lines of the
   * kind were kept back since the last one that was written.
   */
  admit(kind: string, now: number): number {
    const window = this.#windows.get(kind)
    if (window === undefined) {
      this.#windows.set(kind, { startedAt: now, admitted: 1, suppressed: 0 })
      return 0
    }
    if (now - window.startedAt >= this.#windowMs) {
      window.startedAt = now
      window.admitted = 0
    }
    if (window.admitted >= this.#burst) {
      window.suppressed++
      return -1
    }
    window.admitted++
    const suppressed = window.suppressed
    window.suppressed = 0
    return suppressed
  }
}
