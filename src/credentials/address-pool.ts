import { compareBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { formatIp, type IpAddress, parseIp } from '../ip/address.ts'
import { formatRange, parseRange, prefixLength } from '../ip/prefix.ts'
import { type AddressRange, containsAddress } from '../ip/range.ts'

/** An address that was given to somebody. Text, as a file keeps it. */
export interface Lease {
  readonly pool: string
  readonly address: string
  /** Whose it is, in the words of `leaseIdentity`. */
  readonly identity: string
}

interface Entry {
  readonly address: IpAddress
  identity: string
  online: boolean
}

/**
 * The addresses of one pool and one family. Who returns gets the address it had. A new one gets an address that nobody had yet, in
 * ascending order, then the one that was given back longest ago. Memory grows with the leases, not with the pool.
 */
export class AddressPool {
  readonly name: string
  /** 4 or 16. */
  readonly addressBytes: number
  readonly ranges: readonly AddressRange[]
  /** By address as text, the one given back longest ago first. */
  readonly #entries = new Map<string, Entry>()
  /** Addresses by identity, the last one used last. */
  readonly #ofIdentity = new Map<string, Set<Entry>>()
  /** Never given but to their owners. */
  readonly #reserved: ReadonlyMap<string, string>
  /** The address to try next, undefined when all were tried. */
  #next: { readonly range: number; readonly address: IpAddress } | undefined

  /** `ranges` of the family. `reserved`: identities by address as text. */
  constructor(
    name: string,
    addressBytes: number,
    ranges: readonly AddressRange[],
    reserved: ReadonlyMap<string, string> = new Map(),
  ) {
    this.name = name
    this.addressBytes = addressBytes
    this.ranges = ranges
    this.#reserved = reserved
    this.#next = ranges[0] === undefined ? undefined : { range: 0, address: ranges[0].start }
  }

  /** What `status` shows and an exhausted pool says. */
  get counts(): { readonly leases: number; readonly online: number } {
    const entries = [...this.#entries.values()]
    return { leases: entries.length, online: entries.filter(({ online }) => online).length }
  }

  /** Takes over a lease of before, as one whose owner is away. False when it is not of this pool any more. */
  restore({ address, identity }: Lease): boolean {
    const octets = parseIp(address)
    const owner = this.#reserved.get(formatIp(octets))
    const isGood = owner === undefined ? this.#isOurs(octets) : owner === identity
    if (!isGood || this.#entries.has(formatIp(octets))) return false
    this.#keep({ address: octets, identity, online: false })
    return true
  }

  leases(): Lease[] {
    return [...this.#entries].map(([address, { identity }]) => ({ pool: this.name, address, identity }))
  }

  /**
   * An address for this identity, marked as in use; undefined when the pool is full. `held`: what it has at this moment, and keeps.
   * `wanted`: what it asked for, if that can be had.
   */
  take(identity: string, held: readonly IpAddress[], wanted: IpAddress | undefined): IpAddress | undefined {
    const entry =
      this.#holding(identity, held) ??
      this.#reservedFor(identity) ??
      this.#had(identity, wanted) ??
      this.#fresh(identity, wanted) ??
      this.#oldest(identity)
    if (entry === undefined) return undefined
    entry.online = true
    this.#file(entry)
    return entry.address
  }

  /** Nobody uses it any more. False when it is not a lease of this pool. */
  release(address: IpAddress): boolean {
    const key = formatIp(address)
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    entry.online = false
    // The last of those that are away.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return true
  }

  /** `10.3.0.10-10.3.0.20`, `10.3.0.0/24`. */
  describe(): string {
    const ranges = this.ranges.map(formatRange)
    return ranges.length === 0 ? 'of reserved addresses' : ranges.join(', ')
  }

  #holding(identity: string, held: readonly IpAddress[]): Entry | undefined {
    const entries = held.map((address) => this.#entries.get(formatIp(address)))
    return entries.find((entry) => entry?.identity === identity)
  }

  #reservedFor(identity: string): Entry | undefined {
    for (const [address, owner] of this.#reserved) {
      if (owner !== identity) continue
      const entry = this.#entries.get(address)
      if (entry === undefined) return this.#keep({ address: parseIp(address), identity, online: false })
      if (!entry.online) return this.#handOver(entry, identity)
    }
    return undefined
  }

  /** One that it had before and nobody uses: the one it asks for, or the last. */
  #had(identity: string, wanted: IpAddress | undefined): Entry | undefined {
    const own = [...(this.#ofIdentity.get(identity) ?? [])].filter(
      (entry) => !entry.online && this.#isFree(entry, identity),
    )
    const asked = wanted === undefined ? undefined : own.find(({ address }) => compareBytes(address, wanted) === 0)
    return asked ?? own.at(-1)
  }

  /** One that nobody had: the one it asks for, or the next. */
  #fresh(identity: string, wanted: IpAddress | undefined): Entry | undefined {
    const isNew = (address: IpAddress) =>
      !this.#entries.has(formatIp(address)) && !this.#reserved.has(formatIp(address)) && this.#isOurs(address)
    if (wanted !== undefined && isNew(wanted)) return this.#keep({ address: wanted.slice(), identity, online: false })
    for (let next = this.#advance(); next !== undefined; next = this.#advance()) {
      if (isNew(next)) return this.#keep({ address: next, identity, online: false })
    }
    return undefined
  }

  /** The one that was given back longest ago. */
  #oldest(identity: string): Entry | undefined {
    for (const entry of this.#entries.values()) {
      if (!entry.online && this.#isFree(entry, identity)) return this.#handOver(entry, identity)
    }
    return undefined
  }

  /** Not another's by the configuration. */
  #isFree({ address }: Entry, identity: string): boolean {
    const owner = this.#reserved.get(formatIp(address))
    return owner === undefined || owner === identity
  }

  #isOurs(address: IpAddress): boolean {
    return this.ranges.some((range) => containsAddress(range, address) && isUsable(range, address))
  }

  #advance(): IpAddress | undefined {
    if (this.#next === undefined) return undefined
    const { range, address } = this.#next
    const after = this.ranges[range + 1]
    if (compareBytes(address, this.ranges[range]!.end) < 0) this.#next = { range, address: successor(address) }
    else this.#next = after === undefined ? undefined : { range: range + 1, address: after.start }
    return address
  }

  #keep(entry: Entry): Entry {
    this.#entries.set(formatIp(entry.address), entry)
    this.#file(entry)
    return entry
  }

  #handOver(entry: Entry, identity: string): Entry {
    const before = this.#ofIdentity.get(entry.identity)
    before?.delete(entry)
    if (before?.size === 0) this.#ofIdentity.delete(entry.identity)
    entry.identity = identity
    this.#file(entry)
    return entry
  }

  /** As the last one that its identity used. */
  #file(entry: Entry): void {
    const known = this.#ofIdentity.get(entry.identity) ?? new Set()
    known.delete(entry)
    this.#ofIdentity.set(entry.identity, known.add(entry))
  }
}

/** `10.3.0.0/24`, `10.3.0.10-10.3.0.20`, `fd00:3::/64`. Throws `UsageError`. */
export function parsePoolRange(text: string): AddressRange {
  const range = parseRange(text)
  if (isUsable(range, range.start) || compareBytes(range.start, range.end) < 0) return range
  throw new UsageError('pool', `"${text}" has no address for a host`)
}

/**
 * Of a prefix, the address of the network and IPv4's broadcast address are nobody's (RFC 919, RFC 4291 §2.6.1); of a range, and of a
 * prefix of a pair or one, all are used.
 */
function isUsable(range: AddressRange, address: IpAddress): boolean {
  const bits = prefixLength(range)
  const bytes = range.start.length
  if (bits < 0 || bits >= 8 * bytes - 1) return true
  if (compareBytes(address, range.start) === 0) return false
  return bytes === 16 || compareBytes(address, range.end) !== 0
}

function successor(address: IpAddress): IpAddress {
  const next = address.slice()
  for (let at = next.length - 1; at >= 0; at--) {
    next[at] = next[at]! + 1
    if (next[at] !== 0) break
  }
  return next
}
