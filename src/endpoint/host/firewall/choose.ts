import { type CommandRunner, hasCommand } from '../run-command.ts'
import type { FirewallTool } from './firewall-tool.ts'
import { iptablesTool } from './iptables.ts'
import { nftTool } from './nft.ts'

/** nftables where its command is there, else iptables; undefined when neither is. */
export function chooseFirewall(
  run: CommandRunner,
  isThere: (command: string) => boolean = hasCommand,
): FirewallTool | undefined {
  if (isThere('nft')) return nftTool(run)
  return isThere('iptables') ? iptablesTool(run) : undefined
}

/** The tool of a name, to take back what a process that has ended did with it. */
export const firewallOf = (name: string, run: CommandRunner): FirewallTool =>
  name === 'iptables' ? iptablesTool(run) : nftTool(run)
