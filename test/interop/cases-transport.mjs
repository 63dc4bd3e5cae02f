// Transport mode between two of ours: this host's own packets to the peer are led into the TUN device, and what comes out of it is delivered.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hostAddresses, hostConfig, opposite, withHosts } from './hosts.mjs'
import { run, start, waitFor } from './processes.mjs'

const tcpPeer = fileURLToPath(new URL('tcp-peer.mjs', import.meta.url))
const datagrams = fileURLToPath(new URL('datagrams.mjs', import.meta.url))
const port = 5001
const octets = 5_000_000

/** `suffix` narrows the selectors, as in `[udp/1701]`. */
const transport = (suffix = '') => ({
  mode: 'transport',
  localTs: [`dynamic${suffix}`],
  remoteTs: [`dynamic${suffix}`],
})

function config(side, family, { nat, encap, suffix, directory }) {
  const made = hostConfig(side, family, { encap }, transport(suffix), { tun: { name: 'swan0', mtu: 1400 } })
  // The client's address is the NAT's.
  if (nat && side === 'server') made.connections.office.remote.address = '%any'
  return { ...made, stateFolder: `${directory}/${side}-state` }
}

/** Where a side's packets go to, as that side sees it. */
const target = (from, family, nat) =>
  nat && from === 'server' ? hostAddresses.server[family].replace(/2$/, '1') : hostAddresses[opposite(from)][family]

async function mustPing(hosts, from, to) {
  await waitFor('a first ping', async () => {
    const { code } = await hosts.in(from, 'ping', ['-c', '1', '-W', '1', to], { check: false })
    return code === 0
  })
  await hosts.in(from, 'ping', ['-c', '3', '-i', '0.2', '-W', '2', to])
}

async function mustTransfer(hosts, from, own, to) {
  const output = `${hosts.directory}/tcp-${from}.log`
  const words = ['netns', 'exec', hosts[opposite(from)], process.execPath, tcpPeer, 'receive', to, String(port)]
  const receiver = start('ip', words, output)
  await waitFor('the TCP receiver', () => existsSync(output) && readFileSync(output, 'utf8').includes('listening'))
  const sent = await hosts.in(from, process.execPath, [tcpPeer, 'send', own, to, String(port), String(octets)])
  await waitFor('the TCP receiver to end', () => receiver.result, 10_000)
  const received = JSON.parse(readFileSync(output, 'utf8').split('\n')[1])
  if (JSON.parse(sent.stdout).sha256 !== received.sha256) throw new Error('what came by TCP is not what was sent')
}

/** Datagrams to a port where the other side echoes them; long ones too. */
async function mustEcho(hosts, from, to, udpPort = 1701) {
  const output = `${hosts.directory}/udp-${from}-${udpPort}.log`
  const words = ['netns', 'exec', hosts[opposite(from)], process.execPath, datagrams, 'echo', to, String(udpPort)]
  const echo = start('ip', words, output)
  await waitFor('the echo', () => existsSync(output) && readFileSync(output, 'utf8').includes('listening'))
  try {
    await hosts.in(from, process.execPath, [datagrams, 'ask', to, String(udpPort)])
  } finally {
    echo.kill('SIGTERM')
    await echo.exited
  }
}

