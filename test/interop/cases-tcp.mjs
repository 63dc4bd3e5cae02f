// IKE and ESP in TCP (RFC 9329) between two of ours, where the router drops all UDP and ESP.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hostAddresses, hostConfig, opposite, withHosts } from './hosts.mjs'
import { run, waitFor } from './processes.mjs'

const prefix = '494b45544350'

const tunnel = (side) => ({
  localTs: [hostAddresses[side].net],
  remoteTs: [hostAddresses[opposite(side)].net],
})

function configOf(side, family, tcp, nat) {
  const device = { tun: { name: 'swan0', mtu: 1400, addresses: [`${hostAddresses[side].inner}/32`] } }
  const config = hostConfig(side, family, side === 'client' ? { tcp } : {}, tunnel(side), device)
  if (side === 'server') {
    config.listen.tcpPort = 4500
    if (nat) delete config.connections.office.remote.address
  }
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

const twin = fileURLToPath(new URL('../nat-t/tcp-framing-twin.py', import.meta.url))

/**
 * tshark 4.0 knows the TCP encapsulation of Cisco, not that of RFC 9329: the twin in Python takes the streams apart, and tshark gets
 * their messages as UDP. Counts of what it makes of them.
 */
async function readStreams(segments, directory) {
  const directions = new Map()
  for (const [stream, port, payload] of segments) {
    const key = `${stream} ${port}`
    directions.set(key, (directions.get(key) ?? (port === '4500' ? prefix : '')) + payload)
  }
  const lines = [...directions.values()].map((hex) => `unpack ${hex}`)
  const { stdout } = spawnSync('python3', [twin], { input: lines.join('\n'), encoding: 'utf8', maxBuffer: 1e8 })
  const messages = []
  for (const line of stdout.trimEnd().split('\n')) {
    const words = line.split(' ')
    // What was under way when the connection was cut is not whole.
    if (!['ok', 'partial'].includes(words.pop())) throw new Error(`a stream ends with ${line.slice(-40)}`)
    messages.push(...words.map((word) => (word.startsWith('i:') ? `00000000${word.slice(2)}` : word.slice(2))))
  }
  const dump = messages.map((hex) => `0000 ${hex.match(/../g).join(' ')}\n`).join('\n')
  writeFileSync(`${directory}/messages.txt`, dump)
  await run('text2pcap', ['-q', '-u', '4500,4500', `${directory}/messages.txt`, `${directory}/messages.pcap`])
  const fields = ['-T', 'fields', '-e', 'isakmp.exchangetype', '-e', 'esp.spi', '-e', '_ws.malformed']
  const read = await run('tshark', ['-n', '-r', `${directory}/messages.pcap`, ...fields])
  const rows = read.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
  const malformed = rows.filter(([, , bad]) => bad !== '')
  if (malformed.length > 0) throw new Error(`${malformed.length} malformed`)
  return {
    ike: rows.filter(([exchange]) => exchange !== '').length,
    esp: rows.filter(([, spi]) => spi !== '').length,
    streams: new Set(segments.map(([stream]) => stream)).size,
  }
}

const tcpCase = (family, tcp, nat) => (directory) =>
  withHosts(
    directory,
    { nat },
    (side) => configOf(side, family, tcp, nat),
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
      const segments = await capture('tcp.len > 0', 'tcp.stream', 'tcp.srcport', 'tcp.payload')
      const { ike, esp, streams } = await readStreams(segments, directory)
      if (esp < 12 || ike < 4 || streams < 2)
        throw new Error(`on the wire: ${ike} IKE, ${esp} ESP in ${streams} streams`)
      return `${counters.opened} connections, ${ike} IKE and ${esp} ESP messages on the wire, read by tshark; the SAs stood`
    },
  )

export const tcpCases = [
  { name: 'tcp fallback with UDP blocked', body: tcpCase(4, { mode: 'fallback', after: '1s' }, false) },
  { name: 'tcp alone over IPv6', body: tcpCase(6, { mode: 'always' }, false) },
  { name: 'tcp fallback behind a NAT', body: tcpCase(4, { mode: 'fallback', after: '1s' }, true) },
]
