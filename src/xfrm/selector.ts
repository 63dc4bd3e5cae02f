import { containsAddress, intersectRanges, type PacketFlow } from '../ip/index.ts'
import type { AddressRange, PortRange, XfrmSelector } from './port.ts'

/** True when the packet is one of those that the selector names. No allocation. RFC 4301 §4.4.1.1. */
export function matchesSelector(selector: XfrmSelector, flow: PacketFlow): boolean {
  return (
    (selector.protocol === 0 || selector.protocol === flow.protocol) &&
    containsAddress(selector.source, flow.source, flow.addressBytes) &&
    containsAddress(selector.destination, flow.destination, flow.addressBytes) &&
    matchesPort(selector.sourcePort, flow.portsKnown, flow.sourcePort) &&
    matchesPort(selector.destinationPort, flow.portsKnown, flow.destinationPort)
  )
}

/** True when the addresses of a packet can be in both selectors; protocols and ports are not looked at. */
export function overlaps(a: XfrmSelector, b: XfrmSelector): boolean {
  return (
    intersectRanges(a.source, b.source) !== undefined && intersectRanges(a.destination, b.destination) !== undefined
  )
}

/** The selector that names just this packet's flow; ports that are not in the packet become any. Copied. */
export function selectorOfFlow(flow: PacketFlow): XfrmSelector {
  return {
    source: singleAddress(flow.source.slice(0, flow.addressBytes)),
    destination: singleAddress(flow.destination.slice(0, flow.addressBytes)),
    protocol: flow.protocol,
    sourcePort: singlePort(flow.portsKnown, flow.sourcePort),
    destinationPort: singlePort(flow.portsKnown, flow.destinationPort),
  }
}

/** True for 0 to 65535, which also takes packets whose ports cannot be known (later fragments, protocols without ports). */
export function isAnyPort(range: PortRange): boolean {
  return range.first === 0 && range.last === 65535
}

function matchesPort(range: PortRange, known: boolean, port: number): boolean {
  if (isAnyPort(range)) return true
  // 65535 to 0 is OPAQUE: only packets without ports. RFC 7296 §3.13.1.
  if (range.first > range.last) return !known
  return known && port >= range.first && port <= range.last
}

function singleAddress(address: Uint8Array): AddressRange {
  return { start: address, end: address }
}

function singlePort(known: boolean, port: number): PortRange {
  return known ? { first: port, last: port } : { first: 0, last: 65535 }
}
