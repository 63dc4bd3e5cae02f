// A gateway and three road warriors behind one NAT: an RSA certificate, a password by EAP, EAP-TLS. Each gets its address, name server, domain and
// network; all of it goes with the one that leaves, and the gateway knows everybody's address again after a restart.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stop, waitFor } from './processes.mjs'
import { Field, gate, Host, inside, inside6, network, network6, pki } from './road-field.mjs'

const forger = fileURLToPath(new URL('road-forger.mjs', import.meta.url))

async function certificates(directory) {
  const ca = `${directory}/ca`
  await pki('ca', '--name', 'C=CH, O=Road, CN=Road CA', '--out', ca)
  await pki('server', '--ca', ca, '--name', gate, '--key', 'rsa-2048')
  await pki('client', '--ca', ca, '--name', 'anna@example.org', '--key', 'rsa-2048')
  for (const name of ['carl@example.org', 'mallory@example.org']) await pki('client', '--ca', ca, '--name', name)
  return ca
}

/** The subject of her certificate, by which she calls herself. */
const annasName = 'C=CH, O=Road, CN=anna@example.org'
const children = { net: { localTs: ['dynamic'], remoteTs: ['0.0.0.0/0', '::/0'], start: 'start' } }

function gatewayConfig(ca, directory) {
  const local = { address: '10.91.2.2', id: gate, key: `${ca}/${gate}.key`, certificates: [`${ca}/${gate}.crt`] }
  const connection = (remote) => ({
    local,
    remote: { pools: ['road'], ...remote },
    children: { net: { localTs: ['0.0.0.0/0', '::/0'], remoteTs: ['dynamic'] } },
  })
  return {
    leaseFile: `${directory}/leases`,
    pools: {
      road: {
        addresses: ['10.91.200.0/24', 'fd91:200::/64'],
        dns: [inside],
        domains: ['corp.example'],
        subnets: [network, network6],
      },
    },
    eapUsers: { bert: { password: 'swordfish' } },
    connections: {
      certificate: connection({ id: annasName, authorities: [`${ca}/ca.crt`] }),
      eap: connection({ id: '%any', eap: { methods: ['mschapv2', 'tls'], authorities: [`${ca}/ca.crt`] } }),
    },
  }
}

