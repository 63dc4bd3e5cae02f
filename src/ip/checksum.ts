import { readU16 } from '../bytes/index.ts'

/**
 * Adds `buffer[offset, offset + length)` as big-endian 16-bit words to `sum`, an odd last octet as the upper half of a
 * word. Only the last part that is added may be of odd length. Feed the result to `finishChecksum`. RFC 1071.
 */
export function addToChecksum(sum: number, buffer: Uint8Array, offset: number, length: number): number {
  const even = offset + (length & ~1)
  let total = sum
  // Sums stay exact: 2^53 holds far more than the 2^15 words of the largest packet.
  for (let at = offset; at < even; at += 2) total += readU16(buffer, at)
  return (length & 1) === 0 ? total : total + buffer[even]! * 256
}

/** Folds a sum into 16 bits and complements it: the value for the checksum field. RFC 1071. */
export function finishChecksum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}

/** The Internet checksum over `buffer[offset, offset + length)`; 0 when a correct checksum is part of it. RFC 1071. */
export function checksum(buffer: Uint8Array, offset: number, length: number): number {
  return finishChecksum(addToChecksum(0, buffer, offset, length))
}

/**
 * The checksum field after one of the 16-bit words under it changed from `before` to `after`: HC' = ~(~HC + ~m + m').
 * Gives 0x0000 where a full computation over an all-zero sum would give 0xFFFF, never the other way round. RFC 1624 §3.
 */
export function updateChecksum(field: number, before: number, after: number): number {
  return finishChecksum((~field & 0xffff) + (~before & 0xffff) + after)
}

/**
 * The checksum of a transport packet at `buffer[offset, offset + length)` with the pseudo-header of its addresses (4 or 16
 * octets each): RFC 768, RFC 9293 §3.1, RFC 8200 §8.1.
 */
export function transportChecksum(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
): number {
  let sum = addToChecksum(protocol + length, source, 0, source.length)
  sum = addToChecksum(sum, destination, 0, destination.length)
  return finishChecksum(addToChecksum(sum, buffer, offset, length))
}
