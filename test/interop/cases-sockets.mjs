// ESP without UDP, and what outer IP headers say, between two of ours.
import { hostAddresses, hostConfig, opposite, withHosts } from './hosts.mjs'
import { waitFor } from './processes.mjs'

const tunnel = (side) => ({
  localTs: [hostAddresses[side].net],
  remoteTs: [hostAddresses[opposite(side)].net],
})

const device = (side) => ({ tun: { name: 'swan0', mtu: 1400, addresses: [`${hostAddresses[side].inner}/32`] } })

async function ping(hosts, from, ...words) {
  const target = hostAddresses[opposite(from)].inner
  const source = ['-I', hostAddresses[from].inner]
  const { stdout } = await hosts.in(from, 'ping', ['-c', '2', '-i', '0.2', '-W', '2', ...source, ...words, target], {
    check: false,
  })
  return { answered: Number(/(\d+) received/.exec(stdout)?.[1] ?? 0), stdout }
}

async function mustPing(hosts, from, ...words) {
  const { answered, stdout } = await ping(hosts, from, ...words)
  if (answered !== 2) throw new Error(`ping ${words.join(' ')} from the ${from}: ${stdout}`)
}

/** Routes come a moment after the CHILD_SA. */
const carries = (hosts) => waitFor('a first ping', async () => (await ping(hosts, 'client')).answered > 0)

const expectAll = (what, rows, right) => {
  if (rows.length === 0) throw new Error(`${what}: nothing was seen`)
  const wrong = rows.find((row) => !right(row))
  if (wrong !== undefined) throw new Error(`${what}: ${wrong.join(' ')}`)
}

/** ESP as IP protocol 50, both ways, and no ICMP error about it. */
const plainCase = (family, encap) => (directory) =>
  withHosts(
    directory,
    {},
    (side) => hostConfig(side, family, { encap }, tunnel(side), device(side)),
    async (hosts, { client, server }) => {
      const outer = await hosts.capture('router', 'r2')
      await server.start()
      await client.start()
      await client.established()
      await carries(hosts)
      await mustPing(hosts, 'client')
      await mustPing(hosts, 'server')
      const { udp, ikeSas, states } = await client.status()
      if (udp.plainEsp !== true || ikeSas[0].encap || states.some((state) => state.encap !== null)) {
        throw new Error(`status: ${JSON.stringify({ udp, ikeSas, states })}`)
      }
      const fields = family === 4 ? ['ip.proto', 'ip.src'] : ['ipv6.nxt', 'ipv6.src']
      const rows = await outer(
        'esp or (icmp and icmp.type == 3) or (icmpv6 and icmpv6.type < 128)',
        ...fields,
        '_ws.col.Protocol',
      )
      expectAll('on the wire', rows, ([protocol, , name]) => protocol === '50' && name === 'ESP')
      if (new Set(rows.map(([, source]) => source)).size !== 2) throw new Error('ESP went one way only')
      return `${rows.length} packets of protocol 50, read by tshark as ESP, both ways; no ICMP error about them`
    },
  )

/** DSCP and ECN go out, congestion comes back in, DF follows the inner packet, and an ICMP error lowers the MTU inside. */
const headerCase = (encap) => (directory) =>
  withHosts(
    directory,
    {},
    (side) => hostConfig(side, 4, { encap }, tunnel(side), device(side)),
    async (hosts, { client, server }) => {
      await server.start()
      await client.start()
      await client.established()
      await carries(hosts)
      const isEsp = encap === 'yes' ? 'udp.port == 4500 and esp' : 'esp'
      const fromClient = `${isEsp} and ip.src == ${hostAddresses.client[4]}`

      const dscp = await hosts.capture('router', 'r1')
      await mustPing(hosts, 'client', '-Q', '0xb8')
      expectAll('DSCP outside', await dscp(fromClient, 'ip.dsfield'), ([field]) => Number(field) === 0xb8)

      const whole = await hosts.capture('router', 'r1')
      await mustPing(hosts, 'client', '-M', 'do')
      expectAll(
        'DF outside',
        await whole(fromClient, 'ip.flags.df', 'ip.ttl'),
        ([df, ttl]) => /^(1|True)$/.test(df) && ttl === '64',
      )
      const divisible = await hosts.capture('router', 'r1')
      await mustPing(hosts, 'client', '-M', 'dont')
      expectAll('no DF outside', await divisible(fromClient, 'ip.flags.df'), ([df]) => /^(0|False)$/.test(df))

      // A router marks congestion, as a queue would.
      const marked = ['-s', hostAddresses.client[4], '-j', 'TOS', '--set-tos', '0x03/0x03']
      await hosts.in('router', 'iptables', ['-t', 'mangle', '-A', 'FORWARD', ...marked])
      const inside = await hosts.capture('server', 'swan0')
      await mustPing(hosts, 'client', '-Q', '0x02')
      await hosts.in('router', 'iptables', ['-t', 'mangle', '-F', 'FORWARD'])
      const echo = `icmp.type == 8 and ip.src == ${hostAddresses.client.inner}`
      expectAll('ECN inside', await inside(echo, 'ip.dsfield'), ([field]) => Number(field) === 0x03)

      await hosts.ip('router', 'link set r2 mtu 1300')
      await hosts.ip('server', 'link set s0 mtu 1300')
      await waitFor('a packet too long to be told of inside', async () => {
        const { stdout } = await ping(hosts, 'client', '-M', 'do', '-s', '1300')
        return /mtu ?= ?\d+/.test(stdout)
      })
      await mustPing(hosts, 'client', '-M', 'dont', '-s', '1300')
      return 'DSCP and DF go out, congestion comes in, ICMP "too big" lowers the MTU inside'
    },
  )

export const socketCases = [
  { name: 'sockets plain ESP over IPv4, encap auto', body: plainCase(4, 'auto') },
  { name: 'sockets plain ESP over IPv6, encap auto', body: plainCase(6, 'auto') },
  { name: 'sockets plain ESP over IPv4, encap no', body: plainCase(4, 'no') },
  { name: 'sockets outer headers of ESP in UDP', body: headerCase('yes') },
  { name: 'sockets outer headers of plain ESP', body: headerCase('no') },
]
