import type { IpAddress } from '../../ip/address.ts'
import { addressKey } from './half-open.ts'
import { RecentCount } from './recent-count.ts'

/** How often strangers are answered in `windowMs`, or half of it: all of them, and one address (IPv6: one /64). */
export interface ShareLimits {
  readonly windowMs: number
  readonly ofAll: number
  readonly ofOne: number
}

/** Shares out the answers to strangers, so that a flood from one address leaves the others theirs. Keeps `ofAll` addresses at most. */
export class AnswerShares {
  readonly #limits: ShareLimits
  readonly #all: RecentCount
  readonly #ofOne = new Map<string, RecentCount>()

  constructor(limits: ShareLimits) {
    this.#limits = limits
    this.#all = new RecentCount(limits.windowMs)
  }

  /** True when this address may be answered once more, which is then counted. */
  take(address: IpAddress, now: number): boolean {
    const all = this.#all.count(now)
    if (all === 0) this.#ofOne.clear()
    if (all >= this.#limits.ofAll) return false
    const key = addressKey(address)
    const own = this.#ofOne.get(key) ?? new RecentCount(this.#limits.windowMs)
    if (own.count(now) >= this.#limits.ofOne) return false
    this.#forgetOld(now)
    this.#ofOne.set(key, own)
    this.#all.add(now)
    own.add(now)
    return true
  }

  /** With a place for each answer of the window there is room again when those before it have run out. */
  #forgetOld(now: number): void {
    if (this.#ofOne.size < this.#limits.ofAll) return
    for (const [key, count] of this.#ofOne) if (count.count(now) === 0) this.#ofOne.delete(key)
  }
}
