import { compareBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { formatIp, type IpAddress, parseIp } from './address.ts'
import type { AddressRange } from './range.ts'

/**
 * Parses `10.1.0.0/16`, `fd00::/64`, a single address, or `10.0.0.5-10.0.0.9` (both ends belong to it). Bits behind a
 * prefix are ignored, as routing tools do. Throws `UsageError`.
 */
export function parseRange(text: string): AddressRange {
  const dash = text.indexOf('-')
  if (dash >= 0) return parseEnds(text, text.slice(0, dash).trim(), text.slice(dash + 1).trim())
  const slash = text.indexOf('/')
  if (slash < 0) {
    const address = parseIp(text)
    return { start: address, end: address }
  }
  const address = parseIp(text.slice(0, slash))
  const bits = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > address.length * 8) {
    throw new UsageError('range', `"${text}": the prefix length must be 0 to ${address.length * 8}`)
  }
  return rangeOfPrefix(address, Number(bits))
}

/** `prefix/length` when the range is one (always with the length, also for a single address), else `start-end`. */
export function formatRange(range: AddressRange): string {
  const bits = prefixLength(range)
  return bits < 0 ? `${formatIp(range.start)}-${formatIp(range.end)}` : `${formatIp(range.start)}/${bits}`
}

/** All addresses that share the first `bits` bits of `address`. The arrays are fresh. */
export function rangeOfPrefix(address: IpAddress, bits: number): AddressRange {
  const start = address.slice()
  const end = address.slice()
  for (let i = 0; i < address.length; i++) {
    const hostMask = 0xff >>> Math.min(8, Math.max(0, bits - 8 * i))
    start[i] = start[i]! & ~hostMask
    end[i] = end[i]! | hostMask
  }
  return { start, end }
}

/** The prefix length in bits when the range is exactly one prefix, else -1. */
export function prefixLength(range: AddressRange): number {
  const bits = commonBits(range.start, range.end)
  const prefix = rangeOfPrefix(range.start, bits)
  const exact = compareBytes(prefix.start, range.start) === 0 && compareBytes(prefix.end, range.end) === 0
  return exact ? bits : -1
}

function parseEnds(text: string, first: string, last: string): AddressRange {
  const start = parseIp(first)
  const end = parseIp(last)
  if (start.length !== end.length) throw new UsageError('range', `"${text}": both ends must be of one family`)
  if (compareBytes(start, end) > 0) throw new UsageError('range', `"${text}": the first address is above the last`)
  return { start, end }
}

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24
  }
  return 8 * a.length
}
