import { concat, writeU16, writeU32 } from '../bytes/index.ts'
import type { IpAddress } from './address.ts'
import { checksum, transportChecksum } from './checksum.ts'
import { IPV4_HEADER_BYTES, IPV6_HEADER_BYTES } from './header.ts'
import { IpProtocol } from './protocol.ts'

/** Where a packet comes from and goes to: addresses of one family. */
export interface PacketAddresses {
  readonly source: IpAddress
  readonly destination: IpAddress
}

export interface IpPacketFields extends PacketAddresses {
  /** IPv4 protocol, or IPv6 next header: what `payload` begins with. */
  readonly protocol: number
  readonly payload: Uint8Array
  /** 64 by default. */
  readonly hopLimit?: number
  /** DSCP and ECN; 0 by default. */
  readonly trafficClass?: number
}

export interface Ipv4Fields extends IpPacketFields {
  /** 0 by default. */
  readonly identification?: number
  /** True by default. */
  readonly dontFragment?: boolean
  readonly moreFragments?: boolean
  /** In octets, a multiple of 8; 0 by default. */
  readonly fragmentOffset?: number
}

export interface IcmpEchoFields extends PacketAddresses {
  readonly identifier: number
  readonly sequence: number
  readonly data: Uint8Array
}

export interface UdpFields extends PacketAddresses {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly data: Uint8Array
}

/** A fresh IPv4 packet without options, header checksum set. RFC 791. */
export function buildIpv4(fields: Ipv4Fields): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER_BYTES + fields.payload.length)
  packet[0] = 0x45
  packet[1] = fields.trafficClass ?? 0
  writeU16(packet, 2, packet.length)
  writeU16(packet, 4, fields.identification ?? 0)
  const flags = ((fields.dontFragment ?? true) ? 0x4000 : 0) | (fields.moreFragments ? 0x2000 : 0)
  writeU16(packet, 6, flags | ((fields.fragmentOffset ?? 0) >>> 3))
  packet[8] = fields.hopLimit ?? 64
  packet[9] = fields.protocol
  packet.set(fields.source, 12)
  packet.set(fields.destination, 16)
  writeU16(packet, 10, checksum(packet, 0, IPV4_HEADER_BYTES))
  packet.set(fields.payload, IPV4_HEADER_BYTES)
  return packet
}

/** A fresh IPv6 packet; extension headers are part of the payload. RFC 8200. */
export function buildIpv6(fields: IpPacketFields): Uint8Array {
  const packet = new Uint8Array(IPV6_HEADER_BYTES + fields.payload.length)
  writeU32(packet, 0, 0x60000000 | ((fields.trafficClass ?? 0) << 20))
  writeU16(packet, 4, fields.payload.length)
  packet[6] = fields.protocol
  packet[7] = fields.hopLimit ?? 64
  packet.set(fields.source, 8)
  packet.set(fields.destination, 24)
  packet.set(fields.payload, IPV6_HEADER_BYTES)
  return packet
}

/** A fresh IPv4 or IPv6 packet, by the family of the addresses. */
export function buildIp(fields: IpPacketFields): Uint8Array {
  return fields.source.length === 4 ? buildIpv4(fields) : buildIpv6(fields)
}

/** A fresh IP packet with an ICMP (RFC 792) or ICMPv6 (RFC 4443) echo message, checksums set. */
export function buildIcmpEcho(kind: 'request' | 'reply', fields: IcmpEchoFields): Uint8Array {
  const v4 = fields.source.length === 4
  const header = new Uint8Array(8)
  if (v4) header[0] = kind === 'request' ? 8 : 0
  else header[0] = kind === 'request' ? 128 : 129
  writeU16(header, 4, fields.identifier)
  writeU16(header, 6, fields.sequence)
  return buildIcmp(fields, concat(header, fields.data))
}

/** A fresh IP packet with a UDP datagram (RFC 768), checksums set. */
export function buildUdp(fields: UdpFields): Uint8Array {
  const header = new Uint8Array(8)
  writeU16(header, 0, fields.sourcePort)
  writeU16(header, 2, fields.destinationPort)
  writeU16(header, 4, 8 + fields.data.length)
  const datagram = concat(header, fields.data)
  const sum = transportChecksum(fields.source, fields.destination, IpProtocol.UDP, datagram, 0, datagram.length)
  // 0 in the field would mean that there is no checksum.
  writeU16(datagram, 6, sum === 0 ? 0xffff : sum)
  return buildIp({
    source: fields.source,
    destination: fields.destination,
    protocol: IpProtocol.UDP,
    payload: datagram,
  })
}

/** A fresh IP packet around an ICMP or ICMPv6 message, whose checksum field (octets 2 and 3, zero on entry) is filled in place. */
export function buildIcmp(addresses: PacketAddresses, message: Uint8Array): Uint8Array {
  const { source, destination } = addresses
  if (source.length === 4) {
    writeU16(message, 2, checksum(message, 0, message.length))
    return buildIpv4({ source, destination, protocol: IpProtocol.ICMP, payload: message })
  }
  writeU16(message, 2, transportChecksum(source, destination, IpProtocol.ICMPV6, message, 0, message.length))
  return buildIpv6({ source, destination, protocol: IpProtocol.ICMPV6, payload: message })
}
