import { concat } from '../bytes/index.ts'

/** The tags that key files are made of. ITU-T X.690 §8. */
export const DerTag = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OBJECT_IDENTIFIER: 0x06,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

/** The tag of `[number]` in the context of its type, constructed. */
export const contextTag = (number: number): number => 0xa0 | number

/** One element: tag, length in as few octets as DER wants, and the contents joined (copied). */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of contents) length += part.length
  return concat(Uint8Array.of(tag, ...lengthOctets(length)), ...contents)
}

/** A non-negative INTEGER from big-endian octets of any length. */
export function derInteger(value: Uint8Array): Uint8Array {
  let start = 0
  while (start < value.length - 1 && value[start] === 0) start++
  const digits = value.subarray(start)
  // The first bit of an INTEGER is its sign.
  return derElement(DerTag.INTEGER, digits[0]! >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0), digits)
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function derOid(dotted: string): Uint8Array {
  const [root = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  return derElement(DerTag.OBJECT_IDENTIFIER, Uint8Array.from([40 * root + second, ...arcs].flatMap(base128)))
}

/** A BIT STRING of whole octets. */
export const derBitString = (octets: Uint8Array): Uint8Array => derElement(DerTag.BIT_STRING, Uint8Array.of(0), octets)

/** Contents of the element that starts at `at` (borrowed), and where the next one starts. For DER that we trust. */
export function derContents(der: Uint8Array, at: number): { readonly contents: Uint8Array; readonly next: number } {
  const first = der[at + 1]!
  const extra = first < 0x80 ? 0 : first & 0x7f
  let length = extra === 0 ? first : 0
  for (let i = 0; i < extra; i++) length = 256 * length + der[at + 2 + i]!
  const start = at + 2 + extra
  return { contents: der.subarray(start, start + length), next: start + length }
}

/** One arc, most significant first, with the top bit on all octets but the last. */
function base128(arc: number): number[] {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128))
  return octets
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest >>>= 8) octets.unshift(rest & 0xff)
  return [0x80 | octets.length, ...octets]
}
