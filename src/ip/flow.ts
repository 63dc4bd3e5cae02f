import { readU16, readU32 } from '../bytes/index.ts'
import {
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  ipVersion,
  ipv4FragmentOffset,
  ipv4HeaderBytes,
  ipv4MoreFragments,
  ipv4Protocol,
  ipv4TotalLength,
  ipv6NextHeader,
  ipv6TotalLength,
} from './header.ts'
import { hasPorts, IpProtocol, isIcmp } from './protocol.ts'

/** What `parseFlow` found. Everything but `OK` means: drop the packet. */
export const FlowStatus = {
  OK: 0,
  /** The packet ends before a header, or before its own length field says. */
  TRUNCATED: 1,
  /** Neither IPv4 nor IPv6. */
  BAD_VERSION: 2,
  /** A length field contradicts itself. */
  BAD_HEADER: 3,
  /** More than `MAX_EXTENSION_HEADERS` IPv6 extension headers. */
  TOO_MANY_EXTENSIONS: 4,
} as const

/** Whether the packet is a fragment, and which. Only `LATER` ones lack the transport header. */
export const Fragment = { NONE: 0, FIRST: 1, LATER: 2 } as const

/** IPv6 extension headers that are walked at most; a sane packet has two or three. */
export const MAX_EXTENSION_HEADERS = 8

/** The selectors of one packet (RFC 4301 §4.4.1.1), filled by `parseFlow` again and again. Unspecified unless it returned `OK`. */
export interface PacketFlow {
  /** 4 or 6. */
  family: number
  /** Octets of each address: 4 or 16. */
  addressBytes: number
  /** 16 octets, of which the first `addressBytes` are the address; owned by this record. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
  /** The next layer protocol, behind IPv6 hop-by-hop, routing, fragment and destination options headers. */
  protocol: number
  /** True when the ports (or ICMP type and code, or mobility header type) were in the packet. False means OPAQUE: any-port selectors only. */
  portsKnown: boolean
  /** Ports of TCP, UDP, SCTP, DCCP; 0 unless `portsKnown`. ICMP: type<<8|code in both (RFC 7296 §3.13.1); mobility: type<<8 in both. */
  sourcePort: number
  destinationPort: number
  /** A `Fragment` value. */
  fragment: number
  /** What a fragment has in common with the others of its packet; 0 when it is none. */
  identification: number
  /** Where the transport header (or the fragment's data) begins in the buffer. */
  transportOffset: number
  /** Octets of the packet by its own header; never more than were given. */
  totalLength: number
}

/** A record to fill. Make one and keep it. */
export function newPacketFlow(): PacketFlow {
  return {
    family: 0,
    addressBytes: 0,
    source: new Uint8Array(16),
    destination: new Uint8Array(16),
    protocol: 0,
    portsKnown: false,
    sourcePort: 0,
    destinationPort: 0,
    fragment: Fragment.NONE,
    identification: 0,
    transportOffset: 0,
    totalLength: 0,
  }
}

/**
 * Reads the selectors of the IP packet at `buffer[offset, offset + length)` into `flow`. Octets behind the packet's own
 * length are ignored; the header checksum is not looked at. Returns a `FlowStatus`; never throws, for any octets.
 */
export function parseFlow(buffer: Uint8Array, offset: number, length: number, flow: PacketFlow): number {
  return parse(buffer, offset, length, flow, false)
}

/**
 * The same for the beginning of a packet, as an ICMP error quotes it: it may end before its own length field says. Then
 * `totalLength` is what is there.
 */
export function parseQuotedFlow(buffer: Uint8Array, offset: number, length: number, flow: PacketFlow): number {
  return parse(buffer, offset, length, flow, true)
}

function parse(buffer: Uint8Array, offset: number, length: number, flow: PacketFlow, quoted: boolean): number {
  if (offset < 0 || length < 1 || offset + length > buffer.length) return FlowStatus.TRUNCATED
  const version = ipVersion(buffer, offset)
  if (version === 4) return parseIpv4(buffer, offset, length, flow, quoted)
  if (version === 6) return parseIpv6(buffer, offset, length, flow, quoted)
  return FlowStatus.BAD_VERSION
}

