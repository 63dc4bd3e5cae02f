import { type CommandRunner, mustRun } from '../run-command.ts'
import type { DnsBackend } from './dns-backend.ts'
import { unique } from './resolved.ts'

/**
 * openresolv, or Debian's resolvconf: lines of a resolv.conf under the device's name. That file cannot say which names a server is for: all
 * questions go to the pushed servers first, and the domains are tried as endings of short names.
 */
export function resolvconfBackend(run: CommandRunner): DnsBackend {
  return {
    name: 'resolvconf',
    async apply(device, groups) {
      const domains = unique(groups.flatMap((group) => group.domains))
      const servers = unique(groups.flatMap((group) => group.servers))
      const lines = servers.map((server) => `nameserver ${server}`)
      if (domains.length > 0) lines.unshift(`search ${domains.join(' ')}`)
      await mustRun(run, 'resolvconf', ['-a', device], { input: `${lines.join('\n')}\n` })
    },
    async revert(device) {
      // Forced, because an entry that is not there counts as taken back. Debian's knows no -f, and needs none.
      const forced = await run('resolvconf', ['-f', '-d', device])
      if (forced.code !== 0) await mustRun(run, 'resolvconf', ['-d', device])
    },
  }
}
