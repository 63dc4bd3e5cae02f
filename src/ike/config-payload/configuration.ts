import { equalBytes } from '../../bytes/index.ts'
import type { IpAddress } from '../../ip/address.ts'
import { rangeOfPrefix } from '../../ip/prefix.ts'
import type { AddressRange } from '../../ip/range.ts'
import type { ConfigurationAttribute } from '../codec/cp.ts'
import { CfgAttribute } from '../codec/numbers.ts'
import { type AttributeValue, attributeName, decodeAttribute } from './attribute.ts'
import {
  type DnsService,
  type EncryptedDnsAttribute,
  type EncryptedDnsDigestAttribute,
  serviceOf,
} from './encrypted-dns.ts'

/** What a gateway gave us in its CFG_REPLY. RFC 7296 §3.15. */
export interface Configuration {
  /** Ours inside the tunnel, one of each family at most. */
  readonly addresses: readonly IpAddress[]
  /** Resolvers. */
  readonly dns: readonly IpAddress[]
  /** Names that those resolvers are for; none: they are for all. RFC 8598. */
  readonly domains: readonly SplitDomain[]
  /** What is behind the gateway. */
  readonly subnets: readonly AddressRange[]
  readonly encryptedDns: readonly EncryptedDns[]
  /** NetBIOS name servers, and DHCP servers to ask further. */
  readonly nbns: readonly IpAddress[]
  readonly dhcp: readonly IpAddress[]
  /** Of the internal network of an IPv4 address. */
  readonly netmask: IpAddress | undefined
  /** Of the peer's software. */
  readonly version: string | undefined
  /** Attributes that are not known here, as they came. */
  readonly unknown: readonly ConfigurationAttribute[]
  /** What was passed over, each with the reason, for people. */
  readonly ignored: readonly string[]
}

/** A name whose questions, and those below it, go to the gateway's resolvers. RFC 8598 §3.2. */
export interface SplitDomain {
  readonly name: string
  readonly trustAnchors: readonly TrustAnchor[]
}

/** The fields of a DS record. RFC 8598 §4.2, RFC 4034 §5.1. */
export interface TrustAnchor {
  readonly keyTag: number
  readonly algorithm: number
  readonly digestType: number
  readonly digest: Uint8Array
}

/** A resolver that is asked over TLS, HTTPS or QUIC. RFC 9464. */
export interface EncryptedDns extends DnsService {
  /** What its certificate has to name. */
  readonly name: string
  readonly addresses: readonly IpAddress[]
  /** The lowest is asked first. */
  readonly priority: number
  /** Of its SubjectPublicKeyInfo; `hash` is of the registry of RFC 7427. */
  readonly digests: readonly { readonly hash: number; readonly digest: Uint8Array }[]
}

/** What the attributes of a CFG_REPLY come to. Copies. RFC 7296 §3.15.1, RFC 8598 §3, RFC 9464 §4. */
export function readConfiguration(attributes: readonly ConfigurationAttribute[]): Configuration {
  const ignored: string[] = []
  const values: AttributeValue[] = []
  for (const attribute of attributes) {
    const value = decodeAttribute(attribute)
    if (value.kind === 'malformed') ignored.push(value.reason)
    else if (value.kind !== 'empty') values.push(value)
  }
  const dns = addressesIn(values, CfgAttribute.INTERNAL_IP4_DNS, CfgAttribute.INTERNAL_IP6_DNS)
  const encryptedDns = encryptedDnsIn(values, ignored)
  return {
    addresses: givenAddresses(values, ignored),
    dns,
    domains: domainsIn(values, dns.length + encryptedDns.length > 0, ignored),
    subnets: subnetsIn(values),
    encryptedDns,
    nbns: addressesIn(values, CfgAttribute.INTERNAL_IP4_NBNS),
    dhcp: addressesIn(values, CfgAttribute.INTERNAL_IP4_DHCP, CfgAttribute.INTERNAL_IP6_DHCP),
    netmask: addressesIn(values, CfgAttribute.INTERNAL_IP4_NETMASK)[0],
    version: values.find((value) => value.kind === 'text')?.text,
    unknown: values.flatMap((value) => (value.kind === 'unknown' ? [{ type: value.type, value: value.value }] : [])),
    ignored,
  }
}

