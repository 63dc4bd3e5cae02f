import { fromHex, toHex } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'
import {
  attributeText,
  type DistinguishedName,
  type NameAttribute,
  type RelativeDistinguishedName,
  Tag,
  textAttribute,
} from './distinguished-name.ts'

interface Keyword {
  readonly name: string
  /** Contents of the OBJECT IDENTIFIER in hexadecimal. */
  readonly type: string
  /** IA5String where the attribute has to be one, else 0. */
  readonly tag: number
}

/** RFC 4519, RFC 2985 (E), and how other tools spell them. The first name of a type is the one that is written. */
const keywords: readonly Keyword[] = [
  { name: 'CN', type: '550403', tag: 0 },
  { name: 'C', type: '550406', tag: 0 },
  { name: 'L', type: '550407', tag: 0 },
  { name: 'ST', type: '550408', tag: 0 },
  { name: 'STREET', type: '550409', tag: 0 },
  { name: 'O', type: '55040a', tag: 0 },
  { name: 'OU', type: '55040b', tag: 0 },
  { name: 'T', type: '55040c', tag: 0 },
  { name: 'TITLE', type: '55040c', tag: 0 },
  { name: 'SN', type: '550404', tag: 0 },
  { name: 'SURNAME', type: '550404', tag: 0 },
  { name: 'SERIALNUMBER', type: '550405', tag: 0 },
  { name: 'D', type: '55040d', tag: 0 },
  { name: 'POSTALCODE', type: '550411', tag: 0 },
  { name: 'N', type: '550429', tag: 0 },
  { name: 'G', type: '55042a', tag: 0 },
  { name: 'GN', type: '55042a', tag: 0 },
  { name: 'I', type: '55042b', tag: 0 },
  { name: 'DNQUALIFIER', type: '55042e', tag: 0 },
  { name: 'UID', type: '0992268993f22c640101', tag: 0 },
  { name: 'DC', type: '0992268993f22c640119', tag: Tag.IA5 },
  { name: 'E', type: '2a864886f70d010901', tag: Tag.IA5 },
  { name: 'EMAIL', type: '2a864886f70d010901', tag: Tag.IA5 },
  { name: 'EMAILADDRESS', type: '2a864886f70d010901', tag: Tag.IA5 },
  { name: 'UNSTRUCTUREDNAME', type: '2a864886f70d010902', tag: 0 },
]

/** True for a text that can only be meant as a distinguished name. */
export const looksLikeName = (text: string): boolean => /^\s*(OID\.)?[A-Za-z0-9.]+\s*=/i.test(text)

/**
 * Parses `C=CH, O=strongSwan, CN=moon`: in the order of the encoding, keywords in any case or an OBJECT IDENTIFIER (`2.5.4.3=moon`),
 * values with the escapes of RFC 4514 §2.4 (`\,`, `\+`, `\2C`), in quotes, or as DER in hexadecimal after `#`; `+` joins the attributes
 * of one RelativeDistinguishedName. Throws `UsageError` about `argument`.
 */
export function parseName(text: string, argument = 'name'): DistinguishedName {
  const fail = (problem: string): never => {
    throw new UsageError(argument, `"${text}" ${problem}`)
  }
  return splitOutsideEscapes(text, ',').map((rdn) =>
    splitOutsideEscapes(rdn, '+').map((attribute) => parseAttribute(attribute.trim(), fail)),
  )
}

/** The same text: order of the encoding, `, ` between. */
export const formatName = (name: DistinguishedName): string => name.map(formatRdn).join(', ')

/** A set has no order: sorted, the same name has the same text however it was encoded. */
const formatRdn = (rdn: RelativeDistinguishedName): string => rdn.map(formatAttribute).sort().join('+')

function formatAttribute(attribute: NameAttribute): string {
  const keyword = keywords.find(({ type }) => type === attribute.type)
  const name = keyword?.name ?? dotted(attribute.type)
  const text = attributeText(attribute)
  // RFC 4514 §2.4: what is no string, and the values of attributes that are not known, stand there as DER.
  if (text === undefined || keyword === undefined) return `${name}=#${toHex(derOf(attribute))}`
  return `${name}=${escaped(text)}`
}

