/** Numbers that one seed gives again and again. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 to `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }

  /** True so often in a hundred times. */
  percent(percent: number): boolean {
    return this.below(100) < percent
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }
}
