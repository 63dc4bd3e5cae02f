export { formatIp, formatSocketAddress, type IpAddress, parseIp, type SocketAddress } from './address.ts'
export { correctAddressChecksum } from './address-checksum.ts'
export {
  buildIcmp,
  buildIcmpEcho,
  buildIp,
  buildIpv4,
  buildIpv6,
  buildUdp,
  type IcmpEchoFields,
  type IpPacketFields,
  type Ipv4Fields,
  type PacketAddresses,
  type UdpFields,
} from './build.ts'
export { addToChecksum, checksum, finishChecksum, transportChecksum, updateChecksum } from './checksum.ts'
export { decapsulatedEcn, Ecn, EcnFate, ecnOf, encapsulatedEcn, fateOf } from './ecn.ts'
export { type EspPlace, findEspPlace, lastNextHeaderField, newEspPlace } from './esp-place.ts'
export {
  FlowStatus,
  Fragment,
  MAX_EXTENSION_HEADERS,
  newPacketFlow,
  type PacketFlow,
  parseFlow,
  parseQuotedFlow,
} from './flow.ts'
export {
  hopLimit,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  ipVersion,
  ipv4DontFragment,
  ipv4FragmentOffset,
  ipv4HeaderBytes,
  ipv4MoreFragments,
  ipv4Protocol,
  ipv4TotalLength,
  ipv6NextHeader,
  ipv6TotalLength,
  packetLength,
  trafficClass,
} from './header.ts'
export { answerIcmpEcho, buildPacketTooBig } from './icmp.ts'
export { type IcmpError, isIcmpError, newIcmpError, parseIcmpError, reverseFlow } from './icmp-error.ts'
export { Ipv4Fragmenter } from './ipv4-fragmenter.ts'
export { formatRange, parseRange, prefixLength, rangeOfPrefix } from './prefix.ts'
export { hasPorts, IpProtocol, isIcmp } from './protocol.ts'
export { type AddressRange, containsAddress, containsRange, equalRanges, intersectRanges } from './range.ts'
export { flowLabel, writeIpv6Start, writeTrafficClass } from './rewrite.ts'
export { clampMss, isTcpSyn } from './tcp-mss.ts'
