import { type CommandRunner, mustRun } from '../run-command.ts'
import type { FirewallTool } from './firewall-tool.ts'
import { type RuleWords, wordsOf } from './rules.ts'

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

function chainRules(family: 'ip' | 'ip6', words: RuleWords): string[] {
  if (words.drop.length === 0) return []
  return [
    ...words.accept.map(
      ({ source, device }) => `${device === undefined ? '' : `iifname "${device}" `}${family} saddr ${source} accept`,
    ),
    ...words.drop.map((prefix) => `${family} saddr ${prefix} counter drop`),
  ]
}
