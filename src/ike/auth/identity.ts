import { equalBytes, fromHex, toHex } from '../../bytes/index.ts'
import { DecodeError, UsageError } from '../../errors.ts'
import { formatIp, type IpAddress, parseIp } from '../../ip/address.ts'
import {
  type DistinguishedName,
  decodeName,
  encodeName,
  equalNames,
  isWildcardName,
  nameMatches,
} from '../codec/distinguished-name.ts'
import { formatName, looksLikeName, parseName } from '../codec/distinguished-name-text.ts'
import { IdType } from '../codec/numbers.ts'
import type { Identity } from '../config.ts'

const { ID_IPV4_ADDR, ID_FQDN, ID_RFC822_ADDR, ID_IPV6_ADDR, ID_DER_ASN1_DN, ID_KEY_ID } = IdType

const prefixes: Readonly<Record<string, number>> = {
  ipv4: ID_IPV4_ADDR,
  fqdn: ID_FQDN,
  email: ID_RFC822_ADDR,
  ipv6: ID_IPV6_ADDR,
  dn: ID_DER_ASN1_DN,
  keyid: ID_KEY_ID,
}

/**
 * Parses an identity: an IP address, `user@host` (RFC 822 address), `C=CH, O=strongSwan, CN=moon` (distinguished name, see `parseName`),
 * anything else a FQDN. `@name` forces a FQDN, `@@text` an RFC 822 address, `keyid:6f66` or `@#6f66` a key id. `fqdn:`, `email:`, `ipv4:`,
 * `ipv6:`, `dn:` and `type201:` name the type; hexadecimal follows after `#` (always for `typeN:`). Throws `UsageError`.
 */
export function parseIdentity(text: string): Identity {
  const fail = (problem: string): never => {
    throw new UsageError('identity', `"${text}" ${problem}`)
  }
  if (text === '') fail('is empty')
  if (text === '%any' || text === '*') fail('stands for any identity and can only be used for the remote side')
  const [prefix, rest] = splitPrefix(text)
  if (prefix !== undefined) return parsePrefixed(prefix, rest, fail)
  if (text.startsWith('@#')) return { type: ID_KEY_ID, data: hex(text.slice(2), fail) }
  if (text.startsWith('@@')) return { type: ID_RFC822_ADDR, data: ascii(text.slice(2), fail) }
  if (text.startsWith('@')) return { type: ID_FQDN, data: ascii(text.slice(1), fail) }
  const address = tryIp(text)
  if (address !== undefined) return identityOfAddress(address)
  if (looksLikeName(text)) return identityOfName(parseName(text, 'identity'))
  return { type: text.includes('@') ? ID_RFC822_ADDR : ID_FQDN, data: ascii(text, fail) }
}

/** The address as an identity, copied. */
export function identityOfAddress(address: IpAddress): Identity {
  return { type: address.length === 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR, data: address.slice() }
}

/** The name as an identity. */
export const identityOfName = (name: DistinguishedName): Identity => ({ type: ID_DER_ASN1_DN, data: encodeName(name) })

/** The identity in the notation that `parseIdentity` reads. What a peer sent may hold anything: only printable text is shown as text. */
export function formatIdentity(identity: Identity): string {
  const { type, data } = identity
  if ((type === ID_IPV4_ADDR && data.length === 4) || (type === ID_IPV6_ADDR && data.length === 16))
    return formatIp(data)
  if (type === ID_KEY_ID) return `keyid:${toHex(data)}`
  const name = nameOf(identity)
  if (name !== undefined && name.length > 0) return formatName(name)
  const prefix = Object.keys(prefixes).find((key) => prefixes[key] === type) ?? `type${type}`
  const text = type === ID_FQDN || type === ID_RFC822_ADDR ? printable(data) : undefined
  if (text === undefined) return `${prefix}:#${toHex(data)}`
  return readsAs(text, type) ? text : `${prefix}:${text}`
}

/** True when both are the same identity; names and mail addresses without regard to case, distinguished names by `equalNames`. */
export function equalIdentities(a: Identity, b: Identity): boolean {
  if (a.type !== b.type) return false
  const [one, other] = [nameOf(a), nameOf(b)]
  if (one !== undefined && other !== undefined) return equalNames(one, other)
  if (a.type !== ID_FQDN && a.type !== ID_RFC822_ADDR) return equalBytes(a.data, b.data)
  return lowerCase(a.data) === lowerCase(b.data)
}

