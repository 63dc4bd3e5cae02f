import { readU16 } from '../bytes/index.ts'

/**
 * Fields of an IPv4 (RFC 791) or IPv6 (RFC 8200) header that starts at `buffer[offset]`, as plain numbers. The caller has
 * checked that the fixed header is there (20 or 40 octets); `parseFlow` does so for untrusted packets.
 */

/** Octets of an IPv4 header without options. */
export const IPV4_HEADER_BYTES = 20
/** Octets of the fixed IPv6 header. */
export const IPV6_HEADER_BYTES = 40

/** The version field: 4, 6, or whatever the octet says. */
export function ipVersion(buffer: Uint8Array, offset: number): number {
  return buffer[offset]! >>> 4
}

/** Octets of the IPv4 header with its options: 0 to 60, below 20 is malformed. */
export function ipv4HeaderBytes(buffer: Uint8Array, offset: number): number {
  return (buffer[offset]! & 0x0f) * 4
}

/** Octets of the IPv4 packet, header included. */
export function ipv4TotalLength(buffer: Uint8Array, offset: number): number {
  return readU16(buffer, offset + 2)
}

export function ipv4Protocol(buffer: Uint8Array, offset: number): number {
  return buffer[offset + 9]!
}

/** The DF bit. */
export function ipv4DontFragment(buffer: Uint8Array, offset: number): boolean {
  return (buffer[offset + 6]! & 0x40) !== 0
}

/** The MF bit. */
export function ipv4MoreFragments(buffer: Uint8Array, offset: number): boolean {
  return (buffer[offset + 6]! & 0x20) !== 0
}

/** Where this fragment belongs in the datagram, in octets (a multiple of 8). */
export function ipv4FragmentOffset(buffer: Uint8Array, offset: number): number {
  return (readU16(buffer, offset + 6) & 0x1fff) * 8
}

/** Octets of the IPv6 packet, fixed header included. 40 for a jumbogram (RFC 2675), which is not supported. */
export function ipv6TotalLength(buffer: Uint8Array, offset: number): number {
  return IPV6_HEADER_BYTES + readU16(buffer, offset + 4)
}

/** The next header field of the fixed header, which may name an extension header. */
export function ipv6NextHeader(buffer: Uint8Array, offset: number): number {
  return buffer[offset + 6]!
}

/** The IPv4 type of service or IPv6 traffic class octet: DSCP in the upper 6 bits, ECN in the lower 2. */
export function trafficClass(buffer: Uint8Array, offset: number): number {
  if (ipVersion(buffer, offset) === 4) return buffer[offset + 1]!
  return (readU16(buffer, offset) >>> 4) & 0xff
}

/** IPv4 time to live or IPv6 hop limit. */
export function hopLimit(buffer: Uint8Array, offset: number): number {
  return buffer[offset + (ipVersion(buffer, offset) === 4 ? 8 : 7)]!
}

/**
 * Octets of the IP packet that starts at `buffer[offset]`, by its own header, when it is whole within `length` octets;
 * -1 when it is not, or is neither IPv4 nor IPv6. What stands behind it is padding of the link (or TFC padding of ESP).
 * Never throws.
 */
export function packetLength(buffer: Uint8Array, offset: number, length: number): number {
  if (offset < 0 || length < IPV4_HEADER_BYTES || offset + length > buffer.length) return -1
  const version = ipVersion(buffer, offset)
  if (version === 4) {
    const headerBytes = ipv4HeaderBytes(buffer, offset)
    const total = ipv4TotalLength(buffer, offset)
    return headerBytes >= IPV4_HEADER_BYTES && total >= headerBytes && total <= length ? total : -1
  }
  if (version !== 6 || length < IPV6_HEADER_BYTES) return -1
  const total = ipv6TotalLength(buffer, offset)
  return total <= length ? total : -1
}
