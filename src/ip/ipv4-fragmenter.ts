import { writeU16 } from '../bytes/index.ts'
import { checksum } from './checksum.ts'
import { IPV4_HEADER_BYTES, ipv4FragmentOffset, ipv4HeaderBytes, ipv4MoreFragments, ipv4TotalLength } from './header.ts'

const OPTION_END = 0
const OPTION_NOP = 1
/** Options with this bit go into every fragment. RFC 791 §3.1. */
const COPIED = 0x80
const MOST_PACKET_BYTES = 65_535

/**
 * Cuts an IPv4 packet into fragments, one after the other. A fragment may be cut again. The packet is borrowed between `begin` and
 * the last `next`. No allocation. RFC 791 §3.2.
 */
export class Ipv4Fragmenter {
  #packet: Uint8Array = new Uint8Array(0)
  #offset = 0
  #mtu = 0
  /** Octets of data that are cut off already, and in all. */
  #done = 0
  #total = 0
  /** The header of the fragments behind the first. */
  readonly #laterHeader = new Uint8Array(60)
  #laterBytes = 0

  /**
   * Takes the packet at `packet[offset]`, whole and well-formed, for fragments of at most `mtu` octets. False when it must not or
   * cannot be cut: DF is set, there is no room for eight octets behind the header, or it is a fragment of more than an IPv4 packet
   * may have, whose place would begin again at 0.
   */
  begin(packet: Uint8Array, offset: number, mtu: number): boolean {
    const headerBytes = ipv4HeaderBytes(packet, offset)
    if ((packet[offset + 6]! & 0x40) !== 0 || mtu < headerBytes + 8) return false
    this.#packet = packet
    this.#offset = offset
    this.#mtu = mtu
    this.#done = 0
    this.#total = ipv4TotalLength(packet, offset) - headerBytes
    if (ipv4FragmentOffset(packet, offset) + headerBytes + this.#total > MOST_PACKET_BYTES) return false
    this.#laterBytes = this.#makeLaterHeader(headerBytes)
    return true
  }

  /** Writes the next fragment at `out[at]` and returns its octets, 0 when there is none any more. `out` has room for `mtu` octets. */
  next(out: Uint8Array, at: number): number {
    const isFirst = this.#done === 0
    const left = this.#total - this.#done
    if (left === 0) return 0
    const packet = this.#packet
    const inHeader = ipv4HeaderBytes(packet, this.#offset)
    const headerBytes = isFirst ? inHeader : this.#laterBytes
    const room = this.#mtu - headerBytes
    const bytes = left <= room ? left : room & ~7
    const isLast = bytes === left
    if (isFirst) copy(packet, this.#offset, out, at, headerBytes)
    else copy(this.#laterHeader, 0, out, at, headerBytes)
    copy(packet, this.#offset + inHeader + this.#done, out, at + headerBytes, bytes)
    const place = (ipv4FragmentOffset(packet, this.#offset) + this.#done) >>> 3
    const more = !isLast || ipv4MoreFragments(packet, this.#offset)
    writeU16(out, at + 2, headerBytes + bytes)
    writeU16(out, at + 6, (more ? 0x2000 : 0) | place)
    writeU16(out, at + 10, 0)
    writeU16(out, at + 10, checksum(out, at, headerBytes))
    this.#done += bytes
    return headerBytes + bytes
  }

  #makeLaterHeader(headerBytes: number): number {
    const header = this.#laterHeader
    copy(this.#packet, this.#offset, header, 0, IPV4_HEADER_BYTES)
    const from = this.#offset
    let to = IPV4_HEADER_BYTES
    let at = IPV4_HEADER_BYTES
    while (at < headerBytes) {
      const kind = this.#packet[from + at]!
      if (kind === OPTION_END) break
      const bytes = kind === OPTION_NOP ? 1 : at + 1 < headerBytes ? this.#packet[from + at + 1]! : 0
      // What cannot be read is left to the first fragment.
      if (bytes < 1 || (kind !== OPTION_NOP && bytes < 2) || at + bytes > headerBytes) break
      if ((kind & COPIED) !== 0) {
        copy(this.#packet, from + at, header, to, bytes)
        to += bytes
      }
      at += bytes
    }
    while ((to & 3) !== 0) header[to++] = OPTION_END
    header[0] = 0x40 | (to >>> 2)
    return to
  }
}

// A loop, because `set(subarray)` would make an object.
function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to[toAt + i] = from[fromAt + i]!
}
