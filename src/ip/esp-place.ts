import { MAX_EXTENSION_HEADERS } from './flow.ts'
import { IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, ipv4HeaderBytes, ipv4Protocol, ipv6NextHeader } from './header.ts'
import { IpProtocol } from './protocol.ts'

/** Where ESP goes in a packet in transport mode. */
export interface EspPlace {
  /** Where the octets begin that ESP protects, from the start of the buffer. */
  at: number
  /** What they begin with. */
  nextHeader: number
  /** Octets of IPv4 options or IPv6 extension headers in front of it. */
  optionBytes: number
  /** IPv6: the first of those headers; ESP when there is none. */
  firstHeader: number
  /** A routing header is among them. */
  isRouted: boolean
}

/** A record to fill. Make one and keep it. */
export const newEspPlace = (): EspPlace => ({
  at: 0,
  nextHeader: 0,
  optionBytes: 0,
  firstHeader: IpProtocol.ESP,
  isRouted: false,
})

/**
 * Finds where ESP goes in the whole packet at `buffer[offset]`, which `parseFlow` took and which is no fragment: behind IPv4 options;
 * behind IPv6 hop-by-hop and routing headers and destination options that stand before a routing header; in front of other
 * destination options. RFC 4303 §3.1.1.
 */
export function findEspPlace(buffer: Uint8Array, offset: number, place: EspPlace): void {
  place.isRouted = false
  if (buffer[offset]! >>> 4 === 4) {
    const headerBytes = ipv4HeaderBytes(buffer, offset)
    place.at = offset + headerBytes
    place.nextHeader = ipv4Protocol(buffer, offset)
    place.optionBytes = headerBytes - IPV4_HEADER_BYTES
    place.firstHeader = IpProtocol.ESP
    return
  }
  const start = offset + IPV6_HEADER_BYTES
  let at = start
  let header = ipv6NextHeader(buffer, offset)
  place.at = start
  place.nextHeader = header
  for (let walked = 0; isOptions(header) && walked < MAX_EXTENSION_HEADERS; walked++) {
    const next = at + 8 + buffer[at + 1]! * 8
    const isRouting = header === IpProtocol.ROUTING
    const isHopByHop = header === IpProtocol.HOP_BY_HOP
    header = buffer[at]!
    at = next
    if (isRouting) place.isRouted = true
    if (!isRouting && !isHopByHop) continue
    // Destination options that were passed over on the way here stand before a routing header.
    place.at = at
    place.nextHeader = header
  }
  place.optionBytes = place.at - start
  place.firstHeader = place.optionBytes === 0 ? IpProtocol.ESP : ipv6NextHeader(buffer, offset)
}

/**
 * Where the next header field of the last of the extension headers stands that begin with `firstHeader` at `buffer[at]` and take
 * exactly `bytes` octets; -1 when they do not, or when another header is among them.
 */
export function lastNextHeaderField(buffer: Uint8Array, at: number, bytes: number, firstHeader: number): number {
  const end = at + bytes
  let from = at
  let header = firstHeader
  let field = -1
  for (let walked = 0; from < end; walked++) {
    if (!isOptions(header) || walked === MAX_EXTENSION_HEADERS || from + 8 > end) return -1
    field = from
    header = buffer[from]!
    from += 8 + buffer[from + 1]! * 8
  }
  return from === end ? field : -1
}

const isOptions = (header: number): boolean =>
  header === IpProtocol.HOP_BY_HOP || header === IpProtocol.ROUTING || header === IpProtocol.DESTINATION_OPTIONS
