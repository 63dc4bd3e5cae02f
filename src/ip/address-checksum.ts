import { readU16, writeU16 } from '../bytes/index.ts'
import { addToChecksum, finishChecksum } from './checksum.ts'
import { Fragment, type PacketFlow } from './flow.ts'
import { IpProtocol } from './protocol.ts'

/**
 * Corrects the transport checksum of a packet whose addresses are not those that its sender summed: `flow` is what `parseFlow`
 * says of it as it is, `source` and `destination` are the sender's. A UDP checksum of zero stays, and none becomes zero. Packets without such a
 * checksum, and ones too short for it, are left alone. RFC 3948 §3.1.2, RFC 1624.
 */
export function correctAddressChecksum(
  buffer: Uint8Array,
  offset: number,
  flow: PacketFlow,
  source: Uint8Array,
  destination: Uint8Array,
): void {
  const field = checksumField(flow.protocol)
  const at = flow.transportOffset + field
  if (field < 0 || flow.fragment === Fragment.LATER || at + 2 > offset + flow.totalLength) return
  const isUdp = flow.protocol === IpProtocol.UDP
  const before = readU16(buffer, at)
  if (isUdp && before === 0) return
  // Of UDP-Lite a checksum of zero is not even allowed. RFC 768, RFC 3828 §3.1.
  const neverZero = isUdp || flow.protocol === IpProtocol.UDP_LITE
  // HC' = ~(~HC + ~m + m') over all words of both addresses.
  let sum = ~before & 0xffff
  sum = addComplement(addComplement(sum, source), destination)
  sum = addToChecksum(sum, flow.source, 0, flow.addressBytes)
  sum = addToChecksum(sum, flow.destination, 0, flow.addressBytes)
  const after = finishChecksum(sum)
  writeU16(buffer, at, neverZero && after === 0 ? 0xffff : after)
}

/** Where the checksum with the pseudo-header stands in the transport header, -1 for protocols that have none. */
function checksumField(protocol: number): number {
  switch (protocol) {
    case IpProtocol.TCP:
      return 16
    case IpProtocol.UDP:
    case IpProtocol.UDP_LITE:
    case IpProtocol.DCCP:
      return 6
    case IpProtocol.ICMPV6:
      return 2
    case IpProtocol.MOBILITY:
      return 4
  }
  return -1
}

function addComplement(sum: number, address: Uint8Array): number {
  let total = sum
  for (let at = 0; at < address.length; at += 2) total += ~readU16(address, at) & 0xffff
  return total
}
