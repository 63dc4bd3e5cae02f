import type { SocketAddress } from '../ip/address.ts'

/** Source addresses can be forged: a full table is emptied, which costs the honest peers one object each. */
const maxEntries = 4096

interface Entry {
  readonly record: SocketAddress
  /** IPv6's zone (`sin6_scope_id`), 0 for none. */
  readonly scope: number
}

/** One frozen record for each peer, instead of one for each datagram. */
export class RemoteRecords {
  readonly #bytes: number
  readonly #entries = new Map<number, Entry>()
  /** Most traffic has one peer: its record is compared before any hashing. */
  #last: Entry

  /** `bytes` of an address: 4 or 16. */
  constructor(bytes: number) {
    this.#bytes = bytes
    this.#last = { record: { address: new Uint8Array(bytes), port: 0 }, scope: 0 }
  }

  /** The record of the address at `octets[at]`. */
  of(octets: Uint8Array, at: number, port: number, scope: number): SocketAddress {
    if (this.#is(this.#last, octets, at, port, scope)) return this.#last.record
    const key = hashOf(octets, at, this.#bytes, port)
    let entry = this.#entries.get(key)
    // Two peers with one hash share a slot, and cost an object each time.
    if (entry === undefined || !this.#is(entry, octets, at, port, scope)) {
      if (this.#entries.size >= maxEntries) this.#entries.clear()
      const address = octets.slice(at, at + this.#bytes)
      entry = { record: Object.freeze({ address, port }), scope }
      this.#entries.set(key, entry)
    }
    this.#last = entry
    return entry.record
  }

  /** The zone that this peer was heard in, 0 for none: a link-local peer is answered through the interface it was heard on. */
  scopeOf({ address, port }: SocketAddress): number {
    const entry = this.#entries.get(hashOf(address, 0, this.#bytes, port))
    return entry !== undefined && this.#is(entry, address, 0, port, entry.scope) ? entry.scope : 0
  }

  #is({ record, scope }: Entry, octets: Uint8Array, at: number, port: number, wanted: number): boolean {
    if (record.port !== port || scope !== wanted) return false
    for (let i = 0; i < this.#bytes; i++) if (record.address[i] !== octets[at + i]) return false
    return true
  }
}

/** FNV-1a. */
function hashOf(octets: Uint8Array, at: number, bytes: number, port: number): number {
  let hash = Math.imul(0x811c9dc5 ^ port, 0x01000193)
  for (let i = 0; i < bytes; i++) hash = Math.imul(hash ^ octets[at + i]!, 0x01000193)
  return hash
}
