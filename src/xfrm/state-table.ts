import type { XfrmState } from './state.ts'

const FIRST_SLOTS = 64
/** Up to this size all could collide without harm. */
const SEEDED_SLOTS = 1024

/**
 * From a 32-bit number to the first state of a chain. Open addressing in flat arrays: a look-up makes nothing and touches two places of
 * memory, however many states there are; a full one grows to twice its size. `seed` gives 32 random bits, asked for once the table is large
 * enough for that to matter: they keep whoever chooses the numbers from choosing such that collide.
 */
export class StateTable {
  readonly #seedOf: () => number
  #seed = 0
  #keys = new Int32Array(FIRST_SLOTS)
  #heads: (XfrmState | undefined)[] = empty(FIRST_SLOTS)
  #used = 0

  constructor(seed: () => number = () => 0) {
    this.#seedOf = seed
  }

  /** The first state under `key`, undefined when there is none. */
  get(key: number): XfrmState | undefined {
    return this.#heads[this.#slotOf(key | 0)]
  }

  set(key: number, head: XfrmState): void {
    const slot = this.#slotOf(key | 0)
    if (this.#heads[slot] === undefined) {
      this.#keys[slot] = key
      this.#used++
    }
    this.#heads[slot] = head
    if (this.#used * 4 > this.#keys.length * 3) this.#resize(this.#keys.length * 2)
  }

  delete(key: number): void {
    let hole = this.#slotOf(key | 0)
    const heads = this.#heads
    if (heads[hole] === undefined) return
    const keys = this.#keys
    const mask = keys.length - 1
    // Whoever stands behind the hole and could stand in it moves there: no marks of deleted entries pile up.
    for (let at = (hole + 1) & mask; heads[at] !== undefined; at = (at + 1) & mask) {
      const home = this.#home(keys[at]!)
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      keys[hole] = keys[at]!
      heads[hole] = heads[at]
      hole = at
    }
    heads[hole] = undefined
    this.#used--
    if (keys.length > FIRST_SLOTS && this.#used * 8 < keys.length) this.#resize(keys.length / 2)
  }

  /** The slot of `key`, or the empty one where it belongs. */
  #slotOf(key: number): number {
    const keys = this.#keys
    const heads = this.#heads
    const mask = keys.length - 1
    let slot = this.#home(key)
    while (heads[slot] !== undefined && keys[slot] !== key) slot = (slot + 1) & mask
    return slot
  }

  #home(key: number): number {
    let hash = Math.imul(key ^ this.#seed, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) & (this.#keys.length - 1)
  }

  #resize(slots: number): void {
    const [keys, heads] = [this.#keys, this.#heads]
    if (slots === SEEDED_SLOTS && keys.length < slots) this.#seed = this.#seedOf() | 0
    this.#keys = new Int32Array(slots)
    this.#heads = empty(slots)
    for (let at = 0; at < keys.length; at++) {
      const head = heads[at]
      if (head === undefined) continue
      const slot = this.#slotOf(keys[at]!)
      this.#keys[slot] = keys[at]!
      this.#heads[slot] = head
    }
  }
}

// Filled, so that the engine keeps it as a plain array without holes.
const empty = (slots: number): (XfrmState | undefined)[] => new Array<XfrmState | undefined>(slots).fill(undefined)
