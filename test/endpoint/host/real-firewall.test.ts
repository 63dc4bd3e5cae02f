import { afterEach, describe, expect, test } from 'vitest'
import type { FirewallTool } from '../../../src/endpoint/host/firewall/firewall-tool.ts'
import { iptablesTool } from '../../../src/endpoint/host/firewall/iptables.ts'
import { nftTool } from '../../../src/endpoint/host/firewall/nft.ts'
import type { CommandRunner } from '../../../src/endpoint/host/run-command.ts'
import { parseIp, parseRange } from '../../../src/ip/index.ts'
import { missing, type Namespace, openNamespace } from './namespaces.ts'

const spaces: Namespace[] = []

afterEach(async () => {
  await Promise.all(spaces.splice(0).map((space) => space.close()))
})

const tools: [string, (run: CommandRunner) => FirewallTool][] = [
  ['nft', nftTool],
  ['iptables', iptablesTool],
]

describe.each(tools)('the real %s', (command, open) => {
  const cannot = missing(command, 'ping')

  test.skipIf(cannot !== undefined)(
    `drops forged inner sources from the outside, and nothing else, until it is taken back${cannot ? ` (${cannot})` : ''}`,
    async () => {
      const [us, stranger] = [await openNamespace(), await openNamespace()]
      spaces.push(us, stranger)
      await us.sh(`ip link add v0 type veth peer name v0 netns ${stranger.pid}
        ip addr add 192.0.2.1/24 dev v0; ip -6 addr add 2001:db8::1/64 dev v0 nodad; ip link set v0 up
        ip route add 10.3.0.0/16 via 192.0.2.2; ip -6 route add fd00:3::/64 via 2001:db8::2
        sysctl -qw net.ipv4.conf.all.rp_filter=0`)
      await stranger.sh(`ip addr add 192.0.2.2/24 dev v0; ip -6 addr add 2001:db8::2/64 dev v0 nodad; ip link set v0 up
        ip addr add 10.3.0.5/32 dev lo; ip addr add 10.3.9.9/32 dev lo; ip -6 addr add fd00:3::5/128 dev lo nodad`)
      const answered = async (source: string, target = '192.0.2.1') =>
        (await stranger.run('ping', ['-c', '1', '-W', '1', '-I', source, target])).code === 0
      const all = async () => [
        await answered('192.0.2.2'),
        await answered('10.3.0.5'),
        await answered('10.3.9.9'),
        await answered('fd00:3::5', '2001:db8::1'),
      ]
      await expect.poll(() => answered('2001:db8::2', '2001:db8::1'), { timeout: 5_000 }).toBe(true)
      expect(await all()).toEqual([true, true, true, true])
      const tool = open(us.run)
      const networks = [parseRange('10.3.0.0/16'), parseRange('fd00:3::/64')]
      const rules = { device: 'swan0', networks, peers: [parseIp('10.3.9.9')], attached: [] }
      await tool.apply(rules)
      // Once more, as for another CHILD_SA: nothing doubles.
      await tool.apply(rules)
      expect(await all()).toEqual([true, false, true, false])
      await tool.revert('swan0')
      expect(await all()).toEqual([true, true, true, true])
      await tool.revert('swan0')
    },
  )
})
