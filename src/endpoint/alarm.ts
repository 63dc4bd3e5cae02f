import type { Clock } from './clock.ts'

/** setTimeout takes a signed 32-bit number of ms; a longer wait is cut into pieces. */
const longestMs = 0x7fffffff

/** One timer that can be moved. It does not keep the process alive by itself: the sockets do. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #at = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings once, at `at` (ms of the clock) or soon after; `Infinity` for never. Replaces what was set before. */
  set(at: number): void {
    if (at === this.#at) return
    clearTimeout(this.#timer)
    this.#at = at
    if (at === Number.POSITIVE_INFINITY) return
    const delay = Math.min(Math.max(0, Math.ceil(at - this.#clock())), longestMs)
    this.#timer = setTimeout(() => {
      this.#at = Number.POSITIVE_INFINITY
      this.#ring()
    }, delay)
    this.#timer.unref()
  }
}
