import { isIP } from 'node:net'

/** Name servers of one IKE_SA, and the names that are to be asked of them; no domains: all names. Texts. */
export interface DnsGroup {
  readonly servers: readonly string[]
  readonly domains: readonly string[]
  /** Resolvers that are asked over TLS in their place, where the backend can. RFC 7858, RFC 9464. */
  readonly tls?: readonly TlsServer[]
}

/** `name`: what its certificate has to name. `port`: undefined for 853. */
export interface TlsServer {
  readonly address: string
  readonly port: number | undefined
  readonly name: string
}

/** One way to tell the machine about name servers. A call puts the whole of what is given in the place of what was there from us. */
export interface DnsBackend {
  readonly name: DnsBackendName
  /** It can ask over TLS, and checks the name. */
  readonly canTls?: boolean
  /** Never called with an empty list. Throws `PlatformError`. */
  apply(device: string, groups: readonly DnsGroup[]): Promise<void>
  /** Takes back all that `apply` did, also what another process did that has ended. Throws `PlatformError`. */
  revert(device: string): Promise<void>
}

export type DnsBackendName = 'resolved' | 'resolvconf' | 'dnsmasq'

/** RFC 1035 §2.3.1, with the underscore that is in use; each label 63 octets, all 253. */
const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const domainName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`)

/**
 * The group with nothing in it but IP addresses and domain names, as they are written in configuration files: it comes from a peer. A dot
 * at the end goes. `refused` has the rest.
 */
export function checkedGroup(group: DnsGroup): { readonly group: DnsGroup; readonly refused: readonly string[] } {
  const domains = group.domains.map((domain) => domain.replace(/\.$/, '').toLowerCase())
  const isDomain = (domain: string) => domainName.test(domain) && isIP(domain) === 0
  const servers = group.servers.filter((server) => isIP(server) !== 0)
  return {
    group: { servers, domains: domains.filter(isDomain) },
    refused: [...domains.filter((domain) => !isDomain(domain)), ...group.servers.filter((one) => isIP(one) === 0)],
  }
}