/**
 * True when the identity of a peer is the configured one. `undefined` takes any. A configured name that begins with `*` takes every
 * longer name of the same type with that ending: `*@example.org`, `*.example.org`. In a distinguished name a value `*` takes any.
 */
export function identityMatches(configured: Identity | undefined, received: Identity): boolean {
  if (configured === undefined || equalIdentities(configured, received)) return true
  if (configured.type !== received.type || !isWildcard(configured)) return false
  const [one, other] = [nameOf(configured), nameOf(received)]
  if (one !== undefined) return other !== undefined && nameMatches(one, other)
  const ending = lowerCase(configured.data).slice(1)
  return received.data.length > ending.length && lowerCase(received.data).endsWith(ending)
}

/** True for a name with a leading `*`, or a value `*` in a distinguished name: it can only be expected of a peer, not be our own. */
export function isWildcard(identity: Identity): boolean {
  const { type, data } = identity
  const name = nameOf(identity)
  if (name !== undefined) return isWildcardName(name)
  return (type === ID_FQDN || type === ID_RFC822_ADDR) && data.length > 1 && data[0] === 0x2a
}

/** Undefined for another type, and for octets that are no Name: a peer may send anything. */
function nameOf({ type, data }: Identity): DistinguishedName | undefined {
  if (type !== ID_DER_ASN1_DN) return undefined
  try {
    return decodeName(data)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return undefined
  }
}

function splitPrefix(text: string): [string | undefined, string] {
  const match = /^([a-z]+\d*):(.*)$/s.exec(text)
  const prefix = match?.[1]
  if (match === null || prefix === undefined) return [undefined, text]
  const known = prefix in prefixes || /^type\d{1,3}$/.test(prefix)
  return known ? [prefix, match[2]!] : [undefined, text]
}

function parsePrefixed(prefix: string, rest: string, fail: (problem: string) => never): Identity {
  const type = prefixes[prefix] ?? Number(prefix.slice(4))
  if (type > 255) fail('has a type above 255')
  if (rest.startsWith('#')) return { type, data: hex(rest.slice(1), fail) }
  if (type === ID_KEY_ID) return { type, data: hex(rest, fail) }
  if (type === ID_FQDN || type === ID_RFC822_ADDR) return { type, data: ascii(rest, fail) }
  if (type === ID_DER_ASN1_DN) return identityOfName(parseName(rest, 'identity'))
  if (type !== ID_IPV4_ADDR && type !== ID_IPV6_ADDR) fail('needs # and hexadecimal digits after the colon')
  const address = tryIp(rest)
  if (address?.length !== (type === ID_IPV4_ADDR ? 4 : 16)) fail('is not an address of that family')
  return { type, data: address! }
}

function tryIp(text: string): IpAddress | undefined {
  if (!/^[0-9.]+$/.test(text) && !text.includes(':')) return undefined
  try {
    return parseIp(text)
  } catch {
    return undefined
  }
}

function hex(text: string, fail: (problem: string) => never): Uint8Array {
  if (!/^([0-9a-fA-F]{2})+$/.test(text)) fail('needs an even number of hexadecimal digits')
  return fromHex(text)
}

function ascii(text: string, fail: (problem: string) => never): Uint8Array {
  if (!/^[\x21-\x7e]+$/.test(text)) fail('may only hold printable ASCII characters without spaces')
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function printable(data: Uint8Array): string | undefined {
  const text = latin1(data)
  return /^[\x21-\x7e]+$/.test(text) && !text.startsWith('#') ? text : undefined
}

/** Whether the bare text would be read back with this type. */
function readsAs(text: string, type: number): boolean {
  if (text.startsWith('@') || text.startsWith('%') || text === '*' || looksLikeName(text)) return false
  if (splitPrefix(text)[0] !== undefined || tryIp(text) !== undefined) return false
  return text.includes('@') === (type === ID_RFC822_ADDR)
}

const lowerCase = (data: Uint8Array): string => latin1(data).toLowerCase()

function latin1(data: Uint8Array): string {
  let text = ''
  for (const octet of data) text += String.fromCharCode(octet)
  return text
}
