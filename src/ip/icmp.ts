import { readU16, writeU16, writeU32 } from '../bytes/index.ts'
import type { IpAddress } from './address.ts'
import { buildIcmp, buildIcmpEcho } from './build.ts'
import { FlowStatus, Fragment, newPacketFlow, parseFlow } from './flow.ts'
import { ipv4HeaderBytes } from './header.ts'
import { isIcmpError } from './icmp-error.ts'
import { IpProtocol, isIcmp } from './protocol.ts'

/**
 * The answer of a host that is pinged with `packet`: a fresh echo reply, or undefined when `packet` is not a whole ICMP or
 * ICMPv6 echo request. Checksums of the request are not verified. RFC 792, RFC 4443 §4.2.
 */
export function answerIcmpEcho(packet: Uint8Array): Uint8Array | undefined {
  const flow = newPacketFlow()
  if (parseFlow(packet, 0, packet.length, flow) !== FlowStatus.OK) return undefined
  const at = flow.transportOffset
  const echo = flow.protocol === IpProtocol.ICMP ? 8 << 8 : 128 << 8
  const isRequest = isIcmp(flow.protocol) && flow.portsKnown && flow.sourcePort === echo
  if (!isRequest || flow.fragment !== Fragment.NONE || at + 8 > flow.totalLength) return undefined
  return buildIcmpEcho('reply', {
    source: flow.destination.slice(0, flow.addressBytes),
    destination: flow.source.slice(0, flow.addressBytes),
    identifier: readU16(packet, at + 4),
    sequence: readU16(packet, at + 6),
    data: packet.slice(at + 8, flow.totalLength),
  })
}

/**
 * A fresh ICMP "fragmentation needed" (RFC 1191 §4) or ICMPv6 "packet too big" (RFC 4443 §3.2) for the sender of the IP
 * packet at `packet[offset, offset + length)`, from the router address `from` of the same family. `mtu` in octets.
 * Undefined when no error may be sent about the packet: malformed, a later fragment, an ICMP error itself, a source
 * that is not a single host, as `from` must be one, or with IPv4 a destination that is not (RFC 1122 §3.2.2, RFC 4443 §2.4).
 */
export function buildPacketTooBig(
  packet: Uint8Array,
  offset: number,
  length: number,
  mtu: number,
  from: IpAddress,
): Uint8Array | undefined {
  const flow = newPacketFlow()
  if (parseFlow(packet, offset, length, flow) !== FlowStatus.OK || from.length !== flow.addressBytes) return undefined
  const source = flow.source.slice(0, flow.addressBytes)
  if (flow.fragment === Fragment.LATER || isIcmpError(flow.protocol, flow.sourcePort >>> 8)) return undefined
  if (!isSingleHost(source) || !isSingleHost(from)) return undefined
  if (flow.family === 4 && !isSingleHost(flow.destination.subarray(0, 4))) return undefined
  // IPv4: the header and 8 octets are asked for, 576 in all allowed (RFC 1812 §4.3.2.3). IPv6: up to the minimum MTU.
  const room = flow.family === 4 ? 576 - ipv4HeaderBytes(packet, offset) - 28 : 1280 - 48
  const quoted = packet.subarray(offset, offset + Math.min(flow.totalLength, room))
  const message = new Uint8Array(8 + quoted.length)
  if (flow.family === 4) {
    message[0] = 3
    message[1] = 4
    writeU16(message, 6, mtu)
  } else {
    message[0] = 2
    writeU32(message, 4, mtu)
  }
  message.set(quoted, 8)
  return buildIcmp({ source: from, destination: source }, message)
}

function isSingleHost(address: IpAddress): boolean {
  const first = address[0]!
  if (address.length === 4) return first !== 0 && first !== 127 && first < 224
  return first !== 0xff && address.some((octet) => octet !== 0)
}