function parseIpv4(buffer: Uint8Array, offset: number, length: number, flow: PacketFlow, quoted: boolean): number {
  if (length < IPV4_HEADER_BYTES) return FlowStatus.TRUNCATED
  const headerBytes = ipv4HeaderBytes(buffer, offset)
  const own = ipv4TotalLength(buffer, offset)
  if (headerBytes < IPV4_HEADER_BYTES || own < headerBytes) return FlowStatus.BAD_HEADER
  if (headerBytes > length || (own > length && !quoted)) return FlowStatus.TRUNCATED
  const total = Math.min(own, length)
  flow.family = 4
  flow.addressBytes = 4
  flow.totalLength = total
  copyAddress(buffer, offset + 12, 4, flow.source)
  copyAddress(buffer, offset + 16, 4, flow.destination)
  flow.protocol = ipv4Protocol(buffer, offset)
  if (ipv4FragmentOffset(buffer, offset) !== 0) flow.fragment = Fragment.LATER
  else flow.fragment = ipv4MoreFragments(buffer, offset) ? Fragment.FIRST : Fragment.NONE
  flow.identification = flow.fragment === Fragment.NONE ? 0 : readU16(buffer, offset + 4)
  flow.transportOffset = offset + headerBytes
  readPorts(buffer, offset + total, flow)
  return FlowStatus.OK
}

function parseIpv6(buffer: Uint8Array, offset: number, length: number, flow: PacketFlow, quoted: boolean): number {
  if (length < IPV6_HEADER_BYTES) return FlowStatus.TRUNCATED
  const own = ipv6TotalLength(buffer, offset)
  if (own > length && !quoted) return FlowStatus.TRUNCATED
  const total = Math.min(own, length)
  flow.family = 6
  flow.addressBytes = 16
  flow.totalLength = total
  copyAddress(buffer, offset + 8, 16, flow.source)
  copyAddress(buffer, offset + 24, 16, flow.destination)
  flow.protocol = ipv6NextHeader(buffer, offset)
  flow.fragment = Fragment.NONE
  flow.identification = 0
  flow.transportOffset = offset + IPV6_HEADER_BYTES
  const status = walkExtensions(buffer, offset + total, flow)
  if (status === FlowStatus.OK) readPorts(buffer, offset + total, flow)
  return status
}

// The default list of RFC 4301 §4.4.1.1. ESP and AH inside are protocols of their own, not headers to look behind.
function isExtension(protocol: number): boolean {
  return (
    protocol === IpProtocol.HOP_BY_HOP ||
    protocol === IpProtocol.ROUTING ||
    protocol === IpProtocol.FRAGMENT ||
    protocol === IpProtocol.DESTINATION_OPTIONS
  )
}

/** Moves `flow.protocol` and `flow.transportOffset` behind the extension headers. What follows a later fragment's header is data. */
function walkExtensions(buffer: Uint8Array, end: number, flow: PacketFlow): number {
  for (let walked = 0; isExtension(flow.protocol) && flow.fragment !== Fragment.LATER; walked++) {
    if (walked === MAX_EXTENSION_HEADERS) return FlowStatus.TOO_MANY_EXTENSIONS
    const at = flow.transportOffset
    if (at + 8 > end) return FlowStatus.TRUNCATED
    let bytes = 8
    if (flow.protocol !== IpProtocol.FRAGMENT) bytes += buffer[at + 1]! * 8
    else if ((readU16(buffer, at + 2) & 0xfff8) !== 0) flow.fragment = Fragment.LATER
    else if ((buffer[at + 3]! & 1) !== 0) flow.fragment = Fragment.FIRST
    // An atomic fragment (RFC 6946) is a whole packet.
    if (flow.protocol === IpProtocol.FRAGMENT && flow.fragment !== Fragment.NONE)
      flow.identification = readU32(buffer, at + 4)
    if (at + bytes > end) return FlowStatus.TRUNCATED
    flow.protocol = buffer[at]!
    flow.transportOffset = at + bytes
  }
  return FlowStatus.OK
}

function readPorts(buffer: Uint8Array, end: number, flow: PacketFlow): void {
  const at = flow.transportOffset
  flow.portsKnown = false
  flow.sourcePort = 0
  flow.destinationPort = 0
  if (flow.fragment === Fragment.LATER || at + 4 > end) return
  if (hasPorts(flow.protocol)) {
    flow.sourcePort = readU16(buffer, at)
    flow.destinationPort = readU16(buffer, at + 2)
  } else if (isIcmp(flow.protocol)) {
    flow.sourcePort = readU16(buffer, at)
    flow.destinationPort = flow.sourcePort
  } else if (flow.protocol === IpProtocol.MOBILITY) {
    flow.sourcePort = buffer[at + 2]! << 8
    flow.destinationPort = flow.sourcePort
  } else return
  flow.portsKnown = true
}

// A loop, because `set(subarray)` would make an object for each packet.
function copyAddress(buffer: Uint8Array, at: number, bytes: number, to: Uint8Array): void {
  for (let i = 0; i < bytes; i++) to[i] = buffer[at + i]!
}
