import { UsageError } from '../errors.ts'
import { CfgAttribute, type ConfigurationAttribute } from '../ike/codec/index.ts'
import { encodeAttribute } from '../ike/config-payload/attribute.ts'
import type { EncryptedDns, SplitDomain } from '../ike/config-payload/configuration.ts'
import { type ServiceParameter, SvcParamKey } from '../ike/config-payload/encrypted-dns.ts'
import type { IpAddress } from '../ip/address.ts'
import { prefixLength } from '../ip/prefix.ts'
import type { AddressRange } from '../ip/range.ts'

/** What a gateway tells its peers besides their addresses. RFC 7296 §3.15.1, RFC 8598, RFC 9464. */
export interface PoolAttributes {
  readonly dns?: readonly IpAddress[]
  readonly nbns?: readonly IpAddress[]
  /** Of the network that IPv4 addresses are in; told only with one. */
  readonly netmask?: IpAddress
  /** What is behind the gateway; each is one prefix. */
  readonly subnets?: readonly AddressRange[]
  /** Names for which peers ask `dns`; it must not be empty then. */
  readonly domains?: readonly (string | SplitDomain)[]
  readonly encryptedDns?: readonly EncryptedDns[]
  /** Further ones, as they stand in the payload. */
  readonly attributes?: readonly ConfigurationAttribute[]
}

/** The attributes of a CFG_REPLY. Throws `UsageError` for what no payload can say. */
export function poolAttributes(told: PoolAttributes): ConfigurationAttribute[] {
  const { dns = [], nbns = [], netmask, subnets = [], domains = [], encryptedDns = [], attributes = [] } = told
  // RFC 8598 §3.2.
  if (domains.length > 0 && dns.length + encryptedDns.length === 0)
    throw new UsageError('domains', 'need a DNS server that is asked for them')
  // RFC 9464 §3.2: a digest says whose it is only where there are several names.
  const hasNames = new Set(encryptedDns.map(({ name }) => name.toLowerCase())).size > 1
  return [
    ...dns.map((address) => addressAttribute(address, CfgAttribute.INTERNAL_IP4_DNS, CfgAttribute.INTERNAL_IP6_DNS)),
    ...nbns.map((address) => encodeAttribute({ kind: 'address', type: CfgAttribute.INTERNAL_IP4_NBNS, address })),
    ...(netmask === undefined
      ? []
      : [encodeAttribute({ kind: 'address', type: CfgAttribute.INTERNAL_IP4_NETMASK, address: netmask })]),
    ...subnets.map(subnetAttribute),
    ...domains.flatMap((domain) =>
      domainAttributes(typeof domain === 'string' ? { name: domain, trustAnchors: [] } : domain),
    ),
    ...encryptedDns.flatMap((resolver) => encryptedDnsAttributes(resolver, hasNames)),
    ...attributes,
  ]
}

const addressAttribute = (address: IpAddress, type4: number, type6: number): ConfigurationAttribute =>
  encodeAttribute({ kind: 'address', type: address.length === 4 ? type4 : type6, address })

function subnetAttribute(range: AddressRange): ConfigurationAttribute {
  const bits = prefixLength(range)
  if (bits < 0) throw new UsageError('subnets', 'each has to be one prefix')
  const type = range.start.length === 4 ? CfgAttribute.INTERNAL_IP4_SUBNET : CfgAttribute.INTERNAL_IP6_SUBNET
  return encodeAttribute({ kind: 'prefix', type, address: range.start, bits })
}

/** Trust anchors follow their domain. RFC 8598 §4.2. */
const domainAttributes = ({ name, trustAnchors }: SplitDomain): ConfigurationAttribute[] => [
  encodeAttribute({ kind: 'domain', type: CfgAttribute.INTERNAL_DNS_DOMAIN, name }),
  ...trustAnchors.map((anchor) =>
    encodeAttribute({ kind: 'trust-anchor', type: CfgAttribute.INTERNAL_DNSSEC_TA, ...anchor }),
  ),
]

/** One attribute for each family of addresses, and one for each digest. */
function encryptedDnsAttributes(resolver: EncryptedDns, hasNames: boolean): ConfigurationAttribute[] {
  const { name, addresses, priority, digests } = resolver
  const parameters = parametersOf(resolver)
  const families = [
    { type: CfgAttribute.ENCDNS_IP4, bytes: 4 },
    { type: CfgAttribute.ENCDNS_IP6, bytes: 16 },
  ]
  const ofFamilies = families.flatMap(({ type, bytes }) => {
    const own = addresses.filter(({ length }) => length === bytes)
    const value = { kind: 'encrypted-dns', type, priority, addresses: own, name, parameters } as const
    return own.length === 0 ? [] : [encodeAttribute(value)]
  })
  const type = CfgAttribute.ENCDNS_DIGEST_INFO
  return [
    ...ofFamilies,
    ...digests.map(({ hash, digest }) =>
      encodeAttribute({ kind: 'encrypted-dns-digest', type, hashes: [hash], name: hasNames ? name : '', digest }),
    ),
  ]
}

function parametersOf({ alpn, port, dohPath }: EncryptedDns): ServiceParameter[] {
  const text = new TextEncoder()
  const protocols = alpn.flatMap((protocol) => [protocol.length, ...text.encode(protocol)])
  return [
    ...(protocols.length === 0 ? [] : [{ key: SvcParamKey.alpn, value: Uint8Array.from(protocols) }]),
    ...(port === undefined ? [] : [{ key: SvcParamKey.port, value: Uint8Array.of(port >>> 8, port & 0xff) }]),
    ...(dohPath === undefined ? [] : [{ key: SvcParamKey.dohpath, value: text.encode(dohPath) }]),
  ]
}