/** The first good one of each family. */
function givenAddresses(values: readonly AttributeValue[], ignored: string[]): IpAddress[] {
  const given: IpAddress[] = []
  for (const value of values) {
    const isAddress =
      value.type === CfgAttribute.INTERNAL_IP4_ADDRESS || value.type === CfgAttribute.INTERNAL_IP6_ADDRESS
    if (!isAddress || !('address' in value)) continue
    const { address, type } = value
    if (!isHostAddress(address)) ignored.push(`${attributeName(type)}: is no address of a host`)
    else if (given.some(({ length }) => length === address.length))
      ignored.push(`${attributeName(type)}: a second address of its family`)
    else given.push(address)
  }
  return given
}

/** False for what no host can have: unspecified, loopback, multicast and broadcast addresses. */
export function isHostAddress(address: IpAddress): boolean {
  const first = address[0]!
  if (address.length === 4) return first !== 0 && first !== 127 && first < 224
  const isLow = address.subarray(0, 15).every((octet) => octet === 0) && address[15]! <= 1
  return !isLow && first !== 0xff
}

function addressesIn(values: readonly AttributeValue[], ...types: number[]): IpAddress[] {
  const found: IpAddress[] = []
  for (const value of values) {
    if (value.kind !== 'address' || !types.includes(value.type)) continue
    if (!found.some((known) => equalBytes(known, value.address))) found.push(value.address)
  }
  return found
}

const subnetTypes: readonly number[] = [CfgAttribute.INTERNAL_IP4_SUBNET, CfgAttribute.INTERNAL_IP6_SUBNET]

const subnetsIn = (values: readonly AttributeValue[]): AddressRange[] =>
  values.flatMap((value) =>
    value.kind === 'prefix' && subnetTypes.includes(value.type) ? [rangeOfPrefix(value.address, value.bits)] : [],
  )

/** A trust anchor belongs to the domain right before it. Without a resolver domains say nothing. RFC 8598 §3.2, RFC 9464 §4. */
function domainsIn(values: readonly AttributeValue[], hasResolver: boolean, ignored: string[]): SplitDomain[] {
  const domains: SplitDomain[] = []
  let anchors: TrustAnchor[] | undefined
  for (const value of values) {
    if (value.kind === 'domain') {
      anchors = []
      domains.push({ name: value.name, trustAnchors: anchors })
    } else if (value.kind === 'trust-anchor' && anchors !== undefined) {
      const { keyTag, algorithm, digestType, digest } = value
      anchors.push({ keyTag, algorithm, digestType, digest })
    } else {
      anchors = undefined
      if (value.kind === 'trust-anchor') ignored.push('INTERNAL_DNSSEC_TA: does not follow a domain (RFC 8598 §4.2)')
    }
  }
  if (hasResolver || domains.length === 0) return domains
  ignored.push('INTERNAL_DNS_DOMAIN: no resolver came with it (RFC 8598 §3.2)')
  return []
}

function encryptedDnsIn(values: readonly AttributeValue[], ignored: string[]): EncryptedDns[] {
  const digests = values.filter((value) => value.kind === 'encrypted-dns-digest')
  const resolvers: EncryptedDnsAttribute[] = []
  for (const value of values) {
    if (value.kind !== 'encrypted-dns') continue
    if (value.addresses.length > 0 && value.name !== '') resolvers.push(value)
    else ignored.push(`${attributeName(value.type)}: has no ${value.name === '' ? 'name' : 'address'} (RFC 9464 §3.1)`)
  }
  return resolvers
    .map((resolver) => ({
      name: resolver.name,
      addresses: resolver.addresses,
      priority: resolver.priority,
      digests: digestsFor(resolver, digests),
      ...serviceOf(resolver.parameters),
    }))
    .sort((a, b) => a.priority - b.priority)
}

function digestsFor(
  { name }: EncryptedDnsAttribute,
  digests: readonly EncryptedDnsDigestAttribute[],
): EncryptedDns['digests'] {
  return digests
    .filter((one) => one.digest.length > 0 && (one.name === '' || one.name.toLowerCase() === name.toLowerCase()))
    .map(({ hashes, digest }) => ({ hash: hashes[0]!, digest }))
}
