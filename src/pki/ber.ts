import type { Reader } from '../bytes/index.ts'
import { DerTag, derElement } from '../crypto/der.ts'

/** No container is nested as deep. */
const MOST_NESTED = 32

/**
 * One element of BER as DER would have it: lengths in the fewest octets, none of them indefinite, and OCTET STRINGs in one piece. PKCS #12
 * files of some programs are streamed in pieces. Throws `DecodeError`; what follows the element is left unread. ITU-T X.690 §8.1.
 */
export function derOfBer(reader: Reader, depth = 0): Uint8Array {
  const tag = reader.u8('tag')
  if ((tag & 0x1f) === 0x1f) reader.fail('a tag of more than one octet')
  if (depth > MOST_NESTED) reader.fail('nested too deep')
  const length = berLength(reader)
  const isConstructed = (tag & 0x20) !== 0
  if (!isConstructed) return derElement(tag, reader.take(length ?? reader.fail('an indefinite length'), 'contents'))
  const parts: Uint8Array[] = []
  if (length === undefined) while (!atEnd(reader)) parts.push(derOfBer(reader, depth + 1))
  else {
    const contents = reader.sub(length, reader.where, reader.section)
    while (contents.remaining > 0) parts.push(derOfBer(contents, depth + 1))
  }
  if (tag !== CONSTRUCTED_OCTET_STRING) return derElement(tag, ...parts)
  if (parts.some((part) => part[0] !== DerTag.OCTET_STRING)) reader.fail('an OCTET STRING of something else')
  return derElement(DerTag.OCTET_STRING, ...parts.map(contentsOf))
}

const CONSTRUCTED_OCTET_STRING = 0x24

/** Undefined for an indefinite length. */
function berLength(reader: Reader): number | undefined {
  const first = reader.u8('length')
  if (first < 0x80) return first
  if (first === 0x80) return undefined
  if (first > 0x84) reader.fail('a length that is too large')
  let length = 0
  for (let i = 0; i < (first & 0x7f); i++) length = 256 * length + reader.u8('length')
  return length
}

/** Takes the end-of-contents octets if they are next. */
function atEnd(reader: Reader): boolean {
  if (reader.bytes[reader.position] !== 0) return false
  if (reader.u16('end-of-contents') !== 0) reader.fail('an end-of-contents that is not one')
  return true
}

/** What is in an element in DER of less than 2^32 octets. */
function contentsOf(der: Uint8Array): Uint8Array {
  const first = der[1]!
  return der.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f))
}
