import { formatIp } from '../../../ip/index.ts'
import type { PortRange } from '../../../xfrm/port.ts'
import { type CommandRunner, mustRun } from '../run-command.ts'
import type { FirewallTool } from './firewall-tool.ts'
import { type HostTraffic, type RuleWords, wordsOf } from './rules.ts'

/** iptables and ip6tables: a chain of our own for each device in the table `raw`, filled at once, and a rule that leads to it. */
export function iptablesTool(run: CommandRunner): FirewallTool {
  return {
    name: 'iptables',
    async apply(rules) {
      await applyFamily(run, 'iptables', wordsOf(rules, 4))
      await applyFamily(run, 'ip6tables', wordsOf(rules, 16))
    },
    async revert(device) {
      await revertFamily(run, 'iptables', device)
      await revertFamily(run, 'ip6tables', device)
    },
  }
}

type Command = 'iptables' | 'ip6tables'

/** At most 28 octets, of which the device has 15. */
const chainOf = (device: string): string => `typeswan-${device}`

const table = ['-w', '5', '-t', 'raw']

async function applyFamily(run: CommandRunner, command: Command, words: RuleWords): Promise<void> {
  // Where a family has nothing to protect, its command need not be there.
  if (words.drop.length === 0 && words.hosts.length === 0) return revertFamily(run, command, words.device)
  const chain = chainOf(words.device)
  const rules = [
    '-i lo -j ACCEPT',
    `-i ${words.device} -j ACCEPT`,
    ...words.hosts.map((host) => `-s ${formatIp(host.peer)} ${trafficWords(host)} -j DROP`),
    ...words.accept.map(({ source, device }) => `${device === undefined ? '' : `-i ${device} `}-s ${source} -j ACCEPT`),
    ...words.drop.map((prefix) => `-s ${prefix} -j DROP`),
  ]
  // A chain that is declared is emptied, in the same transaction that fills it.
  const lines = ['*raw', `:${chain} - [0:0]`, ...rules.map((rule) => `-A ${chain} ${rule}`), 'COMMIT']
  await mustRun(run, `${command}-restore`, ['-w', '5', '--noflush'], { input: `${lines.join('\n')}\n` })
  const there = await run(command, [...table, '-C', 'PREROUTING', '-j', chain])
  if (there.code !== 0) await mustRun(run, command, [...table, '-I', 'PREROUTING', '-j', chain])
}

function trafficWords({ protocol, sourcePort, destinationPort }: HostTraffic): string {
  const ports = (word: string, { first, last }: PortRange) =>
    first === 0 && last === 65_535 ? '' : ` --${word} ${first}:${last}`
  return `-p ${protocol}${ports('sport', sourcePort)}${ports('dport', destinationPort)}`
}

async function revertFamily(run: CommandRunner, command: Command, device: string): Promise<void> {
  const chain = chainOf(device)
  if ((await run(command, [...table, '-S', chain])).code !== 0) return
  await run(command, [...table, '-D', 'PREROUTING', '-j', chain])
  await mustRun(run, command, [...table, '-F', chain])
  await mustRun(run, command, [...table, '-X', chain])
}
