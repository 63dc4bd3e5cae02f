import { compareBytes } from '../bytes/index.ts'
import type { IpAddress } from './address.ts'

/** Both ends belong to the range. Addresses of one family. */
export interface AddressRange {
  readonly start: IpAddress
  readonly end: IpAddress
}

/** True when the `bytes` first octets of `address` (all of it by default) are an address within the range; false for another family. */
export function containsAddress(range: AddressRange, address: Uint8Array, bytes: number = address.length): boolean {
  if (range.start.length !== bytes) return false
  return orderOf(address, range.start, bytes) >= 0 && orderOf(address, range.end, bytes) <= 0
}

/** True when every address of `inner` is in `outer`. */
export function containsRange(outer: AddressRange, inner: AddressRange): boolean {
  return containsAddress(outer, inner.start) && containsAddress(outer, inner.end)
}

/** The addresses that are in both, undefined when there are none. Shares the arrays of its arguments. */
export function intersectRanges(a: AddressRange, b: AddressRange): AddressRange | undefined {
  if (a.start.length !== b.start.length) return undefined
  const start = compareBytes(a.start, b.start) >= 0 ? a.start : b.start
  const end = compareBytes(a.end, b.end) <= 0 ? a.end : b.end
  return compareBytes(start, end) <= 0 ? { start, end } : undefined
}

/** True when both have the same ends. */
export function equalRanges(a: AddressRange, b: AddressRange): boolean {
  return compareBytes(a.start, b.start) === 0 && compareBytes(a.end, b.end) === 0
}

// On the hot path with records whose arrays are longer than the address, hence the explicit length.
function orderOf(a: Uint8Array, b: Uint8Array, bytes: number): number {
  for (let i = 0; i < bytes; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return 0
}
