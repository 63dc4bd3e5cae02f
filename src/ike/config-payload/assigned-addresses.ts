import { formatIp, type IpAddress } from '../../ip/address.ts'

/** Which addresses we have given to peers, and by which of their IKE_SAs they have them. `S` is an IKE_SA. */
export class AssignedAddresses<S extends object> {
  readonly #holders = new Map<string, Set<S>>()
  readonly #addresses = new Map<S, readonly IpAddress[]>()

  /** The addresses of one, none when it has none. */
  of(sa: S): readonly IpAddress[] {
    return this.#addresses.get(sa) ?? []
  }

  /** Who has an address. */
  holdersOf(address: IpAddress): readonly S[] {
    return [...(this.#holders.get(formatIp(address)) ?? [])]
  }

  /** `sa` has these addresses from here on, besides whoever has them already. */
  give(sa: S, addresses: readonly IpAddress[]): void {
    this.#addresses.set(sa, addresses)
    for (const address of addresses) {
      const key = formatIp(address)
      const holders = this.#holders.get(key)
      if (holders === undefined) this.#holders.set(key, new Set([sa]))
      else holders.add(sa)
    }
  }

  /** `sa` is gone. Returns those of its addresses that nobody has any more. */
  takeBack(sa: S): IpAddress[] {
    const free = this.of(sa).filter((address) => {
      const key = formatIp(address)
      const holders = this.#holders.get(key)
      holders?.delete(sa)
      if (holders?.size !== 0) return false
      this.#holders.delete(key)
      return true
    })
    this.#addresses.delete(sa)
    return free
  }

  /** `next` follows `sa`. */
  pass(sa: S, next: S): void {
    const addresses = this.of(sa)
    if (addresses.length === 0) return
    this.give(next, addresses)
    this.takeBack(sa)
  }
}
