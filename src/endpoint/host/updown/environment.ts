import { formatIdentity } from '../../../ike/auth/identity.ts'
import type { ChildSaStatus, IkeSaStatus } from '../../../ike/events.ts'
import { parseTrafficSelector } from '../../../ike/negotiation/traffic-selector-text.ts'
import { formatIp, type IpAddress, prefixLength, rangeOfPrefix } from '../../../ip/index.ts'
import type { AddressRange } from '../../../xfrm/port.ts'
import { formatPrefix, prefixesOfRange } from '../../prefixes.ts'
import type { Pushed } from '../pushed.ts'

/** What a script is told about. */
export interface UpDownSubject {
  readonly ike: IkeSaStatus
  readonly child: ChildSaStatus
  readonly pushed: Pushed
  /** Name of the TUN device. */
  readonly device: string
}

export type Environment = Readonly<Record<string, string>>

/**
 * The environments for one CHILD_SA: a script is run once for each pair of a local and a remote selector of one family. The names are those that
 * scripts for strongSwan (PLUTO_*) and for racoon (INTERNAL_*, ...) read. Every value is safe to stand unquoted in a shell: see `safe`.
 */
export function upDownEnvironments(direction: 'up' | 'down', subject: UpDownSubject): Environment[] {
  const common = {
    ...ikeVariables(subject),
    ...sourceVariables(subject.pushed),
    ...racoonVariables(subject),
    ...encryptedDnsVariables(subject.pushed),
  }
  const environments: Environment[] = []
  for (const local of subject.child.localTs.map(selectorOf)) {
    for (const remote of subject.child.remoteTs.map(selectorOf)) {
      if (local === undefined || remote === undefined || local.bytes !== remote.bytes) continue
      const isHost = local.client === hostPrefix(subject.ike.local.address)
      const verb = `${direction}-${isHost ? 'host' : 'client'}${local.bytes === 16 ? '-v6' : ''}`
      const clients = {
        PLUTO_VERB: verb,
        ...clientVariables('PLUTO_MY', local),
        ...clientVariables('PLUTO_PEER', remote),
      }
      environments.push({ ...common, ...clients })
    }
  }
  return environments
}

function ikeVariables({ ike, child, device }: UpDownSubject): Environment {
  return {
    PLUTO_VERSION: '1.1',
    PLUTO_CONNECTION: safe(ike.sa.connection),
    PLUTO_INTERFACE: device,
    PLUTO_REQID: String(child.reqid),
    PLUTO_PROTO: 'esp',
    PLUTO_UNIQUEID: String(ike.sa.id),
    PLUTO_ME: formatIp(ike.local.address),
    PLUTO_MY_ID: safe(formatIdentity(ike.localId)),
    PLUTO_PEER: formatIp(ike.remote.address),
    PLUTO_PEER_ID: ike.remoteId === undefined ? '' : safe(formatIdentity(ike.remoteId)),
    ...(ike.auth.eapIdentity === undefined ? {} : { PLUTO_XAUTH_ID: safe(ike.auth.eapIdentity) }),
    PLUTO_MARK_IN: '',
    PLUTO_MARK_OUT: '',
    PLUTO_IF_ID_IN: '0',
    PLUTO_IF_ID_OUT: '0',
    ...(ike.encap ? { PLUTO_UDP_ENC: String(ike.remote.port) } : {}),
    TYPESWAN_CHILD: safe(child.name),
  }
}

/** Ours as initiator, the peer's as responder, with their number behind; the first one also without. */
function sourceVariables({ role, addresses, dns }: Pushed): Environment {
  const whose = role === 'initiator' ? 'PLUTO_MY_SOURCEIP' : 'PLUTO_PEER_SOURCEIP'
  const first = addresses[0]
  return {
    ...(first === undefined ? {} : { [whose]: formatIp(first) }),
    ...numbered(`${whose}4_`, v4(addresses)),
    ...numbered(`${whose}6_`, v6(addresses)),
    ...numbered('PLUTO_DNS4_', v4(dns)),
    ...numbered('PLUTO_DNS6_', v6(dns)),
  }
}

