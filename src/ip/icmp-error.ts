import { readU16, readU32 } from '../bytes/index.ts'
import { FlowStatus, newPacketFlow, type PacketFlow, parseQuotedFlow } from './flow.ts'
import { ipVersion, ipv4TotalLength, ipv6TotalLength } from './header.ts'
import { IpProtocol } from './protocol.ts'

/** An ICMP or ICMPv6 error, filled by `parseIcmpError` again and again. Unspecified unless that returned true. */
export interface IcmpError {
  /** IPv4's "fragmentation needed", IPv6's "packet too big". */
  isTooBig: boolean
  /** What the next link takes, in octets; 0 where an old router does not say (RFC 1191 §5) and for other errors. */
  mtu: number
  /** The packet that it is about, as far as it is quoted. */
  readonly quoted: PacketFlow
  /** Octets of that packet by its own header. */
  quotedTotal: number
  /** Where the quotation ends, from the start of the buffer. */
  quotedEnd: number
}

/** A record to fill. Make one and keep it. */
export const newIcmpError = (): IcmpError => ({
  isTooBig: false,
  mtu: 0,
  quoted: newPacketFlow(),
  quotedTotal: 0,
  quotedEnd: 0,
})

const ICMP_HEADER_BYTES = 8

/**
 * Reads the ICMP (`protocol` 1) or ICMPv6 (58) message at `buffer[offset, offset + length)`, which begins with its type. False when it
 * is no error, or quotes no IP packet of its family. Checksums are not looked at. Never throws, for any octets. RFC 792, RFC 4443.
 */
export function parseIcmpError(
  buffer: Uint8Array,
  offset: number,
  length: number,
  protocol: number,
  error: IcmpError,
): boolean {
  if (offset < 0 || length < ICMP_HEADER_BYTES || offset + length > buffer.length) return false
  const type = buffer[offset]!
  if (!isIcmpError(protocol, type)) return false
  const isV6 = protocol === IpProtocol.ICMPV6
  const at = offset + ICMP_HEADER_BYTES
  if (parseQuotedFlow(buffer, at, length - ICMP_HEADER_BYTES, error.quoted) !== FlowStatus.OK) return false
  if (ipVersion(buffer, at) !== (isV6 ? 6 : 4)) return false
  error.isTooBig = isV6 ? type === 2 : type === 3 && buffer[offset + 1] === 4
  error.mtu = 0
  if (error.isTooBig) error.mtu = isV6 ? readU32(buffer, offset + 4) : readU16(buffer, offset + 6)
  error.quotedTotal = isV6 ? ipv6TotalLength(buffer, at) : ipv4TotalLength(buffer, at)
  error.quotedEnd = at + error.quoted.totalLength
  return true
}

/** True for the messages that tell of a packet that did not arrive, and quote it. RFC 1122 §3.2.2, RFC 4443 §2.1. */
export function isIcmpError(protocol: number, type: number): boolean {
  if (protocol === IpProtocol.ICMPV6) return type < 128
  return protocol === IpProtocol.ICMP && (type === 3 || type === 4 || type === 5 || type === 11 || type === 12)
}

/** Turns a flow round: what goes back along it. ICMP's type and code stay in both ports. */
export function reverseFlow(flow: PacketFlow): void {
  for (let i = 0; i < flow.addressBytes; i++) {
    const octet = flow.source[i]!
    flow.source[i] = flow.destination[i]!
    flow.destination[i] = octet
  }
  const port = flow.sourcePort
  flow.sourcePort = flow.destinationPort
  flow.destinationPort = port
}
