// IKE and ESP in TCP (RFC 9329) between two of ours, where the router drops all UDP and ESP.
import { hostAddresses, hostConfig, opposite, withHosts } from './hosts.mjs'
import { waitFor } from './processes.mjs'

const tunnel = (side) => ({
  localTs: [hostAddresses[side].net],
  remoteTs: [hostAddresses[opposite(side)].net],
})

function configOf(side, family, tcp) {
  const device = { tun: { name: 'swan0', mtu: 1400, addresses: [`${hostAddresses[side].inner}/32`] } }
  const config = hostConfig(side, family, side === 'client' ? { tcp } : {}, tunnel(side), device)
  if (side === 'server') config.listen.tcpPort = 4500
  return config
}

const blockUdp =
  'table inet block { chain forward { type filter hook forward priority 0; meta l4proto { udp, esp } drop; }; }'

async function ping(hosts, from) {
  const words = [
    '-c',
    '3',
    '-i',
    '0.2',
    '-W',
    '2',
    '-I',
    hostAddresses[from].inner,
    hostAddresses[opposite(from)].inner,
  ]
  const { stdout } = await hosts.in(from, 'ping', words, { check: false })
  return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0)
}

const mustPing = async (hosts, from) => {
  if ((await ping(hosts, from)) !== 3) throw new Error(`ping from the ${from} lost packets`)
}

/** The router forgets the connection and tells both ends that it is gone, as some firewalls do. */
async function cutConnections(hosts) {
  await hosts.in('server', 'ss', ['-K', 'sport', '=', ':4500'])
}

const tcpCase = (family, tcp, nat) => (directory) =>
  withHosts(
    directory,
    { nat },
    (side) => configOf(side, family, tcp),
    async (hosts, { client, server }) => {
      await hosts.in('router', 'nft', [blockUdp])
      const capture = await hosts.capture('router', 'r2', 'tcp')
      await server.start()
      await client.start()
      await client.established()
      await waitFor('a first ping', async () => (await ping(hosts, 'client')) > 0)
      await mustPing(hosts, 'client')
      await mustPing(hosts, 'server')
      const before = (await client.status()).states.map(({ spi }) => spi).sort()
      await cutConnections(hosts)
      await waitFor('another connection', () => (client.log().match(/goes over TCP/g) ?? []).length > 1)
      await mustPing(hosts, 'client')
      await mustPing(hosts, 'server')
      const { states, tcp: counters } = await client.status()
      const after = states.map(({ spi }) => spi).sort()
      if (after.join() !== before.join()) throw new Error(`the SAs are others: ${before} ${after}`)
      await client.stop()
      await server.stop()
      const rows = await capture('tcpencap', 'tcp.stream', '_ws.col.Protocol', 'esp.spi', 'isakmp.exchangetype')
      const malformed = rows.filter(([, name]) => /malformed/i.test(name))
      if (malformed.length > 0) throw new Error(`tshark: ${malformed.length} malformed`)
      const esp = rows.filter(([, , spi]) => spi !== '').length
      const ike = rows.filter(([, , , exchange]) => exchange !== '').length
      const streams = new Set(rows.map(([stream]) => stream)).size
      if (esp < 12 || ike < 4 || streams < 2)
        throw new Error(`tshark sees ${ike} IKE, ${esp} ESP in ${streams} streams`)
      return `${counters.opened} connections, ${ike} segments with IKE and ${esp} with ESP, read by tshark as tcpencap; the SAs stood`
    },
  )

export const tcpCases = [
  { name: 'tcp fallback with UDP blocked', body: tcpCase(4, { mode: 'fallback', after: '1s' }, false) },
  { name: 'tcp alone over IPv6', body: tcpCase(6, { mode: 'always' }, false) },
  { name: 'tcp fallback behind a NAT', body: tcpCase(4, { mode: 'fallback', after: '1s' }, true) },
]
