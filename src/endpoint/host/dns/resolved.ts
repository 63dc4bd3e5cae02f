import { type CommandRunner, mustRun } from '../run-command.ts'
import type { DnsBackend } from './dns-backend.ts'

/**
 * systemd-resolved: servers and domains belong to the TUN device. A domain with `~` in front sends questions without being tried as an ending
 * of short names; `~.` is every name.
 */
export function resolvedBackend(run: CommandRunner): DnsBackend {
  return {
    name: 'resolved',
    async apply(device, groups) {
      const servers = unique(groups.flatMap((group) => group.servers))
      const isForAll = groups.some(({ domains }) => domains.length === 0)
      const domains = unique(groups.flatMap((group) => group.domains)).map((domain) => `~${domain}`)
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

export const unique = (texts: readonly string[]): string[] => [...new Set(texts)]
