import { UsageError } from '../errors.ts'

/** An IP address as its octets in network order: 4 for IPv4, 16 for IPv6. */
export type IpAddress = Uint8Array

/** A UDP endpoint, or one of a TCP connection. `port` is in host order. */
export interface SocketAddress {
  readonly address: IpAddress
  readonly port: number
  /** One end of a TCP connection that carries IKE and ESP; both ends together name the connection. RFC 9329. */
  readonly tcp?: true
}

/** Parses dotted-quad IPv4 or RFC 4291 text IPv6 (no zone, no brackets). Throws `UsageError`. */
export function parseIp(text: string): IpAddress {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Canonical text: dotted quad, or RFC 5952 for IPv6. */
export function formatIp(address: IpAddress): string {
  return address.length === 4 ? address.join('.') : formatIpv6(address)
}

/** `address:port`, with brackets around IPv6, and `/tcp` behind it where it is one. */
export function formatSocketAddress(endpoint: SocketAddress): string {
  const host = formatIp(endpoint.address)
  const transport = endpoint.tcp === true ? '/tcp' : ''
  return endpoint.address.length === 16
    ? `[${host}]:${endpoint.port}${transport}`
    : `${host}:${endpoint.port}${transport}`
}

function parseIpv4(text: string): IpAddress {
  const parts = text.split('.')
  const octets = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256))
  if (octets.length !== 4 || octets.some((octet) => octet > 255))
    throw new UsageError('address', `"${text}" is not an IP address`)
  return Uint8Array.from(octets)
}

function parseIpv6(text: string): IpAddress {
  const fail = (): never => {
    throw new UsageError('address', `"${text}" is not an IP address`)
  }
  const halves = text.split('::')
  if (halves.length > 2) fail()
  const head = parseGroups(halves[0]!, fail)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, fail) : []
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) fail()
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]))
}

function parseGroups(text: string, fail: () => never): number[] {
  if (text === '') return []
  const parts = text.split(':')
  const last = parts.at(-1)!
  const embedded = last.includes('.') ? parseIpv4(last) : undefined
  if (embedded !== undefined) parts.pop()
  const groups = parts.map((part) => (/^[0-9a-fA-F]{1,4}$/.test(part) ? Number.parseInt(part, 16) : fail()))
  if (embedded !== undefined) groups.push((embedded[0]! << 8) | embedded[1]!, (embedded[2]! << 8) | embedded[3]!)
  return groups
}

function formatIpv6(address: IpAddress): string {
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!)
  let bestStart = -1
  let bestLength = 1
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > bestLength) {
      bestStart = start
      bestLength = length
    }
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  return bestStart < 0 ? text(0, 8) : `${text(0, bestStart)}::${text(bestStart + bestLength, 8)}`
}
