import { Reader, Writer } from '../../bytes/index.ts'
import { DecodeError, UsageError } from '../../errors.ts'
import type { IpAddress } from '../../ip/address.ts'
import { prefixLength, rangeOfPrefix } from '../../ip/prefix.ts'
import type { ConfigurationAttribute } from '../codec/cp.ts'
import { CfgAttribute } from '../codec/numbers.ts'
import { checkDomainName, decodeDomainName, encodeDomainName } from './domain-name.ts'
import {
  decodeDigestInfo,
  decodeEncryptedDns,
  type EncryptedDnsAttribute,
  type EncryptedDnsDigestAttribute,
  encodeDigestInfo,
  encodeEncryptedDns,
} from './encrypted-dns.ts'

/** What a configuration attribute says; `type` is a `CfgAttribute`. All octets are copies. RFC 7296 §3.15.1. */
export type AttributeValue =
  /** Of no octets: "whatever you have" in a request, "taken" in CFG_ACK. */
  | { readonly kind: 'empty'; readonly type: number }
  | { readonly kind: 'address'; readonly type: number; readonly address: IpAddress }
  /** An address with the length of its prefix in bits: INTERNAL_IP6_ADDRESS and both kinds of subnets. */
  | { readonly kind: 'prefix'; readonly type: number; readonly address: IpAddress; readonly bits: number }
  | { readonly kind: 'text'; readonly type: number; readonly text: string }
  /** SUPPORTED_ATTRIBUTES. */
  | { readonly kind: 'types'; readonly type: number; readonly types: readonly number[] }
  /** INTERNAL_DNS_DOMAIN, RFC 8598 §4.1. */
  | { readonly kind: 'domain'; readonly type: number; readonly name: string }
  | TrustAnchorAttribute
  | EncryptedDnsAttribute
  | EncryptedDnsDigestAttribute
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

/** INTERNAL_DNSSEC_TA: the fields of a DS record for the domain before it. RFC 8598 §4.2. */
export interface TrustAnchorAttribute {
  readonly kind: 'trust-anchor'
  readonly type: number
  readonly keyTag: number
  readonly algorithm: number
  readonly digestType: number
  readonly digest: Uint8Array
}

/** A value that is not what its type has. `reason` is for people: the attribute's name, and what is wrong. */
export interface MalformedAttribute {
  readonly kind: 'malformed'
  readonly type: number
  readonly reason: string
}

type Form =
  | 'ip4'
  | 'ip6'
  | 'ip4-subnet'
  | 'ip6-prefix'
  | 'text'
  | 'types'
  | 'domain'
  | 'anchor'
  | 'encdns4'
  | 'encdns6'
  | 'digest'

const A = CfgAttribute

const forms: ReadonlyMap<number, Form> = new Map<number, Form>([
  [A.INTERNAL_IP4_ADDRESS, 'ip4'],
  [A.INTERNAL_IP4_NETMASK, 'ip4'],
  [A.INTERNAL_IP4_DNS, 'ip4'],
  [A.INTERNAL_IP4_NBNS, 'ip4'],
  [A.INTERNAL_IP4_DHCP, 'ip4'],
  [A.APPLICATION_VERSION, 'text'],
  [A.INTERNAL_IP6_ADDRESS, 'ip6-prefix'],
  [A.INTERNAL_IP6_DNS, 'ip6'],
  [A.INTERNAL_IP6_DHCP, 'ip6'],
  [A.INTERNAL_IP4_SUBNET, 'ip4-subnet'],
  [A.SUPPORTED_ATTRIBUTES, 'types'],
  [A.INTERNAL_IP6_SUBNET, 'ip6-prefix'],
  [A.INTERNAL_DNS_DOMAIN, 'domain'],
  [A.INTERNAL_DNSSEC_TA, 'anchor'],
  [A.ENCDNS_IP4, 'encdns4'],
  [A.ENCDNS_IP6, 'encdns6'],
  [A.ENCDNS_DIGEST_INFO, 'digest'],
])

/** The types that we understand, in order: what we answer to SUPPORTED_ATTRIBUTES. */
export const supportedAttributes: readonly number[] = [...forms.keys()].sort((a, b) => a - b)

const names = new Map<number, string>(Object.entries(CfgAttribute).map(([name, type]) => [type, name]))

/** The registry's name, or for example `attribute 16500`. */
export const attributeName = (type: number): string => names.get(type) ?? `attribute ${type}`

/**
 * What an attribute of a payload says. A value that is not what its type has comes back as `malformed`: the RFC has no error for it,
 * and what is around it may be used. Copies. RFC 7296 §3.15.1, RFC 8598 §4, RFC 9464 §3.
 */
export function decodeAttribute({ type, value }: ConfigurationAttribute): AttributeValue | MalformedAttribute {
  const form = forms.get(type)
  if (form === undefined) return { kind: 'unknown', type, value: value.slice() }
  if (value.length === 0) return { kind: 'empty', type }
  const reader = new Reader(value.slice(), attributeName(type), sectionOf(type))
  try {
    const decoded = decodeForm(form, type, reader)
    reader.end()
    return decoded
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { kind: 'malformed', type, reason: error.message }
  }
}

