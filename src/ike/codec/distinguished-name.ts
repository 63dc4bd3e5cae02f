import { compareBytes, concat, equalBytes, fromHex, Reader, toHex } from '../../bytes/index.ts'

/** A distinguished name in the order in which it is encoded, for example C, O, CN. ITU-T X.501 §9.2. */
export type DistinguishedName = readonly RelativeDistinguishedName[]
/** One attribute; rarely several (`OU=Sales+CN=J. Smith`). */
export type RelativeDistinguishedName = readonly NameAttribute[]

export interface NameAttribute {
  /** The contents of its OBJECT IDENTIFIER in hexadecimal, `550403` for commonName. */
  readonly type: string
  /** The ASN.1 tag of the value. */
  readonly tag: number
  /** The contents of the value. */
  readonly value: Uint8Array
}

/**
 * Decodes a Name in DER (borrowed), as in ID_DER_ASN1_DN and in certificates. Throws `DecodeError`. RFC 5280 §4.1.2.4.
 *
 * Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }
 */
export function decodeName(der: Uint8Array, where = 'distinguished name'): DistinguishedName {
  const outer = new Reader(der, where, 'RFC 5280 §4.1.2.4')
  const sequence = nested(outer, Tag.SEQUENCE)
  outer.end()
  const name: RelativeDistinguishedName[] = []
  while (sequence.remaining > 0) {
    const set = nested(sequence, Tag.SET)
    const rdn: NameAttribute[] = []
    while (set.remaining > 0) rdn.push(decodeAttribute(set))
    if (rdn.length === 0) set.fail('an empty RelativeDistinguishedName')
    name.push(rdn)
  }
  return name
}

/** The same name in DER; the attributes of a set in the order that DER wants. */
export function encodeName(name: DistinguishedName): Uint8Array {
  const sets = name.map((rdn) => {
    const attributes = rdn.map(({ type, tag, value }) =>
      element(Tag.SEQUENCE, element(Tag.OID, fromHex(type)), element(tag, value)),
    )
    return element(Tag.SET, ...attributes.sort(compareBytes))
  })
  return element(Tag.SEQUENCE, ...sets)
}

/**
 * True for the same name: letters without regard to case, runs of white space as one space, any kind of string. What is no
 * string must be the same octets. RFC 5280 §7.1.
 */
export const equalNames = (a: DistinguishedName, b: DistinguishedName): boolean =>
  a.length === b.length && a.every((rdn, at) => equalRdns(rdn, b[at]!))

/**
 * True when `name` begins with all of `base`: it stands in that subtree of the directory. `cautious`: values that cannot be compared, of
 * kinds of string that are not known or that are malformed, count as equal. RFC 5280 §4.2.1.10.
 */
export const isUnderName = (name: DistinguishedName, base: DistinguishedName, cautious = false): boolean =>
  name.length >= base.length && base.every((rdn, at) => rdnMatches(rdn, name[at]!, cautious ? mayEqual : equalValues))

/** True when it is the configured name; a configured value `*` takes any value of that attribute. */
export const nameMatches = (configured: DistinguishedName, received: DistinguishedName): boolean =>
  configured.length === received.length && configured.every((rdn, at) => rdnMatches(rdn, received[at]!, isTakenBy))

/** True for a name that has a value `*`. */
export const isWildcardName = (name: DistinguishedName): boolean => name.some((rdn) => rdn.some(isAny))

/** The value of a string, undefined for octets that are not one. */
export function attributeText({ tag, value }: NameAttribute): string | undefined {
  switch (tag) {
    case Tag.UTF8:
      return utf8(value)
    case Tag.PRINTABLE:
    case Tag.IA5:
    case Tag.NUMERIC:
      return value.every((octet) => octet < 0x80) ? String.fromCharCode(...value) : undefined
    case Tag.TELETEX:
      return value.length > 4096 ? undefined : String.fromCharCode(...value)
    case Tag.BMP:
      return utf16(value)
    case Tag.UNIVERSAL:
      return utf32(value)
    default:
      return undefined
  }
}

/** The attribute with this text, as IA5String where that is wanted and does, else as PrintableString or UTF8String. RFC 5280 §4.1.2.4. */
export function textAttribute(type: string, text: string, wanted = 0): NameAttribute {
  const value = new TextEncoder().encode(text)
  const isAscii = value.length === text.length
  const tag = wanted === Tag.IA5 && isAscii ? Tag.IA5 : printableString.test(text) ? Tag.PRINTABLE : Tag.UTF8
  return { type, tag, value }
}

