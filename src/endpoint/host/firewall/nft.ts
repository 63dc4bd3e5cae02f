import { formatIp } from '../../../ip/index.ts'
import type { PortRange } from '../../../xfrm/port.ts'
import { type CommandRunner, mustRun } from '../run-command.ts'
import type { FirewallTool } from './firewall-tool.ts'
import { type HostTraffic, type RuleWords, wordsOf } from './rules.ts'

/** nftables: a table of our own for each device, replaced as a whole in one transaction. */
export function nftTool(run: CommandRunner): FirewallTool {
  return {
    name: 'nft',
    async apply(rules) {
      const table = tableOf(rules.device)
      const body = [...chainRules('ip', wordsOf(rules, 4)), ...chainRules('ip6', wordsOf(rules, 16))]
      const lines = [
        // Adding first lets the deletion succeed where there is none yet.
        `add table ${table}`,
        `delete table ${table}`,
        `add table ${table}`,
        // Priority of `raw`: before connections are tracked.
        `add chain ${table} spoofed { type filter hook prerouting priority -300; policy accept; }`,
        `add rule ${table} spoofed iifname { "lo", "${rules.device}" } accept`,
        ...body.map((rule) => `add rule ${table} spoofed ${rule}`),
      ]
      await mustRun(run, 'nft', ['-f', '-'], { input: `${lines.join('\n')}\n` })
    },
    async revert(device) {
      const table = tableOf(device)
      await mustRun(run, 'nft', ['-f', '-'], { input: `add table ${table}\ndelete table ${table}\n` })
    },
  }
}

const tableOf = (device: string): string => `inet typeswan_${device.replaceAll(/[^A-Za-z0-9_]/g, '_')}`

function trafficWords({ protocol, sourcePort, destinationPort }: HostTraffic): string {
  const ports = (word: string, { first, last }: PortRange) =>
    first === 0 && last === 65_535 ? '' : ` th ${word} ${first}-${last}`
  return `meta l4proto ${protocol}${ports('sport', sourcePort)}${ports('dport', destinationPort)}`
}

function chainRules(family: 'ip' | 'ip6', words: RuleWords): string[] {
  return [
    ...words.hosts.map((host) => `${family} saddr ${formatIp(host.peer)} ${trafficWords(host)} counter drop`),
    ...words.accept.map(
      ({ source, device }) => `${device === undefined ? '' : `iifname "${device}" `}${family} saddr ${source} accept`,
    ),
    ...words.drop.map((prefix) => `${family} saddr ${prefix} counter drop`),
  ]
}