/** The attribute as a payload carries it. `UsageError` when the value is not what its type has. */
export function encodeAttribute(value: AttributeValue): ConfigurationAttribute {
  const { type } = value
  if (value.kind === 'unknown') return { type, value: value.value.slice() }
  const writer = new Writer(32)
  encodeForm(value, writer)
  const attribute = { type, value: writer.finish() }
  const read = decodeAttribute(attribute)
  if (read.kind === value.kind) return attribute
  throw new UsageError(
    'attribute',
    read.kind === 'malformed' ? read.reason : `${attributeName(type)} is no ${value.kind}`,
  )
}

function decodeForm(form: Form, type: number, reader: Reader): AttributeValue {
  switch (form) {
    case 'ip4':
      return { kind: 'address', type, address: reader.take(4, 'address') }
    case 'ip6':
      return { kind: 'address', type, address: reader.take(16, 'address') }
    case 'ip4-subnet':
      return { kind: 'prefix', type, address: reader.take(4, 'address'), bits: decodeMask(reader) }
    case 'ip6-prefix':
      return { kind: 'prefix', type, address: reader.take(16, 'address'), bits: decodePrefixLength(reader) }
    case 'text':
      return { kind: 'text', type, text: decodeText(reader) }
    case 'types':
      return { kind: 'types', type, types: decodeTypes(reader) }
    case 'domain':
      return { kind: 'domain', type, name: decodeDomainName(reader.rest(), reader) }
    case 'anchor':
      return decodeAnchor(type, reader)
    case 'encdns4':
      return decodeEncryptedDns(type, reader, 4)
    case 'encdns6':
      return decodeEncryptedDns(type, reader, 16)
    case 'digest':
      return decodeDigestInfo(type, reader)
  }
}

function encodeForm(value: Exclude<AttributeValue, { kind: 'unknown' }>, writer: Writer): void {
  switch (value.kind) {
    case 'empty':
      return
    case 'address':
      writer.bytes(value.address)
      return
    case 'prefix':
      writer.bytes(value.address)
      if (value.address.length === 16) writer.u8(value.bits)
      else writer.bytes(maskOf(value.bits))
      return
    case 'text':
      writer.bytes(encodeText(value.text))
      return
    case 'types':
      for (const type of value.types) writer.u16(type)
      return
    case 'domain':
      checkDomainName(value.name)
      writer.bytes(encodeDomainName(value.name))
      return
    case 'trust-anchor':
      writer.u16(value.keyTag).u8(value.algorithm).u8(value.digestType).bytes(value.digest)
      return
    case 'encrypted-dns':
      encodeEncryptedDns(value, writer)
      return
    case 'encrypted-dns-digest':
      encodeDigestInfo(value, writer)
  }
}

/** The prefix length of a netmask; one with holes is an error. */
function decodeMask(reader: Reader): number {
  const mask = reader.take(4, 'netmask')
  const bits = prefixLength({ start: mask, end: Uint8Array.of(255, 255, 255, 255) })
  if (bits < 0) reader.fail(`${mask.join('.')} is not a netmask`)
  return bits
}

const maskOf = (bits: number): Uint8Array => rangeOfPrefix(Uint8Array.of(255, 255, 255, 255), bits).start

function decodePrefixLength(reader: Reader): number {
  const bits = reader.u8('prefix length')
  if (bits > 128) reader.fail(`the prefix length ${bits} is above 128`)
  return bits
}

/** Printable ASCII, and no NUL at the end. */
function decodeText(reader: Reader): string {
  const octets = reader.rest()
  if (octets.some((octet) => octet < 0x20 || octet > 0x7e)) reader.fail('is not printable ASCII')
  return String.fromCharCode(...octets)
}

function encodeText(text: string): Uint8Array {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new UsageError('text', `"${text}" is not printable ASCII`)
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

function decodeTypes(reader: Reader): number[] {
  const types: number[] = []
  while (reader.remaining > 0) types.push(reader.u16('attribute type') & 0x7fff)
  return types
}

/**
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |        DNSKEY Key Tag         |  DNSKEY Alg   |  Digest Type  |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                          Digest Data                          ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
function decodeAnchor(type: number, reader: Reader): TrustAnchorAttribute {
  const keyTag = reader.u16('DNSKEY Key Tag')
  const algorithm = reader.u8('DNSKEY Alg')
  const digestType = reader.u8('Digest Type')
  if (reader.remaining === 0) reader.fail('has no Digest Data')
  return { kind: 'trust-anchor', type, keyTag, algorithm, digestType, digest: reader.rest() }
}

function sectionOf(type: number): string {
  if (type >= A.ENCDNS_IP4) return 'RFC 9464 §3'
  return type >= A.INTERNAL_DNS_DOMAIN ? 'RFC 8598 §4' : 'RFC 7296 §3.15.1'
}