function parseAttribute(text: string, fail: (problem: string) => never): NameAttribute {
  const match = /^(?:OID\.)?([A-Za-z0-9.]+)\s*=\s*(.*)$/is.exec(text)
  if (match === null) return fail(`has "${text}" where an attribute like CN=name should stand`)
  const key = match[1]!
  const keyword = keywords.find(({ name }) => name === key.toUpperCase())
  const type = keyword?.type ?? encodedOid(key)
  if (type === undefined) return fail(`has an unknown attribute ${key}: write its OBJECT IDENTIFIER`)
  const value = match[2]!
  if (value.startsWith('#')) return derAttribute(type, value.slice(1), fail)
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"')
  const plain = unescaped(isQuoted ? value.slice(1, -1) : value)
  if (plain === undefined) return fail(`has a malformed escape in ${value}`)
  return textAttribute(type, plain, keyword?.tag ?? 0)
}

function derAttribute(type: string, digits: string, fail: (problem: string) => never): NameAttribute {
  if (!/^([0-9a-fA-F]{2})+$/.test(digits)) return fail('needs an even number of hexadecimal digits after #')
  const der = fromHex(digits)
  const extra = der[1] !== undefined && der[1] >= 0x80 ? der[1] & 0x7f : 0
  const value = der.subarray(2 + extra)
  const attribute = { type, tag: der[0]!, value }
  if (toHex(derOf(attribute)) !== digits.toLowerCase()) return fail('has octets after # that are not one DER element')
  return attribute
}

function derOf({ tag, value }: NameAttribute): Uint8Array {
  const octets: number[] = []
  if (value.length >= 0x80) for (let rest = value.length; rest > 0; rest >>>= 8) octets.unshift(rest & 0xff)
  const head = octets.length === 0 ? [tag, value.length] : [tag, 0x80 | octets.length, ...octets]
  return Uint8Array.of(...head, ...value)
}

/** Splits where `separator` is neither escaped nor in quotes. */
function splitOutsideEscapes(text: string, separator: string): string[] {
  const parts: string[] = []
  let part = ''
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '\\') part += character + (text[++at] ?? '')
    else if (character === separator && !isQuoted) {
      parts.push(part)
      part = ''
    } else {
      if (character === '"') isQuoted = !isQuoted
      part += character
    }
  }
  return [...parts, part]
}

/** RFC 4514 §2.4; control characters as the hexadecimal of their octets, so that a log stays one line. */
function escaped(text: string): string {
  let result = ''
  for (const character of text) {
    if (/[",+<>;\\=]/.test(character)) result += `\\${character}`
    else if (/[\p{C}\p{Zl}\p{Zp}]/u.test(character))
      result += [...new TextEncoder().encode(character)].map((octet) => `\\${toHex(Uint8Array.of(octet))}`).join('')
    else result += character
  }
  // Leading and trailing white space, and a first #, would be read as something else.
  return result.replace(/^[\s#]/, hexEscape).replace(/\s$/, hexEscape)
}

const hexEscape = (character: string): string =>
  [...new TextEncoder().encode(character)].map((octet) => `\\${toHex(Uint8Array.of(octet))}`).join('')

/** Undefined for a malformed escape, or octets that are not UTF-8. */
function unescaped(text: string): string | undefined {
  const octets: number[] = []
  for (let at = 0; at < text.length; ) {
    const match = /^\\([0-9a-fA-F]{2}|[\s\S])/.exec(text.slice(at, at + 3))
    if (match === null && text[at] === '\\') return undefined
    if (match === null) {
      const character = String.fromCodePoint(text.codePointAt(at)!)
      octets.push(...new TextEncoder().encode(character))
      at += character.length
      continue
    }
    const what = match[1]!
    if (what.length === 2) octets.push(Number.parseInt(what, 16))
    else octets.push(...new TextEncoder().encode(what))
    at += match[0].length
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(octets))
  } catch {
    return undefined
  }
}

/** Contents of an OBJECT IDENTIFIER in hexadecimal. Arcs of any size: UUIDs are some. */
function encodedOid(text: string): string | undefined {
  if (!/^[0-2](\.(0|[1-9][0-9]{0,38}))+$/.test(text)) return undefined
  const [root = 0n, second = 0n, ...arcs] = text.split('.').map(BigInt)
  if (root < 2n && second > 39n) return undefined
  return toHex(Uint8Array.from([40n * root + second, ...arcs].flatMap(base128)))
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return octets
}

function dotted(type: string): string {
  const arcs: bigint[] = []
  let arc = 0n
  for (const octet of fromHex(type)) {
    arc = (arc << 7n) | BigInt(octet & 0x7f)
    if (octet >= 0x80) continue
    arcs.push(arc)
    arc = 0n
  }
  const [first = 0n, ...rest] = arcs
  const root = first >= 80n ? 2n : first / 40n
  return [root, first - 40n * root, ...rest].join('.')
}
