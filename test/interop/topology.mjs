// Three network namespaces, client -- router -- server, joined by veth pairs; optionally the client is behind a NAT.
import { run } from './processes.mjs'

/** Of the TCP and UDP that goes through the tunnel. */
export const transferPort = 5001

/** Outer addresses of the two peers, and the inner ones that the tunnel joins. */
export const addresses = {
  client: { outer: '10.91.1.2', inner: '10.91.101.1', net: '10.91.101.0/24' },
  server: { outer: '10.91.2.2', inner: '10.91.102.1', net: '10.91.102.0/24' },
}
export const identities = { client: 'client.example.org', server: 'server.example.org' }
/** Where the client goes when it moves. */
export const movedAddress = '10.91.1.3'
/** A second address that the server can have. */
export const otherServerAddress = '10.91.2.3'
/** The network of each side that a CHILD_SA joins: `net` has the inner addresses, the further ones have none. */
export const childNet = (side, name) => (name === 'net' ? addresses[side].net : furtherNets[name][side])
const furtherNets = {
  second: { client: '10.91.103.0/24', server: '10.91.104.0/24' },
  /** The same selectors once more. */
  parallel: { client: addresses.client.net, server: addresses.server.net },
  third: { client: '10.91.105.0/24', server: '10.91.106.0/24' },
}
/** Selectors of one side: its network; with `ports`, so many single UDP ports at the client, which make messages long. */
export function selectors(side, settings, name = 'net') {
  const net = childNet(side, name)
  if (settings.ports === undefined) return [net]
  if (side === 'server') return [`${net}[udp]`]
  return [
    `${net}[udp/${transferPort}]`,
    ...Array.from({ length: settings.ports }, (_, i) => `${net}[udp/${20_000 + 2 * i}]`),
  ]
}
export const other = (side) => (side === 'client' ? 'server' : 'client')

/** Four zero octets behind the UDP header. */
const ikeOnly = ['INPUT', '-p', 'udp', '--dport', '4500', '-m', 'u32', '--u32', '0>>22&0x3C@8=0', '-j', 'DROP']
let count = 0

export class Topology {
  constructor(nat) {
    const prefix = `tsi${process.pid}-${count++}`
    this.nat = nat
    this.client = `${prefix}c`
    this.router = `${prefix}r`
    this.server = `${prefix}s`
  }

  /** Runs a command inside a namespace. */
  in(namespace, command, args = [], options = {}) {
    return run('ip', ['netns', 'exec', namespace, command, ...args], options)
  }

  async create() {
    const { client, router, server } = this
    for (const namespace of [client, router, server]) {
      await run('ip', ['netns', 'add', namespace])
      await this.batch(namespace, ['link set lo up'])
      await this.in(namespace, 'sysctl', ['-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0'])
    }
    await run('ip', ['link', 'add', 'c0', 'netns', client, 'type', 'veth', 'peer', 'name', 'r1', 'netns', router])
    await run('ip', ['link', 'add', 's0', 'netns', server, 'type', 'veth', 'peer', 'name', 'r2', 'netns', router])
    await this.batch(client, ['addr add 10.91.1.2/24 dev c0', 'link set c0 up', 'route add default via 10.91.1.1'])
    await this.batch(server, ['addr add 10.91.2.2/24 dev s0', 'link set s0 up', 'route add default via 10.91.2.1'])
    await this.batch(router, ['addr add 10.91.1.1/24 dev r1', 'link set r1 up'])
    await this.batch(router, ['addr add 10.91.2.1/24 dev r2', 'link set r2 up'])
    await this.in(router, 'sysctl', ['-qw', 'net.ipv4.ip_forward=1'])
    if (this.nat) await this.in(router, 'iptables', ['-t', 'nat', '-A', 'POSTROUTING', '-o', 'r2', '-j', 'MASQUERADE'])
    await this.in(client, 'ping', ['-c', '1', '-W', '2', addresses.server.outer])
  }

  /** Gives the client a second outer address, which it keeps when the first one goes. */
  async addClientAddress() {
    await this.in(this.client, 'sysctl', ['-qw', 'net.ipv4.conf.all.promote_secondaries=1'])
    await this.batch(this.client, [`addr add ${movedAddress}/24 dev c0`])
  }

  /** Both peers hear no IKE behind the non-ESP marker, but ESP, until `releaseIke`. The router sees what they say. */
  async holdIke() {
    for (const side of [this.client, this.server]) await this.in(side, 'iptables', ['-A', ...ikeOnly])
  }

  async releaseIke() {
    for (const side of [this.client, this.server]) await this.in(side, 'iptables', ['-D', ...ikeOnly])
  }

  async addServerAddress() {
    await this.batch(this.server, [`addr add ${otherServerAddress}/24 dev s0`])
  }

  async moveClient() {
    await this.batch(this.client, [
      `addr del ${addresses.client.outer}/24 dev c0`,
      'route replace default via 10.91.1.1',
    ])
  }

  /** The NAT gives other ports to what passes it from now on. */
  async rebindNat() {
    const rule = ['-t', 'nat', '-R', 'POSTROUTING', '1', '-o', 'r2', '-p', 'udp', '-j', 'MASQUERADE', '--to-ports']
    this.rebound = (this.rebound ?? 40_000) + 1000
    await this.in(this.router, 'iptables', [...rule, `${this.rebound}-${this.rebound + 99}`])
    await this.in(this.router, 'conntrack', ['-F'])
  }

  async batch(namespace, lines) {
    for (const line of lines) await run('ip', ['-n', namespace, ...line.split(' ')])
  }

  async destroy() {
    for (const namespace of [this.client, this.router, this.server]) {
      await run('ip', ['netns', 'del', namespace], { check: false })
    }
  }
}
