import type { Reader, Writer } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'
import type { IpAddress } from '../../ip/address.ts'
import { checkDomainName, decodeDomainName, encodeDomainName } from './domain-name.ts'

/** ENCDNS_IP4 or ENCDNS_IP6: a resolver that is asked over TLS, HTTPS or QUIC. RFC 9464 §3.1. */
export interface EncryptedDnsAttribute {
  readonly kind: 'encrypted-dns'
  readonly type: number
  /** The lowest is asked first; never 0. */
  readonly priority: number
  /** None in a request that only names the resolver. */
  readonly addresses: readonly IpAddress[]
  /** What its certificate has to name; empty in a request for any. */
  readonly name: string
  readonly parameters: readonly ServiceParameter[]
}

/** A SvcParam as in SVCB records: key (`SvcParamKey`) and value. RFC 9460 §2.2. */
export interface ServiceParameter {
  readonly key: number
  readonly value: Uint8Array
}

/** ENCDNS_DIGEST_INFO: the digest of the resolver's SubjectPublicKeyInfo, or the hashes that a client knows. RFC 9464 §3.2. */
export interface EncryptedDnsDigestAttribute {
  readonly kind: 'encrypted-dns-digest'
  readonly type: number
  /** Of the registry of RFC 7427; one where there is a digest. */
  readonly hashes: readonly number[]
  /** Empty: it belongs to the resolvers of this payload. */
  readonly name: string
  /** Empty in a request. */
  readonly digest: Uint8Array
}

/** RFC 9460 §14.3.2, RFC 9461 §5. */
export const SvcParamKey = { mandatory: 0, alpn: 1, port: 3, ipv4hint: 4, ipv6hint: 6, dohpath: 7 } as const

/**
 * Decodes ENCDNS_IP4 (`addressBytes` 4) or ENCDNS_IP6 (16). RFC 9464 §3.1.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |       Service Priority        | Num Addresses |  ADN Length   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                        IP Address(es)                         ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                  Authentication Domain Name                   ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                 Service Parameters (SvcParams)                ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeEncryptedDns(type: number, reader: Reader, addressBytes: 4 | 16): EncryptedDnsAttribute {
  const priority = reader.u16('Service Priority')
  if (priority === 0) reader.fail('the service priority 0 (AliasMode) is not allowed')
  const count = reader.u8('Num Addresses')
  const nameLength = reader.u8('ADN Length')
  const addresses = Array.from({ length: count }, () => reader.take(addressBytes, 'IP address'))
  const name = nameLength === 0 ? '' : decodeDomainName(reader.take(nameLength, 'Authentication Domain Name'), reader)
  return { kind: 'encrypted-dns', type, priority, addresses, name, parameters: decodeParameters(reader) }
}

export function encodeEncryptedDns(value: EncryptedDnsAttribute, writer: Writer): void {
  const { priority, addresses, name, parameters } = value
  if (addresses.length > 255) throw new UsageError('addresses', 'more than 255 do not fit')
  if (name !== '') checkDomainName(name)
  writer.u16(priority).u8(addresses.length).u8(name.length)
  for (const address of addresses) writer.bytes(address)
  writer.bytes(encodeDomainName(name))
  for (const { key, value } of [...parameters].sort((a, b) => a.key - b.key)) {
    writer.u16(key).u16(value.length).bytes(value)
  }
}

/**
 * Decodes ENCDNS_DIGEST_INFO. RFC 9464 §3.2.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Num Hash Algs |  ADN Length   |                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
 * ~                  Authentication Domain Name                   ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~     List of Hash Algorithm Identifiers, 2 octets each         ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                      Certificate Digest                       ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeDigestInfo(type: number, reader: Reader): EncryptedDnsDigestAttribute {
  const count = reader.u8('Num Hash Algs')
  const nameLength = reader.u8('ADN Length')
  const name = nameLength === 0 ? '' : decodeDomainName(reader.take(nameLength, 'Authentication Domain Name'), reader)
  const hashes = Array.from({ length: count }, () => reader.u16('Hash Algorithm Identifier'))
  const digest = reader.rest()
  if (digest.length > 0 && hashes.length !== 1) reader.fail(`a digest with ${hashes.length} hash algorithms`)
  return { kind: 'encrypted-dns-digest', type, hashes, name, digest }
}

export function encodeDigestInfo(value: EncryptedDnsDigestAttribute, writer: Writer): void {
  const { hashes, name, digest } = value
  if (hashes.length > 255) throw new UsageError('hashes', 'more than 255 do not fit')
  if (name !== '') checkDomainName(name)
  writer.u8(hashes.length).u8(name.length).bytes(encodeDomainName(name))
  for (const hash of hashes) writer.u16(hash)
  writer.bytes(digest)
}

/** In strictly rising order, without the hints that the addresses stand for. RFC 9460 §2.2, RFC 9464 §3.1. */
function decodeParameters(reader: Reader): ServiceParameter[] {
  const parameters: ServiceParameter[] = []
  let last = -1
  while (reader.remaining > 0) {
    const key = reader.u16('SvcParamKey')
    if (key <= last) reader.fail('the service parameters are not in rising order')
    if (key === SvcParamKey.ipv4hint || key === SvcParamKey.ipv6hint) reader.fail('an address hint is not allowed')
    last = key
    parameters.push({ key, value: reader.take(reader.u16('SvcParamValue length'), 'SvcParamValue') })
  }
  return parameters
}

/** How a resolver is asked, as its parameters say. */
export interface DnsService {
  /** `dot`, `h2`, `h3`, `doq`. RFC 9460 §7.1. */
  readonly alpn: readonly string[]
  /** Undefined: the protocol's own. */
  readonly port: number | undefined
  /** The URI template of DNS over HTTPS. RFC 9461 §5. */
  readonly dohPath: string | undefined
}

/** What the parameters say in words; those that are not as they should be are left out. */
export function serviceOf(parameters: readonly ServiceParameter[]): DnsService {
  const valueFor = (key: number) => parameters.find((one) => one.key === key)?.value
  const port = valueFor(SvcParamKey.port)
  const path = valueFor(SvcParamKey.dohpath)
  return {
    alpn: alpnIn(valueFor(SvcParamKey.alpn) ?? new Uint8Array(0)),
    port: port?.length === 2 ? (port[0]! << 8) | port[1]! : undefined,
    dohPath: path === undefined ? undefined : asciiOf(path),
  }
}

function alpnIn(value: Uint8Array): string[] {
  const found: string[] = []
  for (let at = 0; at < value.length; at += 1 + value[at]!) {
    const text = asciiOf(value.subarray(at + 1, at + 1 + value[at]!))
    if (text !== undefined && text !== '') found.push(text)
  }
  return found
}

const asciiOf = (octets: Uint8Array): string | undefined =>
  octets.every((octet) => octet > 0x20 && octet < 0x7f) ? String.fromCharCode(...octets) : undefined