function clientConfig(name, ca, directory) {
  const remote = { address: '10.91.2.2', id: gate, authorities: [`${ca}/ca.crt`] }
  const files = (id) => ({ id, key: `${ca}/${id}.key`, certificates: [`${ca}/${id}.crt`] })
  const tls = { methods: ['tls'], authorities: [`${ca}/ca.crt`], serverNames: [gate] }
  const local = {
    anna: { ...files('anna@example.org'), id: annasName },
    bert: { id: 'bert@example.org', eap: { methods: ['mschapv2'], identity: 'bert', password: 'swordfish' } },
    carl: { ...files('carl@example.org'), auth: 'eap', eap: tls },
    mallory: { ...files('mallory@example.org'), auth: 'eap', eap: tls },
  }[name]
  return {
    dns: name === 'anna' ? 'resolvconf' : { serversFile: `${directory}/dnsmasq.servers` },
    updown: `${directory}/updown`,
    connections: {
      home: { local: { ...local, virtualIps: name === 'carl' ? ['0.0.0.0', '::'] : ['0.0.0.0'] }, remote, children },
    },
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
  // It is called for each family.
  const verbs = name === 'carl' ? ['up-client', 'up-client-v6'] : ['up-client']
  const wanted = verbs.map((verb) => `${verb} ${address} ${inside} corp.example ${network}`).join('|')
  await waitFor(`the script of ${name}`, () => lastSeen(host, verbs.length) === wanted)
  const routes = (await field.in(host.namespace, 'ip route show dev swan0')).stdout.trim()
  expectEqual(`routes of ${name}`, routes, `${network} scope link src ${address}`)
  if (name === 'carl') await checkSecondFamily(field, host)
  expectEqual(`name servers of ${name}`, nameServers(host), name === 'anna' ? resolvLines : dnsmasqLines)
  return address
}

/** Carl asked for an IPv6 address too. */
async function checkSecondFamily(field, host) {
  const { stdout } = await field.in(host.namespace, 'ip -6 -o addr show dev swan0 scope global')
  const address = /inet6 (fd91:200::[0-9a-f:]+)\/128/.exec(stdout)?.[1]
  if (address === undefined) throw new Error(`carl has no IPv6 address: ${stdout}`)
  await waitFor('carl reaches the inside by IPv6', async () => {
    const { code } = await field.in(host.namespace, `ping -6 -c 1 -W 2 ${inside6}`, { check: false })
    return code === 0
  })
  const route = (await field.in(host.namespace, `ip -6 route get ${inside6}`)).stdout
  if (!route.includes(`dev swan0`) || !route.includes(`src ${address}`)) throw new Error(`IPv6 goes: ${route}`)
}

/** The last lines that the script wrote. */
const lastSeen = ({ directory }, lines = 1) =>
  existsSync(`${directory}/seen`)
    ? readFileSync(`${directory}/seen`, 'utf8').trim().split('\n').slice(-lines).join('|')
    : ''

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

/** The gateway has what belongs to these addresses, and nothing besides: SAs, routes, rules. */
async function checkGateway(field, gateway, addresses) {
  const wanted = [...addresses].sort().join(' ')
  await waitFor(`the gateway's SAs are those of ${wanted}`, async () => {
    const { ikeSas, states } = await gateway.status()
    const assigned = ikeSas.flatMap(({ assignedIps }) => assignedIps.slice(0, 1)).sort()
    return assigned.join(' ') === wanted && states.length === 2 * addresses.length
  })
  const routes = (await field.in(field.gateway, 'ip route show dev swan0')).stdout
  expectEqual('routes at the gateway', [...routes.matchAll(/^10\.91\.200\.\d+/gm)].sort().join(' '), wanted)
  const rules = (await field.in(field.gateway, 'nft list ruleset')).stdout
  const guarded = [...rules.matchAll(/ip saddr (\S+) counter .*drop/g)].map(([, address]) => address)
  expectEqual('rules at the gateway', guarded.sort().join(' '), wanted)
}

/** It left: nothing of it is on its machine. */
async function checkGone(field, host) {
  expectEqual('name servers after leaving', nameServers(host), '')
  const rules = await field.in(host.namespace, 'nft list ruleset; ip link show swan0', { check: false })
  if (rules.stdout !== '') throw new Error(`left behind: ${rules.stdout}`)
  if (!lastSeen(host).startsWith('down-client ')) throw new Error(`the script saw last: ${lastSeen(host)}`)
}

/** Killed, it leaves name servers and rules behind; the next start takes them back, and so does a stop. */
async function crashAndReturn(field, host) {
  await stop(host.process, 'SIGKILL')
  rmSync(`${host.directory}/seen`, { force: true })
  if (nameServers(host) === '') throw new Error('a killed client took its name servers back')
  await host.start()
  await waitFor('what was left is taken back', () => /taking back what a killed endpoint left/.test(host.log()))
  await checkApplied(field, host, 'bert')
  await host.stop()
  await checkGone(field, host)
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

/** Packets with the address of another client, inside of the SA of one that was let in. */
async function checkForgedInside(field, gateway, host, address) {
  const count = 5
  const before = (await gateway.status()).xfrmStats
  const node = `${process.execPath} ${forger} ${host.file} ${address} ${inside} ${count}`
  const { stdout } = await field.in(host.namespace, node)
  expectEqual('answered pings', stdout.trim(), JSON.stringify({ own: count, forged: 0 }))
  const after = (await gateway.status()).xfrmStats
  const counted = Object.keys(after).filter((name) => name.startsWith('XfrmIn') && after[name] !== before[name])
  const counts = counted.map((name) => `${name} ${after[name] - before[name]}`)
  expectEqual('dropped packets', counts.join(), `XfrmInTmplMismatch ${count}`)
}

function expectEqual(what, got, wanted) {
  if (got !== wanted) throw new Error(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`)
}

async function roadWarriors(directory) {
  const names = ['anna', 'bert', 'carl']
  const field = new Field([...names, 'mallory'])
  const hosts = new Map()
  try {
    await field.create()
    const ca = await certificates(directory)
    const gateway = new Host(field.gateway, `${directory}/gate`, gatewayConfig(ca, directory))
    hosts.set('gate', gateway)
    await gateway.start()
    const makeHost = ({ name, namespace }) =>
      new Host(namespace, `${directory}/${name}`, clientConfig(name, ca, `${directory}/${name}`))
    const mallory = makeHost(field.clients[3])
    mallory.writeConfig()
    for (const client of field.clients.slice(0, 3)) {
      const host = makeHost(client)
      writeFileSync(`${host.directory}/updown`, updown(host.directory), { mode: 0o755 })
      hosts.set(client.name, host)
      await host.start()
    }
    const addresses = new Map()
    for (const name of names) addresses.set(name, await checkApplied(field, hosts.get(name), name))
    if (new Set(addresses.values()).size !== 3)
      throw new Error(`two clients have one address: ${[...addresses.values()]}`)
    await checkGateway(field, gateway, [...addresses.values()])
    await checkForged(field, addresses.get('bert'))
    await checkForgedInside(field, gateway, mallory, addresses.get('bert'))
    await hosts.get('anna').stop()
    await checkGone(field, hosts.get('anna'))
    await checkGateway(field, gateway, [addresses.get('bert'), addresses.get('carl')])
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
    await crashAndReturn(field, hosts.get('bert'))
    await checkGateway(field, gateway, [addresses.get('anna'), addresses.get('carl')])
    return `three clients behind one NAT, ${[...addresses.values()].join(', ')}; forged sources dropped inside and outside; leases kept; clean after a crash`
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
