// Two hosts with a router between them, in namespaces, with IPv4 and IPv6; and a Typeswan on each, for what needs sockets and rules of the host.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, start, stop, waitFor } from './processes.mjs'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
let count = 0

/** Outer addresses by family, and those inside of a tunnel. */
export const hostAddresses = {
  client: { 4: '10.92.1.2', 6: 'fd92:1::2', inner: '10.92.101.1', net: '10.92.101.0/24' },
  server: { 4: '10.92.2.2', 6: 'fd92:2::2', inner: '10.92.102.1', net: '10.92.102.0/24' },
}
const router = { client: { 4: '10.92.1.1', 6: 'fd92:1::1' }, server: { 4: '10.92.2.1', 6: 'fd92:2::1' } }
export const opposite = (side) => (side === 'client' ? 'server' : 'client')

export class Hosts {
  constructor(directory, { nat = false } = {}) {
    const prefix = `tsh${process.pid}-${count++}`
    this.directory = directory
    this.nat = nat
    this.client = `${prefix}c`
    this.router = `${prefix}r`
    this.server = `${prefix}s`
    this.links = { client: ['c0', 'r1'], server: ['s0', 'r2'] }
    mkdirSync(directory, { recursive: true })
  }

  in(side, program, args = [], options = {}) {
    return run('ip', ['netns', 'exec', this[side], program, ...args], options)
  }

  async create() {
    for (const side of ['client', 'router', 'server']) {
      await run('ip', ['netns', 'add', this[side]])
      await this.ip(side, 'link set lo up')
      await this.in(side, 'sysctl', ['-qw', 'net.ipv6.conf.default.accept_dad=0'])
    }
    for (const side of ['client', 'server']) {
      const [own, far] = this.links[side]
      await run('ip', [
        'link',
        'add',
        own,
        'netns',
        this[side],
        'type',
        'veth',
        'peer',
        'name',
        far,
        'netns',
        this.router,
      ])
      for (const family of [4, 6]) {
        const bits = family === 4 ? 24 : 64
        await this.ip(side, `addr add ${hostAddresses[side][family]}/${bits} dev ${own}`)
        await this.ip('router', `addr add ${router[side][family]}/${bits} dev ${far}`)
      }
      await this.ip(side, `link set ${own} up`)
      await this.ip('router', `link set ${far} up`)
      for (const family of [4, 6]) await this.ip(side, `-${family} route add default via ${router[side][family]}`)
    }
    await this.in('router', 'sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    if (this.nat)
      await this.in('router', 'iptables', ['-t', 'nat', '-A', 'POSTROUTING', '-o', 'r2', '-j', 'MASQUERADE'])
    await this.in('client', 'ping', ['-c', '1', '-W', '2', hostAddresses.server[4]])
    await this.in('client', 'ping', ['-c', '1', '-W', '2', hostAddresses.server[6]])
  }

  ip(side, words) {
    return run('ip', ['-n', this[side], ...words.split(' ')])
  }

  /** Writes what passes `device` of a side; `stop()` ends it and resolves to its lines in tshark's `fields`. */
  async capture(side, device, filter = '') {
    const file = `${this.directory}/${side}-${device}-${count++}.pcap`
    const log = `${file}.log`
    const words = ['-n', '-U', '--immediate-mode', '-i', device, '-w', file, ...(filter === '' ? [] : [filter])]
    const child = start('ip', ['netns', 'exec', this[side], 'tcpdump', ...words], log)
    await waitFor('tcpdump', () => existsSync(log) && /listening on/.test(readFileSync(log, 'utf8')))
    return async (display, ...fields) => {
      await stop(child, 'SIGINT')
      const shown = fields.flatMap((field) => ['-e', field])
      const { stdout } = await run('tshark', ['-n', '-r', file, '-Y', display, '-T', 'fields', ...shown])
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('\t'))
    }
  }

  async destroy() {
    for (const side of ['client', 'router', 'server']) await run('ip', ['netns', 'del', this[side]], { check: false })
  }
}

/** `typeswan up` on one of the hosts. */
export class HostPeer {
  constructor(hosts, side, config) {
    this.hosts = hosts
    this.side = side
    this.directory = `${hosts.directory}/${side}`
    mkdirSync(this.directory, { recursive: true })
    this.logFile = `${this.directory}/typeswan.log`
    this.control = `${this.directory}/control.sock`
    this.file = `${this.directory}/typeswan.json`
    writeFileSync(this.file, JSON.stringify({ control: this.control, ...config }, null, 2), { mode: 0o600 })
  }

  async start(env = {}) {
    const words = ['netns', 'exec', this.hosts[this.side], process.execPath, command, 'up', '--config', this.file]
    this.process = start('ip', words, this.logFile, env)
    await waitFor('typeswan up', () => this.process.result ?? / listening at /.test(this.log()))
    if (this.process.result) throw new Error(`typeswan ended:\n${this.log()}`)
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  async status() {
    const words = ['netns', 'exec', this.hosts[this.side], process.execPath, command, 'status', '--json']
    return JSON.parse((await run('ip', [...words, '--control', this.control])).stdout)
  }

  async established() {
    await waitFor(
      `a CHILD_SA at the ${this.side}`,
      () => this.process.result ?? / CHILD_SA \S+.* established/.test(this.log()),
    )
    if (this.process.result) throw new Error('typeswan ended')
  }

  async stop(signal = 'SIGTERM') {
    return this.process === undefined ? undefined : stop(this.process, signal)
  }
}

/** Hosts with a Typeswan on each side, whose configurations `configOf(side)` makes, for as long as `body` takes. */
export async function withHosts(directory, options, configOf, body) {
  const hosts = new Hosts(directory, options)
  let peers
  try {
    await hosts.create()
    peers = Object.fromEntries(['client', 'server'].map((side) => [side, new HostPeer(hosts, side, configOf(side))]))
    return await body(hosts, peers)
  } catch (error) {
    error.logs = Object.values(peers ?? {})
      .map((peer) => `${peer.side}:\n${peer.log().split('\n').slice(-25).join('\n')}\n`)
      .join('')
    throw error
  } finally {
    await peers?.client.stop()
    await peers?.server.stop()
    await hosts.destroy()
  }
}

/** A configuration for `side`: its one connection has `connection`'s settings, its one child `child`'s. */
export function hostConfig(side, family, connection, child, rest = {}) {
  const other = opposite(side)
  return {
    listen: { addresses: [hostAddresses[side][family]] },
    ...rest,
    connections: {
      office: {
        local: { address: hostAddresses[side][family], id: `${side}.example.org` },
        remote: { address: hostAddresses[other][family], id: `${other}.example.org` },
        psk: 'correct horse battery staple',
        proposals: ['aes128gcm16-prfsha256-x25519'],
        ...connection,
        children: { net: { espProposals: ['aes128gcm16'], start: side === 'client' ? 'start' : 'none', ...child } },
      },
    },
  }
}
