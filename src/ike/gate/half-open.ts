import { toHex } from '../../bytes/index.ts'
import type { IpAddress } from '../../ip/address.ts'
import type { IkeSa } from '../ike-sa.ts'

/** How many half-open IKE_SAs one address has. */
export interface HalfOpenOfAddress {
  readonly all: number
  /** Those that were begun with a cookie: the address is not a forged one. */
  readonly proved: number
}

interface Entry {
  readonly key: string
  readonly proved: boolean
}

const NONE: HalfOpenOfAddress = { all: 0, proved: 0 }

/** From how many half-open IKE_SAs on those that come on top have less time, unless it is told otherwise. */
const MANY = 30

/** The IKE_SAs of responders that are not authenticated, in all and by the address that began them. */
export class HalfOpen {
  readonly #entries = new Map<IkeSa, Entry>()
  readonly #addresses = new Map<string, HalfOpenOfAddress>()
  /** From this many on those that come on top have less time. */
  many = MANY

  get size(): number {
    return this.#entries.size
  }

  get areMany(): boolean {
    return this.size >= this.many
  }

  ofAddress(address: IpAddress): HalfOpenOfAddress {
    return this.#addresses.get(addressKey(address)) ?? NONE
  }

  add(sa: IkeSa, address: IpAddress, proved: boolean): void {
    const entry = { key: addressKey(address), proved }
    this.#entries.set(sa, entry)
    this.#change(entry, 1)
  }

  /** Authenticated or ended. Does nothing for an IKE_SA that is not here. */
  delete(sa: IkeSa): void {
    const entry = this.#entries.get(sa)
    if (entry === undefined) return
    this.#entries.delete(sa)
    this.#change(entry, -1)
  }

  #change({ key, proved }: Entry, by: 1 | -1): void {
    const { all, proved: ofThem } = this.#addresses.get(key) ?? NONE
    if (all + by === 0) this.#addresses.delete(key)
    else this.#addresses.set(key, { all: all + by, proved: ofThem + (proved ? by : 0) })
  }
}

/** What counts as one address: an IPv6 host has a whole /64 to choose from. */
export const addressKey = (address: IpAddress): string =>
  toHex(address.length === 16 ? address.subarray(0, 8) : address)