/** ITU-T X.680 §8.4. */
export const Tag = {
  OID: 0x06,
  UTF8: 0x0c,
  NUMERIC: 0x12,
  PRINTABLE: 0x13,
  TELETEX: 0x14,
  IA5: 0x16,
  UNIVERSAL: 0x1c,
  BMP: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

/** Of values whose octets do not tell whether they are the same: the kinds of string, also those that are not read (X.680 §8.4). */
const stringTags: ReadonlySet<number> = new Set([
  0x0c, 0x12, 0x13, 0x14, 0x15, 0x16, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
])

function decodeAttribute(set: Reader): NameAttribute {
  const attribute = nested(set, Tag.SEQUENCE)
  const type = nested(attribute, Tag.OID)
  const oid = type.rest()
  // Otherwise its dotted form would not be its own.
  if (oid.length === 0 || oid.length > 40 || oid.at(-1)! >= 0x80) type.fail('a malformed OBJECT IDENTIFIER')
  if (oid.some((octet, at) => octet === 0x80 && (at === 0 || oid[at - 1]! < 0x80))) type.fail('a padded arc')
  const tag = attribute.u8('tag')
  const value = attribute.take(readLength(attribute), 'value')
  attribute.end()
  return { type: toHex(oid), tag, value }
}

function nested(reader: Reader, tag: number): Reader {
  if (reader.u8('tag') !== tag) reader.fail(`the tag 0x${tag.toString(16)} was expected`)
  return reader.sub(readLength(reader), reader.where, reader.section)
}

function readLength(reader: Reader): number {
  const first = reader.u8('length')
  if (first < 0x80) return first
  const octets = first & 0x7f
  if (octets < 1 || octets > 3) reader.fail(`a length of ${octets} octets`)
  let length = 0
  for (let i = 0; i < octets; i++) length = length * 256 + reader.u8('length')
  if (length < 0x80 || length < 256 ** (octets - 1)) reader.fail('a length that is not the shortest')
  return length
}

function element(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const value = concat(...contents)
  const octets: number[] = []
  if (value.length >= 0x80) for (let rest = value.length; rest > 0; rest >>>= 8) octets.unshift(rest & 0xff)
  const head = octets.length === 0 ? [tag, value.length] : [tag, 0x80 | octets.length, ...octets]
  return concat(Uint8Array.from(head), value)
}

const equalRdns = (a: RelativeDistinguishedName, b: RelativeDistinguishedName): boolean => rdnMatches(a, b, equalValues)

/** A set has no order, so each attribute looks for its own. */
function rdnMatches(
  configured: RelativeDistinguishedName,
  received: RelativeDistinguishedName,
  matches: (configured: NameAttribute, received: NameAttribute) => boolean,
): boolean {
  if (configured.length !== received.length) return false
  const left = [...received]
  return configured.every((attribute) => {
    const at = left.findIndex((other) => other.type === attribute.type && matches(attribute, other))
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  })
}

function equalValues(a: NameAttribute, b: NameAttribute): boolean {
  if (a.tag === b.tag && equalBytes(a.value, b.value)) return true
  const [one, other] = [attributeText(a), attributeText(b)]
  return one !== undefined && other !== undefined && folded(one) === folded(other)
}

/** True as well for values of which that cannot be told. */
function mayEqual(a: NameAttribute, b: NameAttribute): boolean {
  if (equalValues(a, b)) return true
  const areNoStrings = a.tag === b.tag && !stringTags.has(a.tag)
  return !areNoStrings && (attributeText(a) === undefined || attributeText(b) === undefined)
}

const isTakenBy = (configured: NameAttribute, received: NameAttribute): boolean =>
  isAny(configured) || equalValues(configured, received)

const isAny = (attribute: NameAttribute): boolean => attributeText(attribute) === '*'

/** RFC 4518 §2: what is not seen counts for nothing, all that is white counts as a space. */
const folded = (text: string): string =>
  text
    .replace(unseen, '')
    .replace(/[\s\x85]+/g, ' ')
    .replace(/\p{Cc}/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    .trim()
    .replace(/\s+/g, ' ')

/** RFC 4518 §2.2: format characters, joiners, variation selectors and the object replacement character. */
const unseen = /\p{Cf}|\u034f|\u1806|[\u180b-\u180d]|[\ufe00-\ufe0f]|\ufffc/gu

const printableString = /^[A-Za-z0-9 '()+,\-./:=?]*$/

function utf8(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  } catch {
    return undefined
  }
}

function utf32(value: Uint8Array): string | undefined {
  if (value.length % 4 !== 0 || value.length > 4096) return undefined
  const reader = new Reader(value, 'UniversalString', 'ITU-T X.680 §41')
  let text = ''
  while (reader.remaining > 0) {
    const code = reader.u32('character')
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
    text += String.fromCodePoint(code)
  }
  return text
}

function utf16(value: Uint8Array): string | undefined {
  if (value.length % 2 !== 0) return undefined
  let text = ''
  for (let at = 0; at < value.length; at += 2) text += String.fromCharCode((value[at]! << 8) | value[at + 1]!)
  return /\p{Cs}/u.test(text) ? undefined : text
}
