import { describe, expect, test } from 'vitest'
import { AppliedState } from '../../../src/endpoint/host/applied-state.ts'
import { chooseFirewall } from '../../../src/endpoint/host/firewall/choose.ts'
import { FirewallKeeper } from '../../../src/endpoint/host/firewall/firewall-keeper.ts'
import { iptablesTool } from '../../../src/endpoint/host/firewall/iptables.ts'
import { nftTool } from '../../../src/endpoint/host/firewall/nft.ts'
import type { SpoofingRules } from '../../../src/endpoint/host/firewall/rules.ts'
import { parseIp, parseRange } from '../../../src/ip/index.ts'
import { recordingLog, recordingRunner, withFolder } from './support.ts'

const rules: SpoofingRules = {
  device: 'swan0',
  networks: [parseRange('10.3.0.0/16'), parseRange('fd00:3::/64')],
  peers: [parseIp('10.3.9.9'), parseIp('203.0.113.9')],
  attached: [
    { device: 'eth1', network: '10.3.5.1/24' },
    { device: 'eth0', network: '192.0.2.1/24' },
    { device: 'swan0', network: '10.3.0.1/16' },
  ],
}

describe('nftables', () => {
  test('has one table, made anew in one transaction: the TUN device passes, then peers and networks of our own, the rest is dropped', async () => {
    const { run, calls } = recordingRunner()
    await nftTool(run).apply(rules)
    const lines = [
      'add table inet typeswan_swan0',
      'delete table inet typeswan_swan0',
      'add table inet typeswan_swan0',
      'add chain inet typeswan_swan0 spoofed { type filter hook prerouting priority -300; policy accept; }',
      'add rule inet typeswan_swan0 spoofed iifname { "lo", "swan0" } accept',
      'add rule inet typeswan_swan0 spoofed ip saddr 10.3.9.9 accept',
      'add rule inet typeswan_swan0 spoofed iifname "eth1" ip saddr 10.3.5.0/24 accept',
      'add rule inet typeswan_swan0 spoofed ip saddr 10.3.0.0/16 counter drop',
      'add rule inet typeswan_swan0 spoofed ip6 saddr fd00:3::/64 counter drop',
      '',
    ]
    expect(calls).toEqual([`nft -f - < ${JSON.stringify(lines.join('\n'))}`])
  })
})

describe('iptables', () => {
  test('fills a chain of each family and leads to it once', async () => {
    const { run, calls } = recordingRunner((line) => (line.includes(' -C ') ? { code: 1 } : {}))
    await iptablesTool(run).apply(rules)
    const v4 =
      '*raw\n:typeswan-swan0 - [0:0]\n-A typeswan-swan0 -i lo -j ACCEPT\n-A typeswan-swan0 -i swan0 -j ACCEPT\n-A typeswan-swan0 -s 10.3.9.9 -j ACCEPT\n-A typeswan-swan0 -i eth1 -s 10.3.5.0/24 -j ACCEPT\n-A typeswan-swan0 -s 10.3.0.0/16 -j DROP\nCOMMIT\n'
    expect(calls.slice(0, 3)).toEqual([
      `iptables-restore -w 5 --noflush < ${JSON.stringify(v4)}`,
      'iptables -w 5 -t raw -C PREROUTING -j typeswan-swan0',
      'iptables -w 5 -t raw -I PREROUTING -j typeswan-swan0',
    ])
    expect(calls[3]).toContain('-s fd00:3::/64 -j DROP')
    expect(calls).toHaveLength(6)
  })

  test('does not ask for ip6tables where nothing is to be protected', async () => {
    const { run } = recordingRunner((line) => (line.startsWith('ip6') ? { code: 127 } : {}))
    await iptablesTool(run).apply({ ...rules, networks: [parseRange('10.3.0.0/16')] })
  })

  test('takes the rule away before the chain', async () => {
    const { run, calls } = recordingRunner((line) => (line.startsWith('ip6') ? { code: 1 } : {}))
    await iptablesTool(run).revert('swan0')
    expect(calls).toEqual([
      'iptables -w 5 -t raw -S typeswan-swan0',
      'iptables -w 5 -t raw -D PREROUTING -j typeswan-swan0',
      'iptables -w 5 -t raw -F typeswan-swan0',
      'iptables -w 5 -t raw -X typeswan-swan0',
      'ip6tables -w 5 -t raw -S typeswan-swan0',
    ])
  })
})

