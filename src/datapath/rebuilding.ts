import { writeU16 } from '../bytes/index.ts'
import type { DecapResult } from '../esp/index.ts'
import {
  checksum,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  type IpAddress,
  IpProtocol,
  lastNextHeaderField,
  writeIpv6Start,
} from '../ip/index.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { readBeetHeaderBytes, readBeetOptionBytes } from './beet-header.ts'
import type { OuterFields } from './outer.ts'
import { HEADROOM, TAILROOM } from './room.ts'

const MOST_PACKET_BYTES = 65_535
const MOST_OPTION_BYTES = 40
const DEFAULT_HOP_LIMIT = 64

/**
 * Puts the IP header back in front of what came without one, in transport and BEET mode, in a buffer of its own. It holds the packet
 * until the next call.
 */
export class Rebuilding {
  /** Where the packet begins in `buffer`, the same always. */
  readonly offset = HEADROOM
  #buffer: Uint8Array | undefined
  #identification = 0

  /** Made with the first packet: most datapaths carry tunnels alone. */
  get buffer(): Uint8Array {
    this.#buffer ??= new Uint8Array(HEADROOM + MOST_PACKET_BYTES + IPV6_HEADER_BYTES + TAILROOM)
    return this.#buffer
  }

  /**
   * The packet of a state in transport mode, between the outer addresses, which are the state's: those of the datagram may be anybody's.
   * `packet` is the buffer of `opened`, and ESP began at `espAt`. Returns its octets, or -1 for what cannot stand in one.
   */
  transport(state: XfrmState, packet: Uint8Array, espAt: number, opened: DecapResult, outer: OuterFields): number {
    const { nextHeader, offset: at, length } = opened
    // They belong in front of ESP, and a fragment has no ESP of its own. RFC 4303 §3.1.1, §3.3.4.
    if (nextHeader === IpProtocol.FRAGMENT || nextHeader === IpProtocol.HOP_BY_HOP) return -1
    const { optionBytes } = outer
    if (espAt - optionBytes < 0) return -1
    const { buffer, offset } = this
    if (state.daddr.length === 4) {
      if (optionBytes > MOST_OPTION_BYTES || (optionBytes & 3) !== 0) return -1
      copy(packet, espAt - optionBytes, buffer, offset + IPV4_HEADER_BYTES, optionBytes)
      return this.#ipv4(state.saddr, state.daddr, optionBytes, nextHeader, packet, at, length, outer)
    }
    const start = offset + IPV6_HEADER_BYTES
    if (start + optionBytes + length > buffer.length) return -1
    copy(packet, espAt - optionBytes, buffer, start, optionBytes)
    const field = optionBytes === 0 ? 0 : lastNextHeaderField(buffer, start, optionBytes, outer.firstHeader)
    if (field < 0) return -1
    if (optionBytes > 0) buffer[field] = nextHeader
    const first = optionBytes > 0 ? outer.firstHeader : nextHeader
    return this.#ipv6(state.saddr, state.daddr, optionBytes, first, packet, at, length, outer)
  }

  /** The packet of a state in BEET mode, between the addresses of its selector. Returns its octets, or -1. */
  beet({ selector }: XfrmState, packet: Uint8Array, opened: DecapResult, outer: OuterFields): number {
    if (selector === undefined) return -1
    const { nextHeader, offset: at, length } = opened
    const source = selector.source.start
    const destination = selector.destination.start
    if (source.length === 16) return this.#ipv6(source, destination, 0, nextHeader, packet, at, length, outer)
    if (nextHeader !== IpProtocol.BEET) return this.#ipv4(source, destination, 0, nextHeader, packet, at, length, outer)
    const optionBytes = readBeetOptionBytes(packet, at, length)
    if (optionBytes < 0) return -1
    const bytes = readBeetHeaderBytes(packet, at)
    copy(packet, at + bytes - optionBytes, this.buffer, this.offset + IPV4_HEADER_BYTES, optionBytes)
    return this.#ipv4(source, destination, optionBytes, packet[at]!, packet, at + bytes, length - bytes, outer)
  }

  #ipv4(
    source: IpAddress,
    destination: IpAddress,
    optionBytes: number,
    protocol: number,
    packet: Uint8Array,
    at: number,
    length: number,
    outer: OuterFields,
  ): number {
    const headerBytes = IPV4_HEADER_BYTES + optionBytes
    const total = headerBytes + length
    if (total > MOST_PACKET_BYTES) return -1
    const { buffer, offset } = this
    const isKnown = outer.trafficClass >= 0
    buffer[offset] = 0x40 | (headerBytes >>> 2)
    buffer[offset + 1] = isKnown ? outer.trafficClass : 0
    writeU16(buffer, offset + 2, total)
    // RFC 6864 §4: it matters only where the packet may be fragmented.
    this.#identification = (this.#identification + 1) & 0xffff
    writeU16(buffer, offset + 4, this.#identification)
    writeU16(buffer, offset + 6, !isKnown || outer.dontFragment ? 0x4000 : 0)
    buffer[offset + 8] = outer.hopLimit > 0 ? outer.hopLimit : DEFAULT_HOP_LIMIT
    buffer[offset + 9] = protocol
    writeU16(buffer, offset + 10, 0)
    copy(source, 0, buffer, offset + 12, 4)
    copy(destination, 0, buffer, offset + 16, 4)
    writeU16(buffer, offset + 10, checksum(buffer, offset, headerBytes))
    copy(packet, at, buffer, offset + headerBytes, length)
    return total
  }

  #ipv6(
    source: IpAddress,
    destination: IpAddress,
    optionBytes: number,
    nextHeader: number,
    packet: Uint8Array,
    at: number,
    length: number,
    outer: OuterFields,
  ): number {
    const payload = optionBytes + length
    if (payload > MOST_PACKET_BYTES) return -1
    const { buffer, offset } = this
    writeIpv6Start(buffer, offset, Math.max(0, outer.trafficClass), outer.flowLabel)
    writeU16(buffer, offset + 4, payload)
    buffer[offset + 6] = nextHeader
    buffer[offset + 7] = outer.hopLimit > 0 ? outer.hopLimit : DEFAULT_HOP_LIMIT
    copy(source, 0, buffer, offset + 8, 16)
    copy(destination, 0, buffer, offset + 24, 16)
    copy(packet, at, buffer, offset + IPV6_HEADER_BYTES + optionBytes, length)
    return IPV6_HEADER_BYTES + payload
  }
}

// A loop, because `set(subarray)` would make an object for each packet.
function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to[toAt + i] = from[fromAt + i]!
}
