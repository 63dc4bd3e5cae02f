import { formatIp, type IpAddress } from '../ip/address.ts'
import type { AddressRange } from '../xfrm/port.ts'

/** An address with the number of its leading bits that count. */
export interface Prefix {
  readonly address: IpAddress
  readonly bits: number
}

/** The fewest prefixes that cover exactly the range, in ascending order; at most 62 for IPv4 and 254 for IPv6. */
export function prefixesOfRange(range: AddressRange): Prefix[] {
  const bytes = range.start.length
  const width = BigInt(8 * bytes)
  const prefixes: Prefix[] = []
  const end = toInteger(range.end)
  for (let start = toInteger(range.start); start <= end; ) {
    let hostBits = 0n
    // The block grows while it stays aligned at `start` and ends within the range.
    while (hostBits < width && start % (2n << hostBits) === 0n && start + (2n << hostBits) - 1n <= end) hostBits++
    prefixes.push({ address: toAddress(start, bytes), bits: Number(width - hostBits) })
    start += 1n << hostBits
  }
  return prefixes
}

/** `10.1.0.0/16`. */
export const formatPrefix = (prefix: Prefix): string => `${formatIp(prefix.address)}/${prefix.bits}`

/** The two halves of a prefix of less than full length. */
export function halves(prefix: Prefix): [Prefix, Prefix] {
  const upper = prefix.address.slice()
  upper[prefix.bits >>> 3]! |= 0x80 >>> (prefix.bits & 7)
  return [
    { address: prefix.address, bits: prefix.bits + 1 },
    { address: upper, bits: prefix.bits + 1 },
  ]
}

function toInteger(address: IpAddress): bigint {
  return address.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)
}

function toAddress(value: bigint, bytes: number): IpAddress {
  return Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * (bytes - 1 - i))) & 0xffn))
}