function racoonVariables({ ike, pushed }: UpDownSubject): Environment {
  const { addresses, dns, domains, subnets, nbns = [], netmask: mask } = pushed
  const [address4] = v4(addresses)
  const [address6] = v6(addresses)
  const dns4 = v4(dns).map(formatIp)
  const dns6 = v6(dns).map(formatIp)
  const prefixes = subnets.flatMap(prefixesOfRange)
  const split4 = prefixes.filter(({ address }) => address.length === 4)
  const split6 = prefixes.filter(({ address }) => address.length === 16)
  return {
    LOCAL_ADDR: formatIp(ike.local.address),
    LOCAL_PORT: String(ike.local.port),
    REMOTE_ADDR: formatIp(ike.remote.address),
    REMOTE_PORT: String(ike.remote.port),
    REMOTE_ID: ike.remoteId === undefined ? '' : safe(formatIdentity(ike.remoteId)),
    INTERNAL_ADDR4: address4 === undefined ? '' : formatIp(address4),
    INTERNAL_NETMASK4: address4 === undefined ? '' : formatIp(mask ?? netmaskOf(32)),
    INTERNAL_CIDR4: address4 === undefined ? '' : String(bitsOf(mask ?? netmaskOf(32))),
    INTERNAL_DNS4: dns4[0] ?? '',
    INTERNAL_DNS4_LIST: dns4.join(' '),
    INTERNAL_WINS4: nbns[0] === undefined ? '' : formatIp(nbns[0]),
    INTERNAL_WINS4_LIST: nbns.map(formatIp).join(' '),
    INTERNAL_ADDR6: address6 === undefined ? '' : formatIp(address6),
    INTERNAL_DNS6: dns6[0] ?? '',
    INTERNAL_DNS6_LIST: dns6.join(' '),
    DEFAULT_DOMAIN: safe(domains[0] ?? ''),
    DNS_DOMAINS: domains.map(safe).join(' '),
    SPLIT_INCLUDE: split4.map(({ address, bits }) => `${formatIp(address)}/${netmask(bits)}`).join(' '),
    SPLIT_INCLUDE_CIDR: split4.map(formatPrefix).join(' '),
    SPLIT_INCLUDE6_CIDR: split6.map(formatPrefix).join(' '),
    SPLIT_LOCAL: '',
    SPLIT_LOCAL_CIDR: '',
  }
}

/** Names of ours: what there is has none elsewhere. RFC 9464. */
function encryptedDnsVariables({ encryptedDns = [] }: Pushed): Environment {
  const variables = encryptedDns.map(({ name, addresses, alpn, port, dohPath }, at): Environment => {
    const prefix = `TYPESWAN_ENCDNS${at + 1}`
    return {
      [`${prefix}_NAME`]: safe(name),
      [`${prefix}_ADDRESSES`]: addresses.map(formatIp).join(' '),
      [`${prefix}_ALPN`]: alpn.map(safe).join(' '),
      ...(port === undefined ? {} : { [`${prefix}_PORT`]: String(port) }),
      ...(dohPath === undefined ? {} : { [`${prefix}_PATH`]: safe(dohPath) }),
    }
  })
  return Object.assign({}, ...variables) as Environment
}

interface Selector {
  readonly client: string
  readonly bytes: number
  readonly protocol: number
  readonly port: string
}

/** The selector as a prefix: a range that is none, by the smallest one around it. Undefined for a type that is no addresses. */
function selectorOf(text: string): Selector | undefined {
  const selector = parse(text)
  if (selector === undefined) return undefined
  const { startAddress, endAddress, protocol, startPort, endPort } = selector
  const isAny = startPort === 0 && endPort === 0xffff
  const port = isAny ? '0' : startPort === endPort ? String(startPort) : `${startPort}:${endPort}`
  const client = formatPrefix(prefixAround({ start: startAddress, end: endAddress }))
  return { client, bytes: startAddress.length, protocol, port }
}

function parse(text: string): ReturnType<typeof parseTrafficSelector> | undefined {
  try {
    return parseTrafficSelector(text)
  } catch {
    return undefined
  }
}

function prefixAround(range: AddressRange): { address: IpAddress; bits: number } {
  let bits = 8 * range.start.length
  while (bits > 0) {
    const around = rangeOfPrefix(range.start, bits)
    if (prefixLength(range) === bits || compare(around.end, range.end) >= 0) break
    bits--
  }
  return { address: rangeOfPrefix(range.start, bits).start, bits }
}

function compare(a: IpAddress, b: IpAddress): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}

const clientVariables = (name: string, { client, protocol, port }: Selector): Environment => ({
  [`${name}_CLIENT`]: client,
  [`${name}_PROTOCOL`]: String(protocol),
  [`${name}_PORT`]: port,
})

const numbered = (name: string, addresses: readonly IpAddress[]): Environment =>
  Object.fromEntries(addresses.map((address, at) => [`${name}${at + 1}`, formatIp(address)]))

const v4 = (addresses: readonly IpAddress[]) => addresses.filter(({ length }) => length === 4)
const v6 = (addresses: readonly IpAddress[]) => addresses.filter(({ length }) => length === 16)
const hostPrefix = (address: IpAddress) => `${formatIp(address)}/${8 * address.length}`
const netmaskOf = (bits: number): IpAddress => rangeOfPrefix(new Uint8Array(4).fill(255), bits).start
const netmask = (bits: number) => formatIp(netmaskOf(bits))
const bitsOf = (mask: IpAddress): number => prefixLength({ start: mask, end: netmaskOf(32) })

const maxValue = 256

/**
 * Text that a peer chose, with `_` for everything but letters, digits, spaces and the marks of names, addresses and distinguished names: a
 * script that forgets its quotes runs nothing of it, and a `-` in front is no option.
 */
export function safe(text: string): string {
  return text
    .slice(0, maxValue)
    .replaceAll(/[^A-Za-z0-9 .,:@=+/_-]/g, '_')
    .replace(/^-/, '_')
}
