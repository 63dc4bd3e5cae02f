import { UsageError } from '../../errors.ts'
import { formatRange, parseRange } from '../../ip/prefix.ts'
import { IpProtocol, isIcmp } from '../../ip/protocol.ts'
import type { PortRange } from '../../xfrm/port.ts'
import type { TrafficSelector } from '../codec/index.ts'
import type { TrafficSelectorConfig } from '../config.ts'
import { didYouMean } from './nearest-words.ts'
import { anyPort, isAny, isOpaque, opaquePort } from './port-range.ts'

const protocolNames: Readonly<Record<string, number>> = {
  any: 0,
  icmp: IpProtocol.ICMP,
  tcp: IpProtocol.TCP,
  udp: IpProtocol.UDP,
  dccp: IpProtocol.DCCP,
  icmpv6: IpProtocol.ICMPV6,
  sctp: IpProtocol.SCTP,
}

/**
 * Parses `10.1.0.0/16`, `fd00::1`, `10.0.0.5-10.0.0.9`, each with an optional protocol and port: `[tcp]`, `[tcp/80]`, `[17/1024-2048]`,
 * `[udp/opaque]`, `[any/53]`, and for ICMP type and code: `[icmp/8]`, `[icmp/3(4)]`, `[icmp/8-11]`. In place of an address `dynamic`: the
 * addresses of that end, of either family. Throws `UsageError`.
 */
export function parseTrafficSelector(text: string): TrafficSelectorConfig {
  const match = /^([^[\]]+)(?:\[([^[\]/]*)(?:\/([^[\]/]*))?\])?$/.exec(text.trim())
  if (match === null)
    throw new UsageError('trafficSelector', `"${text}" is not like 10.1.0.0/16, 10.1.0.0/16[tcp/80] or dynamic`)
  const isDynamic = match[1]!.trim() === 'dynamic'
  const { start: startAddress, end: endAddress } = parseRange(isDynamic ? '0.0.0.0/0' : match[1]!.trim())
  const protocol = match[2] === undefined ? 0 : parseProtocol(match[2], text)
  const ports = match[3] === undefined ? anyPort : parsePorts(match[3], protocol, text)
  const selector = { startAddress, endAddress, protocol, startPort: ports.first, endPort: ports.last }
  return isDynamic ? { ...selector, dynamic: true } : selector
}

/** The selector in the notation that `parseTrafficSelector` reads; of an unknown type its number only. */
export function formatTrafficSelector(selector: TrafficSelectorConfig | TrafficSelector): string {
  if ('unknown' in selector && selector.unknown) return `TS type ${selector.tsType}`
  const isDynamic = 'dynamic' in selector && selector.dynamic === true
  const range = isDynamic ? 'dynamic' : formatRange({ start: selector.startAddress, end: selector.endAddress })
  const { protocol } = selector
  const ports = { first: selector.startPort, last: selector.endPort }
  const anyPorts = isAny(ports)
  if (protocol === 0 && anyPorts) return range
  const name = Object.keys(protocolNames).find((key) => protocolNames[key] === protocol) ?? String(protocol)
  return anyPorts ? `${range}[${name}]` : `${range}[${name}/${formatPorts(ports, protocol)}]`
}

function parseProtocol(word: string, text: string): number {
  const known = protocolNames[word.toLowerCase()]
  if (known !== undefined) return known
  if (/^\d{1,3}$/.test(word) && Number(word) <= 255) return Number(word)
  const near = didYouMean(word, Object.keys(protocolNames))
  throw new UsageError(
    'trafficSelector',
    `"${text}": "${word}" is not a protocol name or a number from 0 to 255${near}`,
  )
}

function parsePorts(word: string, protocol: number, text: string): PortRange {
  if (word === 'any') return anyPort
  if (word === 'opaque') return opaquePort
  const parts = word.split('-').map((part) => (isIcmp(protocol) ? parseTypeAndCode(part) : parsePort(part)))
  const first = parts[0]?.first
  const last = parts.at(-1)?.last
  if (parts.length > 2 || first === undefined || last === undefined || parts.includes(undefined) || first > last) {
    const allowed = isIcmp(protocol)
      ? 'a type such as 8, or type and code such as 3(4)'
      : 'a port, a range such as 80-90, or opaque'
    throw new UsageError('trafficSelector', `"${text}": "${word}" is not ${allowed}`)
  }
  return { first, last }
}

function parsePort(part: string): PortRange | undefined {
  if (!/^\d{1,5}$/.test(part) || Number(part) > 65535) return undefined
  return { first: Number(part), last: Number(part) }
}

/** `8` is every code of type 8, `3(4)` one code. */
function parseTypeAndCode(part: string): PortRange | undefined {
  const match = /^(\d{1,3})(?:\((\d{1,3})\))?$/.exec(part)
  if (match === null || Number(match[1]) > 255 || Number(match[2] ?? 0) > 255) return undefined
  const type = Number(match[1]) << 8
  return match[2] === undefined
    ? { first: type, last: type | 0xff }
    : { first: type | Number(match[2]), last: type | Number(match[2]) }
}

function formatPorts(ports: PortRange, protocol: number): string {
  const { first, last } = ports
  if (isOpaque(ports)) return 'opaque'
  if (!isIcmp(protocol)) return first === last ? String(first) : `${first}-${last}`
  const typeAndCode = (value: number) => `${value >>> 8}(${value & 0xff})`
  if (first === last) return typeAndCode(first)
  const wholeTypes = (first & 0xff) === 0 && (last & 0xff) === 0xff
  if (!wholeTypes) return `${typeAndCode(first)}-${typeAndCode(last)}`
  return first >>> 8 === last >>> 8 ? String(first >>> 8) : `${first >>> 8}-${last >>> 8}`
}
