/**
 * What does a handshake cost the responder: Typeswan's endpoint, and strongSwan's charon on the same machine, in turn? The same initiator
 * (ours) sets IKE_SAs with a CHILD_SA and a pre-shared key up at both, 8 at a time, through two network namespaces. CPU time is the
 * responder's from /proc, so it includes its sockets, databases and threads. charon runs with its own ESP (kernel-libipsec), without logs, routes and
 * cookies; the endpoint has no device. Needs root and Debian's packages strongswan-charon, libcharon-extra-plugins and strongswan-swanctl.
 *
 *   npm run bench -- charon [--handshakes=600] [--rounds=5]
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CHARON = '/usr/lib/ipsec/charon'
const SWANCTL = '/usr/sbin/swanctl'
const TICKS_PER_SECOND = 100
const suites = [
  'aes128gcm16-prfsha256-x25519',
  'aes128gcm16-prfsha256-ecp256',
  'aes256gcm16-prfsha384-ecp384',
  'aes256-sha256-modp2048',
]
/** charon 5.9 has no ML-KEM. */
const oursOnly = ['aes256gcm16-prfsha384-x25519-ke1_mlkem768']
/** Each responder stands in a namespace of its own, with a link of its own to the one initiator. */
const [clientSpace, oursSpace, charonSpace] = ['i', 'r', 's'].map((side) => `tsbench${process.pid}${side}`)
const oursLink = { device: 'ours', space: oursSpace, client: '10.97.1.1', server: '10.97.1.2' }
const charonLink = { device: 'charon', space: charonSpace, client: '10.97.2.1', server: '10.97.2.2' }
const folder = dirname(fileURLToPath(import.meta.url))
const handshakes = numberOf('handshakes') ?? 600
const rounds = numberOf('rounds') ?? 5
const warmUp = Math.ceil(handshakes / 2)

if (process.getuid() !== 0 || !existsSync(CHARON) || !existsSync(SWANCTL)) {
  console.log(`charon: skipped, it needs root, ${CHARON} and ${SWANCTL}`)
  process.exit(0)
}
const work = mkdtempSync(join(tmpdir(), 'typeswan-bench-'))
const running = []
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    cleanUp()
    process.exit(1)
  })
}
try {
  makeSpaces()
  await measureAll(await startOurs(), await startCharon())
} finally {
  cleanUp()
}

function cleanUp() {
  for (const child of running) child.kill('SIGKILL')
  for (const space of [clientSpace, oursSpace, charonSpace]) run('ip', ['netns', 'del', space])
  rmSync(work, { recursive: true, force: true })
}

async function measureAll(ours, charon) {
  console.log(
    `Node ${process.version}, ${charon.version}, ${cpus()[0].model}, ${rounds} rounds of ${handshakes} handshakes in turn\n`,
  )
  console.log(
    '| suite | Typeswan CPU ms, median (least) | charon CPU ms, median (least) | Typeswan/s on a core | charon/s on a core |',
  )
  console.log('| --- | ---: | ---: | ---: | ---: |')
  // As a daemon that has run for a while: its code is compiled as it is used. charon needs no more than its caches.
  for (let round = 0; round < 6; round++) await measure(ours, suites[0])
  await measure(charon, suites[0])
  for (const suite of [...suites, ...oursOnly]) {
    const figures = { ours: [], charon: [] }
    for (let round = 0; round < rounds; round++) {
      figures.ours.push(await measure(ours, suite))
      if (suites.includes(suite)) figures.charon.push(await measure(charon, suite))
    }
    const [us, them] = [summary(figures.ours), summary(figures.charon)]
    console.log(`| ${suite} | ${us.text} | ${them.text} | ${us.perSecond} | ${them.perSecond} |`)
  }
}

function summary(figures) {
  if (figures.length === 0) return { text: 'has none', perSecond: '' }
  const sorted = [...figures].sort((a, b) => a - b)
  const [least, median] = [sorted[0], sorted[sorted.length >> 1]]
  return { text: `${median.toFixed(2)} (${least.toFixed(2)})`, perSecond: (1000 / median).toFixed(0) }
}

/** CPU ms of the responder for each handshake. */
async function measure({ responder, link }, suite) {
  const script = join(folder, 'handshake-client.mjs')
  const args = [script, link.client, link.server, suite, String(warmUp), String(handshakes)]
  const initiator = start(clientSpace, process.execPath, args)
  await initiator.line('warm')
  const before = cpuMs(responder.pid)
  initiator.go()
  await initiator.line('done')
  const after = cpuMs(responder.pid)
  initiator.go()
  await initiator.ended
  return (after - before) / handshakes
}