/** TCP, UDP and ping from the client, and nothing of it seen outside. */
const allTraffic =
  ({ family = 4, nat = false, encap = 'auto' }) =>
  (directory) =>
    withHosts(
      directory,
      { nat },
      (side) => config(side, family, { nat, encap, directory }),
      async (hosts, { client, server }) => {
        // Strict, as many distributions set it.
        for (const side of ['client', 'server'])
          await hosts.in(side, 'sysctl', ['-qw', 'net.ipv4.conf.all.rp_filter=1'])
        await server.start()
        await client.start()
        await client.established()
        for (const side of ['client', 'server']) {
          await waitFor('the rules', async () => (await rulesOf(hosts, side)).length > 0)
        }
        const outside = await hosts.capture('router', 'r2')
        const to = target('client', family, nat)
        await mustPing(hosts, 'client', to)
        if (!nat) await mustPing(hosts, 'server', target('server', family, nat))
        await mustTransfer(hosts, 'client', hostAddresses.client[family], to)
        await mustEcho(hosts, 'client', to)
        const { states } = await client.status()
        if (states.length !== 2) throw new Error(`${states.length} states`)
        const rows = await outside('not arp and not icmpv6.type >= 133', '_ws.col.Protocol', '_ws.col.Info')
        const clear = rows.filter(([protocol]) => !['ESP', 'ISAKMP', 'UDPENCAP'].includes(protocol))
        if (clear.length > 0) throw new Error(`in clear: ${clear[0].join(' ')}`)
        for (const peer of [client, server]) {
          const ended = await peer.stop()
          if (ended.code !== 0) throw new Error(`typeswan ended with ${JSON.stringify(ended)}`)
          await nothingLeft(hosts, peer.side)
        }
        const esp = rows.filter(([protocol]) => protocol === 'ESP').length
        return `ping, ${octets / 1e6} MB by TCP, UDP: ${esp} ESP packets ${nat ? 'in UDP' : 'without UDP'}, nothing in clear, all rules taken back`
      },
    )

async function rulesOf(hosts, side) {
  const texts = await Promise.all(['-4', '-6'].map((family) => run('ip', [family, '-n', hosts[side], 'rule'])))
  return texts.flatMap(({ stdout }) => stdout.split('\n')).filter((line) => line.startsWith('7296:'))
}

async function nothingLeft(hosts, side) {
  const rules = await rulesOf(hosts, side)
  if (rules.length > 0) throw new Error(`left at the ${side}: ${rules.join(', ')}`)
}

/** UDP 1701 alone, as L2TP: the rest stays outside; and a killed endpoint's rules are taken back by the next one. */
const onePort = (directory) =>
  withHosts(
    directory,
    {},
    (side) => config(side, 4, { encap: 'yes', suffix: '[udp/1701]', directory }),
    async (hosts, { client, server }) => {
      await server.start()
      await client.start()
      await client.established()
      await waitFor('the rules', async () => (await rulesOf(hosts, 'client')).length === 1)
      const outside = await hosts.capture('router', 'r2', 'icmp or udp')
      await mustEcho(hosts, 'client', hostAddresses.server[4])
      await mustPing(hosts, 'client', hostAddresses.server[4])
      const rows = await outside('ip', '_ws.col.Protocol', 'udp.dstport')
      if (rows.some(([, to]) => to === '1701')) throw new Error('UDP 1701 was seen in clear')
      // Whoever forges the peer's address, outside.
      const { stdout } = await hosts.in('server', 'nft', ['list', 'ruleset'])
      if (!/ip saddr 10\.92\.1\.2 .*dport 1701.* drop/.test(stdout))
        throw new Error(`no rule against clear text: ${stdout}`)
      if (!rows.some(([protocol]) => protocol === 'ICMP')) throw new Error('ping did not stay outside')
      await client.stop('SIGKILL')
      if ((await rulesOf(hosts, 'client')).length !== 1) throw new Error('a killed endpoint took its rule back')
      const left = readdirSync(`${directory}/client-state`)
      await client.start()
      await client.established()
      await waitFor('the rules', async () => (await rulesOf(hosts, 'client')).length === 1)
      await mustEcho(hosts, 'client', hostAddresses.server[4])
      await client.stop()
      await nothingLeft(hosts, 'client')
      return `UDP 1701 goes in ESP, ping does not; after SIGKILL ${left.length} note of what to take back, and it was taken back`
    },
  )

export const transportCases = [
  { name: 'transport over IPv4', body: allTraffic({}) },
  { name: 'transport over IPv6', body: allTraffic({ family: 6 }) },
  { name: 'transport through a NAT', body: allTraffic({ nat: true }) },
  { name: 'transport of UDP 1701 alone, and a killed endpoint', body: onePort },
]
