import { AddressPools, leaseIdentity, type PoolConfig, parsePoolRange } from '../credentials/pool.ts'
import { UsageError } from '../errors.ts'
import { parseIdentity } from '../ike/auth/identity.ts'
import type { EncryptedDns } from '../ike/config-payload/configuration.ts'
import { checkDomainName } from '../ike/config-payload/domain-name.ts'
import { type IpAddress, parseIp } from '../ip/address.ts'
import { parseRange, prefixLength } from '../ip/prefix.ts'
import type { AddressRange } from '../ip/range.ts'
import type { Section } from './section.ts'

const addressRule = 'an IP address'

/** The entries of `pools`, checked against each other too. */
export function readPools(root: Section): PoolConfig[] {
  const users = new Set(root.section('eapUsers').names())
  const pools = root
    .section('pools')
    .sections()
    .map(({ name, section }) => readPool(name, section, users))
  // Overlaps between pools, and what no payload can say.
  pools.forEach((_, at) => {
    root.attempt(
      ['pools', pools[at]!.name],
      () => new AddressPools(pools.slice(0, at + 1)),
      'ranges of its own, and domains only with dns',
    )
  })
  return pools
}

function readPool(name: string, section: Section, users: ReadonlySet<string>): PoolConfig {
  const ranges = section.parsedList('addresses', parsePoolRange, 'such as 10.3.0.0/24 or 10.3.0.10-10.3.0.99') ?? []
  const reserved = readReserved(section, users)
  const isSaid = (section.texts('addresses')?.length ?? 0) > 0
  if (!isSaid && reserved.length === 0) {
    section.problem('addresses', 'is missing, and static has none either', 'such as 10.3.0.0/24')
  }
  return {
    name,
    ranges,
    reserved,
    dns: section.parsedList('dns', parseIp, addressRule) ?? [],
    nbns: section.parsedList('wins', parseIpv4, 'an IPv4 address') ?? [],
    ...readNetmask(section),
    encryptedDns: (section.list('encryptedDns') ?? []).map(readEncryptedDns),
    subnets: section.parsedList('subnets', parsePrefix, 'a prefix such as 10.1.0.0/16') ?? [],
    domains: section.parsedList('domains', parseDomain, 'a domain name such as corp.example.org') ?? [],
  }
}

/** `static`: one address, or one of each family, by identity. A user of EAP is known by its exact name. */
function readReserved(section: Section, users: ReadonlySet<string>): { identity: string; address: IpAddress }[] {
  const given = section.section('static')
  return given.names().flatMap((name) => {
    const identity = given.attempt(
      [...given.path, name],
      () => (users.has(name) ? name : leaseIdentity({ id: parseIdentity(name) })),
      'an identity such as alice@example.org, or a user of EAP',
    )
    const one = given.parsed(name, parseIp, addressRule)
    const addresses = one === undefined ? (given.parsedList(name, parseIp, addressRule) ?? []) : [one]
    return identity === undefined ? [] : addresses.map((address) => ({ identity, address }))
  })
}

function readNetmask(section: Section): { netmask?: IpAddress } {
  const netmask = section.parsed('netmask', parseNetmask, 'an IPv4 netmask such as 255.255.255.0')
  return netmask === undefined ? {} : { netmask }
}

/** What is wrong with the name of one is told by the pool as a whole. RFC 9464. */
function readEncryptedDns(section: Section, at: number): EncryptedDns {
  return {
    name: section.parsed('name', parseDomain, 'a domain name such as dns.example.org') ?? '',
    addresses: section.parsedList('addresses', parseIp, addressRule) ?? [],
    priority: section.number('priority') ?? at + 1,
    alpn: section.texts('alpn')?.map(({ text }) => text) ?? ['dot'],
    port: section.number('port'),
    dohPath: section.text('dohPath'),
    digests: [],
  }
}

function parseNetmask(text: string): IpAddress {
  const mask = parseIpv4(text)
  if (prefixLength({ start: mask, end: Uint8Array.of(255, 255, 255, 255) }) < 0)
    throw new UsageError('netmask', `"${text}" is not a netmask`)
  return mask
}

function parseIpv4(text: string): IpAddress {
  const address = parseIp(text)
  if (address.length !== 4) throw new UsageError('address', `"${text}" is not an IPv4 address`)
  return address
}

function parsePrefix(text: string): AddressRange {
  const range = parseRange(text)
  if (prefixLength(range) < 0) throw new UsageError('range', `"${text}" is not one prefix`)
  return range
}

function parseDomain(text: string): string {
  checkDomainName(text)
  return text
}
