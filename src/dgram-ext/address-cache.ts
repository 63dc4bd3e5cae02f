import { equalBytes } from '../bytes/index.ts'
import { formatIp, type IpAddress, parseIp, type SocketAddress } from '../ip/address.ts'

/**
 * Entries kept in each direction. Source addresses can be forged, so the caches are bounded: a full one is emptied, which
 * costs the honest peers one conversion each.
 */
const maxEntries = 4096

interface TextEntry {
  readonly address: IpAddress
  readonly text: string
}

/**
 * Converts between the address texts of node:dgram and octets, once for each peer instead of once for each datagram.
 * Records that `remoteOf` returns are shared and never change.
 */
export class AddressCache {
  readonly #remotes = new Map<string, Map<number, SocketAddress>>()
  #remoteCount = 0
  readonly #texts = new Map<number, TextEntry>()
  /** Most traffic has one peer: its last record is compared before any hashing. */
  #lastText = ''
  #lastRemote: SocketAddress = { address: new Uint8Array(4), port: 0 }
  #lastEntry: TextEntry = { address: new Uint8Array(4), text: '0.0.0.0' }

  /** The record for an address text (perhaps with an IPv6 zone, `fe80::1%eth0`) and port, as in dgram's `rinfo`. */
  remoteOf(text: string, port: number): SocketAddress {
    if (port === this.#lastRemote.port && text === this.#lastText) return this.#lastRemote
    const remote = this.#remotes.get(text)?.get(port) ?? this.#addRemote(text, port)
    this.#lastText = text
    this.#lastRemote = remote
    return remote
  }

  /** The text of an address, for dgram's `send`. Compares octets: a caller may reuse its array for another address. */
  textOf(address: IpAddress): string {
    if (equalBytes(address, this.#lastEntry.address)) return this.#lastEntry.text
    const key = hashOf(address)
    let entry = this.#texts.get(key)
    if (entry === undefined || !equalBytes(address, entry.address)) {
      entry = this.#addText(key, address, formatIp(address))
    }
    this.#lastEntry = entry
    return entry.text
  }

  #addRemote(text: string, port: number): SocketAddress {
    if (this.#remoteCount >= maxEntries) {
      this.#remotes.clear()
      this.#remoteCount = 0
    }
    const zone = text.indexOf('%')
    const address = parseIp(zone < 0 ? text : text.slice(0, zone))
    // A link-local peer can only be answered through the interface it was heard on: its text keeps the zone.
    if (zone >= 0) this.#lastEntry = this.#addText(hashOf(address), address, text)
    const remote = Object.freeze({ address, port })
    const ports = this.#remotes.get(text) ?? new Map<number, SocketAddress>()
    ports.set(port, remote)
    this.#remotes.set(text, ports)
    this.#remoteCount++
    return remote
  }

  #addText(key: number, address: IpAddress, text: string): TextEntry {
    if (this.#texts.size >= maxEntries) this.#texts.clear()
    const entry = { address: address.slice(), text }
    this.#texts.set(key, entry)
    return entry
  }
}

/** FNV-1a. Two addresses with one hash share a slot and cost a conversion, never a wrong answer. */
function hashOf(address: IpAddress): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address[i]!, 0x01000193)
  return hash
}
