// A gateway and three road warriors behind one NAT: an RSA certificate, a password by EAP, EAP-TLS. Each gets its address, name server, domain and
// network; all of it goes with the one that leaves, and the gateway knows everybody's address again after a restart.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, start, stop, waitFor } from './processes.mjs'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const gate = 'gate.example.org'
const inside = '10.91.102.1'
const network = '10.91.102.0/24'
let count = 0

/** Namespaces: a gateway, a router that is a NAT, and clients behind it. */
class Field {
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
      ip addr add ${inside}/32 dev lo`,
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
class Host {
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

  async start() {
    const file = `${this.directory}/typeswan.json`
    writeFileSync(file, JSON.stringify(this.config, null, 2), { mode: 0o600 })
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

const pki = (...args) => run(process.execPath, [command, 'pki', ...args])

async function certificates(directory) {
  const ca = `${directory}/ca`
  await pki('ca', '--name', 'CN=Road CA', '--out', ca)
  await pki('server', '--ca', ca, '--name', gate)
  await pki('client', '--ca', ca, '--name', 'anna@example.org', '--key', 'rsa-2048')
  await pki('client', '--ca', ca, '--name', 'carl@example.org')
  return ca
}

const children = { net: { localTs: ['dynamic'], remoteTs: ['0.0.0.0/0'], start: 'start' } }

function gatewayConfig(ca, directory) {
  const local = { address: '10.91.2.2', id: gate, key: `${ca}/${gate}.key`, certificates: [`${ca}/${gate}.crt`] }
  const connection = (remote) => ({
    local,
    remote: { pools: ['road'], ...remote },
    children: { net: { localTs: ['0.0.0.0/0'], remoteTs: ['dynamic'] } },
  })
  return {
    leaseFile: `${directory}/leases`,
    pools: { road: { addresses: ['10.91.200.0/24'], dns: [inside], domains: ['corp.example'], subnets: [network] } },
    eapUsers: { bert: { password: 'swordfish' } },
    connections: {
      certificate: connection({ id: 'anna@example.org', authorities: [`${ca}/ca.crt`] }),
      eap: connection({ id: '%any', eap: { methods: ['mschapv2', 'tls'], authorities: [`${ca}/ca.crt`] } }),
    },
  }
}

function clientConfig(name, ca, directory) {
  const remote = { address: '10.91.2.2', id: gate, authorities: [`${ca}/ca.crt`] }
  const files = (id) => ({ id, key: `${ca}/${id}.key`, certificates: [`${ca}/${id}.crt`] })
  const tls = { methods: ['tls'], authorities: [`${ca}/ca.crt`], serverNames: [gate] }
  const local = {
    anna: files('anna@example.org'),
    bert: { id: 'bert@example.org', eap: { methods: ['mschapv2'], identity: 'bert', password: 'swordfish' } },
    carl: { ...files('carl@example.org'), auth: 'eap', eap: tls },
  }[name]
  return {
    dns: name === 'anna' ? 'resolvconf' : { serversFile: `${directory}/dnsmasq.servers` },
    updown: `${directory}/updown`,
    connections: { home: { local: { ...local, virtualIps: ['0.0.0.0'] }, remote, children } },
  }
}

const updown = (directory) =>
  `#!/bin/sh\necho "$PLUTO_VERB $PLUTO_MY_SOURCEIP $INTERNAL_DNS4_LIST $DEFAULT_DOMAIN $SPLIT_INCLUDE_CIDR" >> ${directory}/seen\n`

async function addressOf(field, host) {
  const { stdout } = await field.in(host.namespace, 'ip -4 -o addr show dev swan0', { check: false })
  return /inet (10\.91\.200\.\d+)\/32/.exec(stdout)?.[1]
}

const pings = async (field, host) =>
  (await field.in(host.namespace, `ping -c 1 -W 2 ${inside}`, { check: false })).code === 0

/** All that the gateway pushed is there. */
async function checkApplied(field, host, name) {
  const address = await waitFor(`an address of ${name}`, () => addressOf(field, host), 15_000)
  await waitFor(`${name} reaches the inside`, () => pings(field, host))
  // Each follows in its own time; the script last.
  const wanted = `up-client ${address} ${inside} corp.example ${network}`
  await waitFor(`the script of ${name}`, () => lastSeen(host) === wanted)
  const routes = (await field.in(host.namespace, 'ip route show dev swan0')).stdout.trim()
  expectEqual(`routes of ${name}`, routes, `${network} scope link src ${address}`)
  expectEqual(`name servers of ${name}`, nameServers(host), name === 'anna' ? resolvLines : dnsmasqLines)
  return address
}

/** The last line that the script wrote. */
const lastSeen = ({ directory }) =>
  existsSync(`${directory}/seen`) ? readFileSync(`${directory}/seen`, 'utf8').trim().split('\n').at(-1) : ''

const resolvLines = `search corp.example|nameserver ${inside}`
const dnsmasqLines = `server=/corp.example/${inside}`

function nameServers({ directory }) {
  const text = ['resolv.conf', 'dnsmasq.servers']
    .map((file) => (existsSync(`${directory}/${file}`) ? readFileSync(`${directory}/${file}`, 'utf8') : ''))
    .join('')
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join('|')
}

/** It left: nothing of it is on its machine, nor at the gateway. */
async function checkGone(field, host, gateway, left) {
  expectEqual('name servers after leaving', nameServers(host), '')
  const rules = await field.in(host.namespace, 'nft list ruleset; ip link show swan0', { check: false })
  if (rules.stdout !== '') throw new Error(`left behind: ${rules.stdout}`)
  if (!lastSeen(host).startsWith('down-client ')) throw new Error(`the script saw last: ${lastSeen(host)}`)
  await waitFor('the gateway forgets it', async () => (await gateway.status()).ikeSas.length === left)
}

/** Killed, it leaves name servers and rules behind; the next start takes them back, and so does a stop. */
async function crashAndReturn(field, host, gateway) {
  await stop(host.process, 'SIGKILL')
  rmSync(`${host.directory}/seen`, { force: true })
  if (nameServers(host) === '') throw new Error('a killed client took its name servers back')
  await host.start()
  await waitFor('what was left is taken back', () => /taking back what a killed endpoint left/.test(host.log()))
  await checkApplied(field, host, 'bert')
  await host.stop()
  await checkGone(field, host, gateway, 2)
}

/** Packets with the address of a client, from outside. */
async function checkForged(field, address) {
  await field.in(
    field.router,
    `iptables -t nat -I POSTROUTING -s ${address} -j ACCEPT
      ip addr add ${address}/32 dev lo; ip route add ${network} via 10.91.2.2`,
  )
  await field.in(field.router, `ping -c 1 -W 1 -I ${address} ${inside}`, { check: false })
  await field.in(
    field.router,
    `iptables -t nat -D POSTROUTING -s ${address} -j ACCEPT; ip addr del ${address}/32 dev lo; ip route del ${network}`,
  )
  const { stdout } = await field.in(field.gateway, 'nft list ruleset')
  const rule = stdout.split('\n').find((line) => line.includes(`ip saddr ${address} counter`))
  if (!/packets [1-9]/.test(rule ?? '')) throw new Error(`the forged packet was not dropped:\n${stdout}`)
}

function expectEqual(what, got, wanted) {
  if (got !== wanted) throw new Error(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`)
}

async function roadWarriors(directory) {
  const names = ['anna', 'bert', 'carl']
  const field = new Field(names)
  const hosts = new Map()
  try {
    await field.create()
    const ca = await certificates(directory)
    const gateway = new Host(field.gateway, `${directory}/gate`, gatewayConfig(ca, directory))
    hosts.set('gate', gateway)
    await gateway.start()
    for (const { name, namespace } of field.clients) {
      const host = new Host(namespace, `${directory}/${name}`, clientConfig(name, ca, `${directory}/${name}`))
      writeFileSync(`${host.directory}/updown`, updown(host.directory), { mode: 0o755 })
      hosts.set(name, host)
      await host.start()
    }
    const addresses = new Map()
    for (const name of names) addresses.set(name, await checkApplied(field, hosts.get(name), name))
    if (new Set(addresses.values()).size !== 3)
      throw new Error(`two clients have one address: ${[...addresses.values()]}`)
    await checkForged(field, addresses.get('bert'))
    await hosts.get('anna').stop()
    await checkGone(field, hosts.get('anna'), gateway, 2)
    for (const name of ['bert', 'carl'])
      if (!(await pings(field, hosts.get(name)))) throw new Error(`${name} lost its tunnel`)
    for (const name of ['bert', 'carl', 'gate']) await hosts.get(name).stop()
    await gateway.start()
    for (const name of ['carl', 'bert', 'anna']) {
      await hosts.get(name).start()
      expectEqual(
        `address of ${name} after the restart`,
        await checkApplied(field, hosts.get(name), name),
        addresses.get(name),
      )
    }
    await crashAndReturn(field, hosts.get('bert'), gateway)
    return `three clients behind one NAT, ${[...addresses.values()].join(', ')}; forged source dropped; leases kept; clean after a crash`
  } catch (error) {
    error.logs = [...hosts]
      .map(([name, host]) => `${name}:\n${host.log().split('\n').slice(-40).join('\n')}`)
      .join('\n')
    throw error
  } finally {
    for (const host of hosts.values()) await host.stop().catch(() => {})
    await field.destroy()
  }
}

const commands = ['nft', 'resolvconf']

/** What the scenario needs, and this machine lacks. */
function missing() {
  const absent = commands.filter(
    (one) => !['/usr/sbin', '/sbin', '/usr/bin'].some((folder) => existsSync(`${folder}/${one}`)),
  )
  return absent.length === 0 ? undefined : `no ${absent.join(', ')}`
}

export const roadWarriorCases = [{ name: 'road warriors with Typeswan', body: roadWarriors, missing }]