test('nftables is chosen before iptables', () => {
  const { run } = recordingRunner()
  expect(chooseFirewall(run, () => true)?.name).toBe('nft')
  expect(chooseFirewall(run, (command) => command === 'iptables')?.name).toBe('iptables')
  expect(chooseFirewall(run, () => false)).toBeUndefined()
})

describe('the keeper', () => {
  const peer = parseIp('203.0.113.9')
  const keep = (folder: string, answer?: () => { code: number; stderr: string }) => {
    const { log, texts } = recordingLog()
    const { run, calls } = recordingRunner(answer)
    const state = new AppliedState(folder, log)
    const keeper = new FirewallKeeper({ tool: nftTool(run), device: 'swan0', log, state, attached: () => [] })
    return { keeper, calls, texts }
  }

  test('makes the rules once for all CHILD_SAs that come together, and again when one goes', () =>
    withFolder(async (folder) => {
      const { keeper, calls } = keep(folder)
      for (let i = 0; i < 50; i++) keeper.protect(`1/${i}`, { networks: [parseRange(`10.3.0.${i}`)], peer })
      await keeper.settled()
      expect(calls).toHaveLength(1)
      expect(calls[0]!.match(/counter drop/g)).toHaveLength(50)
      keeper.release('1/0')
      await keeper.settled()
      expect(calls[1]!.match(/counter drop/g)).toHaveLength(49)
      await keeper.close()
      expect(calls[2]).toBe('nft -f - < "add table inet typeswan_swan0\\ndelete table inet typeswan_swan0\\n"')
    }))

  test('makes none for a peer that stands for every address: all that comes from outside would be dropped', () =>
    withFolder(async (folder) => {
      const { keeper, calls } = keep(folder)
      keeper.protect('1/1', { networks: [parseRange('0.0.0.0/0'), parseRange('::/0')], peer })
      await keeper.settled()
      expect(calls).toEqual([])
    }))

  test('does nothing when a CHILD_SA takes the place of another with the same networks', () =>
    withFolder(async (folder) => {
      const { keeper, calls } = keep(folder)
      keeper.protect('1/1', { networks: [parseRange('10.3.0.0/16')], peer })
      await keeper.settled()
      keeper.protect('1/2', { networks: [parseRange('10.3.0.0/16')], peer })
      keeper.release('1/1')
      await keeper.settled()
      expect(calls).toHaveLength(1)
    }))

  test('says once when it cannot be done, and tries again with the next change', () =>
    withFolder(async (folder) => {
      const { keeper, calls, texts } = keep(folder, () => ({ code: 1, stderr: 'Operation not permitted' }))
      keeper.protect('1/1', { networks: [parseRange('10.3.0.0/16')], peer })
      await keeper.settled()
      keeper.protect('1/2', { networks: [parseRange('10.4.0.0/16')], peer })
      await keeper.settled()
      expect(calls).toHaveLength(2)
      expect(texts('warn')).toEqual([expect.stringContaining('Operation not permitted')])
    }))
})

describe('what a peer sends itself in transport mode', () => {
  const any = { first: 0, last: 65_535 }
  const l2tp = { first: 1701, last: 1701 }
  const peer = parseRange('192.0.2.9/32').start
  const hosts = [
    { peer, protocol: 17, sourcePort: any, destinationPort: l2tp },
    { peer, protocol: 47, sourcePort: any, destinationPort: any },
  ]

  test('is dropped in clear by nftables, in front of what lets the peer in', async () => {
    const { run, calls } = recordingRunner()
    await nftTool(run).apply({ ...rules, networks: [], hosts })
    expect(calls[0]).toContain(
      'spoofed ip saddr 192.0.2.9 meta l4proto 17 th dport 1701-1701 counter drop\\nadd rule inet typeswan_swan0 spoofed ip saddr 192.0.2.9 meta l4proto 47 counter drop',
    )
  })

  test('is dropped in clear by iptables', async () => {
    const { run, calls } = recordingRunner()
    await iptablesTool(run).apply({ ...rules, networks: [], hosts })
    expect(calls[0]).toContain('-s 192.0.2.9 -p 17 --dport 1701:1701 -j DROP')
    expect(calls[0]).toContain('-s 192.0.2.9 -p 47 -j DROP')
  })
})
