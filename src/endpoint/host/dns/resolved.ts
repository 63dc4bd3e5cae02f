import { type CommandRunner, mustRun } from '../run-command.ts'
import type { DnsBackend, DnsGroup, TlsServer } from './dns-backend.ts'

/**
 * systemd-resolved: servers and domains belong to the TUN device. A domain with `~` in front sends questions without being tried as an ending
 * of short names; `~.` is every name. Servers over TLS take the place of plain ones of their gateway; how all servers of a device are asked
 * is one setting, so that beside a gateway without TLS it is only tried.
 */
export function resolvedBackend(run: CommandRunner): DnsBackend {
  let hadTls = false
  return {
    name: 'resolved',
    canTls: true,
    async apply(device, groups) {
      const servers = unique(groups.flatMap(serversOf))
      const isForAll = groups.some(({ domains }) => domains.length === 0)
      const domains = unique(groups.flatMap((group) => group.domains)).map((domain) => `~${domain}`)
      const withTls = groups.filter(({ tls = [] }) => tls.length > 0).length
      if (hadTls && withTls === 0) await mustRun(run, 'resolvectl', ['revert', device])
      hadTls = withTls > 0
      // First, so that no question leaves in the clear.
      const mode = withTls === groups.length ? 'yes' : 'opportunistic'
      if (hadTls) await mustRun(run, 'resolvectl', ['dnsovertls', device, mode])
      await mustRun(run, 'resolvectl', ['dns', device, ...servers])
      await mustRun(run, 'resolvectl', ['domain', device, ...domains, ...(isForAll ? ['~.'] : [])])
      await mustRun(run, 'resolvectl', ['default-route', device, isForAll ? 'yes' : 'no'])
    },
    async revert(device) {
      const { code, stderr } = await run('resolvectl', ['revert', device])
      // With the device, what resolved knows of it is gone.
      if (code === 0 || /No such device|not found|Unknown interface|Failed to resolve interface/i.test(stderr)) return
      await mustRun(run, 'resolvectl', ['revert', device])
    },
  }
}

/** `address[:port]#name`, as in resolved.conf(5). */
const serversOf = ({ servers, tls = [] }: DnsGroup): readonly string[] =>
  tls.length === 0 ? servers : tls.map((one) => `${addressAndPort(one)}#${one.name}`)

function addressAndPort({ address, port }: TlsServer): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

export const unique = (texts: readonly string[]): string[] => [...new Set(texts)]
