import type { RandomSource } from '../crypto/provider.ts'

/** Choices that look random and depend on nothing but a seed: fast, for fuzzing, and good for nothing secret. */
export class Dice {
  #state = 0x811c9dc5

  constructor(seed: string) {
    // FNV-1a
    for (let i = 0; i < seed.length; i++) this.#state = Math.imul(this.#state ^ seed.charCodeAt(i), 0x01000193) >>> 0
  }

  /** An integer from 0 to 2^32-1. */
  u32(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** An integer from 0 to `bound - 1`. */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound)
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.u32() < (percent / 100) * 0x1_0000_0000
  }

  /** One of the items, of which there must be one. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }

  /** Fresh octets. Also a `RandomSource`. */
  readonly octets: RandomSource = (length) => {
    const octets = new Uint8Array(length)
    for (let i = 0; i < length; i++) octets[i] = this.u32()
    return octets
  }
}