function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

function makeSpaces() {
  for (const space of [clientSpace, oursSpace, charonSpace]) {
    run('ip', ['netns', 'add', space])
    run('ip', ['-n', space, 'link', 'set', 'lo', 'up'])
  }
  for (const { device, space, client, server } of [oursLink, charonLink]) {
    const ends = [
      [clientSpace, device, client],
      [space, 'uplink', server],
    ]
    const veth = ['type', 'veth', 'peer', 'name', 'uplink', 'netns', space]
    run('ip', ['link', 'add', device, 'netns', clientSpace, ...veth])
    for (const [where, name, address] of ends) {
      run('ip', ['-n', where, 'address', 'add', `${address}/24`, 'dev', name])
      run('ip', ['-n', where, 'link', 'set', name, 'up'])
    }
  }
}

async function startOurs() {
  const script = join(folder, 'handshake-server.mjs')
  const responder = start(oursSpace, process.execPath, [script, oursLink.server, ...suites, ...oursOnly])
  await responder.line('ready')
  return { responder, link: oursLink }
}

async function startCharon() {
  const socket = join(work, 'vici')
  const settings = join(work, 'strongswan.conf')
  writeFileSync(settings, strongswanConf(socket))
  writeFileSync(join(work, 'swanctl.conf'), swanctlConf(charonLink))
  // /run of its own, for the daemon's pid file.
  const command = `mount -t tmpfs tmpfs /run && exec ${CHARON}`
  const responder = start(charonSpace, 'unshare', ['-m', 'sh', '-c', command], { STRONGSWAN_CONF: settings })
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries === 100) throw new Error('charon does not come up')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  // kernel-libipsec refuses selectors without an address of this machine in them.
  run('ip', ['-n', charonSpace, 'address', 'add', '10.98.0.1/32', 'dev', 'lo'])
  const ask = (...args) => {
    const env = { ...process.env, STRONGSWAN_CONF: settings }
    return execFileSync(SWANCTL, [...args, '--uri', `unix://${socket}`], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  }
  ask('--load-all', '--file', join(work, 'swanctl.conf'))
  const version = ask('--version', '--daemon')
    .toString()
    .match(/strongSwan \S+/)[0]
  return { responder, link: charonLink, version }
}

function strongswanConf(socket) {
  return `charon {
  load = random nonce openssl curve25519 kdf hmac sha1 sha2 kernel-libipsec kernel-netlink socket-default vici
  dos_protection = no
  install_routes = no
  install_virtual_ip = no
  ikesa_table_size = 4096
  ikesa_table_segments = 16
  filelog { out { path = /dev/null
    default = -1 } }
  syslog { daemon { default = -1 }
    auth { default = -1 } }
  plugins { vici { socket = unix://${socket} } }
}
`
}

function swanctlConf(link) {
  return `connections { server { version = 2
  local_addrs = ${link.server}
  remote_addrs = ${link.client}
  encap = yes
  mobike = no
  unique = never
  proposals = ${suites.join(', ')}
  local { auth = psk
    id = server.bench.test }
  remote { auth = psk
    id = client.bench.test }
  children { net { local_ts = 10.98.0.0/16
    remote_ts = 10.99.0.0/16
    esp_proposals = aes128gcm16 } } } }
secrets { ike-bench { secret = "correct horse battery staple" } }
`
}

/** A process in a namespace. `line` waits for a line of its output, `go` gives it one. */
function start(space, program, args, environment = {}) {
  // ip and unshare execute what they are given in their own place, so that the pid is that of the program.
  const child = spawn('ip', ['netns', 'exec', space, program, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  running.push(child)
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const seen = []
  let heard = () => {}
  lines.on('line', (text) => {
    seen.push(text)
    heard()
  })
  return {
    pid: child.pid,
    ended,
    go: () => child.stdin.write('\n'),
    async line(text) {
      while (!seen.includes(text)) {
        await Promise.race([new Promise((resolve) => (heard = resolve)), ended])
        if (child.exitCode !== null) throw new Error(`${program} ended before "${text}"`)
      }
    },
  }
}

function run(program, args, options = {}) {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options })
}

function numberOf(name) {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))
  return given === undefined ? undefined : Number(given.slice(name.length + 3))
}
