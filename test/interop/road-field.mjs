// The field of the road warriors: a gateway, a router that is a NAT, and clients behind it, each with its own `typeswan up`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, start, stop, waitFor } from './processes.mjs'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** The gateway's name, and its inner address. */
export const gate = 'gate.example.org'
export const inside = '10.91.102.1'
/** What is behind the gateway. */
export const network = '10.91.102.0/24'
export const inside6 = 'fd91:102::1'
export const network6 = 'fd91:102::/64'
let count = 0

/** Namespaces: a gateway, a router that is a NAT, and clients behind it. */
export class Field {
  constructor(clients) {
    const prefix = `tsw${process.pid}-${count++}`
    this.gateway = `${prefix}g`
    this.router = `${prefix}r`
    this.clients = clients.map((name) => ({ name, namespace: `${prefix}${name}` }))
    this.all = [this.gateway, this.router, ...this.clients.map(({ namespace }) => namespace)]
  }

  in(namespace, text, options = {}) {
    return run('ip', ['netns', 'exec', namespace, 'sh', '-ec', text], options)
  }

  async create() {
    for (const namespace of this.all) {
      await run('ip', ['netns', 'add', namespace])
      await this.in(
        namespace,
        'ip link set lo up; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0',
      )
    }
    const { gateway, router } = this
    await this.in(
      router,
      `ip link add g0 type veth peer name e0 netns ${gateway}; sysctl -qw net.ipv4.ip_forward=1
      ip addr add 10.91.2.1/24 dev g0; ip link set g0 up; iptables -t nat -A POSTROUTING -o g0 -j MASQUERADE`,
    )
    await this.in(
      gateway,
      `ip addr add 10.91.2.2/24 dev e0; ip link set e0 up; ip route add default via 10.91.2.1
      ip addr add ${inside}/32 dev lo; ip addr add ${inside6}/128 dev lo`,
    )
    for (const [at, { namespace }] of this.clients.entries()) {
      await this.in(
        router,
        `ip link add c${at} type veth peer name e0 netns ${namespace}
        ip addr add 10.92.${at}.1/24 dev c${at}; ip link set c${at} up`,
      )
      await this.in(
        namespace,
        `ip addr add 10.92.${at}.2/24 dev e0; ip link set e0 up; ip route add default via 10.92.${at}.1`,
      )
    }
  }

  async destroy() {
    for (const namespace of this.all) await run('ip', ['netns', 'del', namespace], { check: false })
  }
}

/** One `typeswan up`, with a /run and a resolv.conf of its own. */
export class Host {
  constructor(namespace, directory, config) {
    Object.assign(this, { namespace, directory })
    mkdirSync(directory, { recursive: true })
    this.logFile = `${directory}/log`
    this.control = `${directory}/control.sock`
    this.config = {
      control: this.control,
      tun: { name: 'swan0', mtu: 1400 },
      stateFolder: `${directory}/state`,
      ...config,
    }
    writeFileSync(`${directory}/resolvconf.conf`, `resolv_conf=${directory}/resolv.conf\n`)
    writeFileSync(`${directory}/resolv.conf`, '')
  }

  get file() {
    return `${this.directory}/typeswan.json`
  }

  writeConfig() {
    writeFileSync(this.file, JSON.stringify(this.config, null, 2), { mode: 0o600 })
  }

  async start() {
    const { file } = this
    this.writeConfig()
    const logged = this.log().length
    const script = `mount -t tmpfs tmpfs /run
      [ ! -e /etc/resolvconf.conf ] || mount --bind ${this.directory}/resolvconf.conf /etc/resolvconf.conf
      exec ${process.execPath} ${command} up --config ${file}`
    this.process = start('ip', ['netns', 'exec', this.namespace, 'unshare', '-m', 'sh', '-ec', script], this.logFile)
    await waitFor('typeswan up', () => this.process.result ?? / listening at /.test(this.log().slice(logged)))
    if (this.process.result) throw new Error(`typeswan ended:\n${this.log()}`)
  }

  async status() {
    const { stdout } = await run(process.execPath, [command, 'status', '--json', '--control', this.control])
    return JSON.parse(stdout)
  }

  async stop() {
    if (this.process === undefined) return
    const ended = await stop(this.process, 'SIGTERM')
    if (ended.code !== 0) throw new Error(`typeswan ended with ${JSON.stringify(ended)}:\n${this.log()}`)
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }
}

export const pki = (...args) => run(process.execPath, [command, 'pki', ...args])
