import { readU16, writeU16 } from '../bytes/index.ts'
import { updateChecksum } from './checksum.ts'
import { ipVersion } from './header.ts'

/** Writes DSCP and ECN into the header of the IP packet at `buffer[offset]`; an IPv4 header's checksum follows. RFC 1624. */
export function writeTrafficClass(buffer: Uint8Array, offset: number, value: number): void {
  const before = readU16(buffer, offset)
  const isIpv4 = ipVersion(buffer, offset) === 4
  const after = isIpv4 ? (before & 0xff00) | value : (before & 0xf00f) | (value << 4)
  if (after === before) return
  writeU16(buffer, offset, after)
  if (isIpv4) writeU16(buffer, offset + 10, updateChecksum(readU16(buffer, offset + 10), before, after))
}

/** The flow label of an IPv6 header, 20 bits. RFC 6437. */
export function flowLabel(buffer: Uint8Array, offset: number): number {
  return ((buffer[offset + 1]! & 0x0f) << 16) | readU16(buffer, offset + 2)
}

/** What the first octets of an IPv6 header say but their version: traffic class and flow label. */
export function writeIpv6Start(buffer: Uint8Array, offset: number, trafficClass: number, label: number): void {
  writeU16(buffer, offset, 0x6000 | (trafficClass << 4) | (label >>> 16))
  writeU16(buffer, offset + 2, label & 0xffff)
}
