// One strongSwan daemon in a namespace: ESP in userspace (kernel-libipsec), its own configuration, /run and vici socket.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { logKeys } from './keys.mjs'
import { run, start, stop, waitFor } from './processes.mjs'
import { missingIn, startInRoot } from './roots.mjs'
import { addresses, identities, other, selectors } from './topology.mjs'

const binary = '/usr/lib/ipsec/charon'
const plugins =
  'random nonce openssl curve25519 kdf hmac sha1 sha2 pem pkcs1 pkcs8 x509 pubkey constraints kernel-libipsec kernel-netlink socket-default vici updown'

export class Charon {
  name = 'strongSwan'

  /** `side` is `client` or `server`; `settings` holds `ike`, `esp`, `psk`, `localTs`, `remoteTs`. */
  constructor(topology, side, directory, settings) {
    this.topology = topology
    this.side = side
    this.settings = settings
    this.namespace = topology[side]
    this.directory = `${directory}/charon-${side}`
    this.viciSocket = `${this.directory}/vici.sock`
    this.logFile = `${this.directory}/charon.log`
    mkdirSync(this.directory, { recursive: true })
  }

  /** Starts the daemon and loads its connection `office` with one CHILD_SA `net`. */
  async start() {
    writeFileSync(`${this.directory}/strongswan.conf`, this.#strongswanConf())
    writeFileSync(`${this.directory}/swanctl.conf`, this.#swanctlConf())
    rmSync(this.viciSocket, { force: true })
    this.process = this.launch(`${this.directory}/stdout`, { STRONGSWAN_CONF: `${this.directory}/strongswan.conf` })
    await waitFor('charon', () => existsSync(this.viciSocket) || this.process.result)
    if (this.process.result) throw new Error(`charon ended:\n${this.log()}`)
    await this.topology.batch(this.namespace, [`addr replace ${addresses[this.side].inner}/32 dev lo`])
    // kernel-libipsec makes its TUN device when it is loaded, and truncates packets above 1,400 octets.
    await waitFor('ipsec0', async () => {
      const link = await run('ip', ['-n', this.namespace, 'link', 'set', 'ipsec0', 'mtu', '1400'], { check: false })
      return link.code === 0
    })
    await this.swanctl(['--load-all', '--file', `${this.directory}/swanctl.conf`])
  }

  /** Starts the daemon of this machine's release. */
  launch(logFile, env) {
    const script = `mount -t tmpfs tmpfs /run && exec ${binary}`
    return start('ip', ['netns', 'exec', this.namespace, 'unshare', '-m', 'sh', '-c', script], logFile, env)
  }

  /** Negotiates the IKE_SA and the CHILD_SA; resolves to the seconds it took, throws with the daemon's reason otherwise. */
  async initiate() {
    const begin = performance.now()
    await this.swanctl(['--initiate', '--child', 'net', '--timeout', '10'])
    return (performance.now() - begin) / 1000
  }

  /** Deletes the IKE_SA and all below it. */
  async terminate() {
    await this.swanctl(['--terminate', '--ike', 'office', '--timeout', '5'])
  }

  /** How many IKE_SAs and how many installed CHILD_SAs there are. */
  async sas() {
    const { stdout } = await this.swanctl(['--list-sas'])
    return { ike: count(stdout, /^office: #/gm), children: count(stdout, /^ {2}net: #\d+.*INSTALLED/gm) }
  }

  /** Each IKE_SA: `{ SPIi, SPIr, current, children: [{ spiIn, spiOut, current }] }`, SPIs in hexadecimal; not `current`: on its way out. */
  async details() {
    const { stdout } = await this.swanctl(['--list-sas'])
    return stdout
      .split(/^(?=\S)/m)
      .filter((block) => block.startsWith('office: '))
      .map((block) => {
        const [, SPIi, SPIr] = /([0-9a-f]{16})_i\*? ([0-9a-f]{16})_r/.exec(block)
        const children = block.split(/^(?= {2}net: )/m).slice(1)
        return { SPIi, SPIr, current: /, ESTABLISHED,/.test(block), children: children.map(childDetails) }
      })
  }

  /** The peer's outer address with its port, as the IKE_SA has it; undefined without one. */
  async remoteEndpoint() {
    const { stdout } = await this.swanctl(['--list-sas'])
    const [, address, port] = /^ {2}remote .* @ ([\d.]+)\[(\d+)\]/m.exec(stdout) ?? []
    return address && `${address}:${port}`
  }

  async remoteAddress() {
    return (await this.remoteEndpoint())?.split(':')[0]
  }

  async rekeyChild() {
    await this.swanctl(['--rekey', '--child', 'net'])
  }

  async rekeyIke() {
    await this.swanctl(['--rekey', '--ike', 'office'])
  }

  async reauthenticate() {
    await this.swanctl(['--rekey', '--ike', 'office', '--reauth'])
  }

  /** Sends the established peer elsewhere. */
  async redirect(gateway) {
    await this.swanctl(['--redirect', '--ike', 'office', '--gateway', gateway])
  }

  /** Ends it without a word to the peer. */
  async crash() {
    await stop(this.process, 'SIGKILL')
  }

  swanctl([command, ...args], options = {}) {
    const uri = `unix://${this.viciSocket}`
    return run('ip', ['netns', 'exec', this.namespace, 'swanctl', command, '--uri', uri, ...args], {
      env: { STRONGSWAN_CONF: `${this.directory}/strongswan.conf` },
      ...options,
    })
  }

  /** Those that it wrote down. */
  keys() {
    return logKeys(this.log())
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  async stop() {
    if (this.process) await stop(this.process)
  }

  #strongswanConf() {
    return `charon {
  load = ${plugins} ${this.settings.charon?.plugins ?? ''}
  threads = 16
  retransmit_tries = 2
  delete_rekeyed_delay = 1
${lines(this.settings.charon?.conf, 2)}  filelog { main { path = ${this.logFile}
    flush_line = yes
    time_format = %H:%M:%S
    default = 1
    ike = 4
    chd = 4
    ike_name = yes } }
  plugins { vici { socket = unix://${this.viciSocket} } }
}
swanctl { load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey hmac sha1 sha2 }
`
  }

  #swanctlConf() {
    const { side, settings, topology } = this
    const remote = side === 'server' && topology.nat ? '%any' : addresses[other(side)].outer
    return `connections { office {
  version = 2
  local_addrs = ${settings.charon?.localAddresses ?? addresses[side].outer}
  remote_addrs = ${remote}
  encap = yes
  mobike = ${settings.mobike ? 'yes' : 'no'}
  proposals = ${settings.ike}
${lines(settings.charon?.connection, 2)}  local { auth = ${settings.charon?.auth?.local ?? 'psk'}
    id = ${settings.charon?.identity ?? identities[side]} }
  remote { auth = ${settings.charon?.auth?.remote ?? 'psk'}
    id = ${identities[other(side)]} }
  children { net {
    local_ts = ${settings.localTs ?? selectors(side, settings).join(', ')}
    remote_ts = ${settings.remoteTs ?? selectors(other(side), settings).join(', ')}
    esp_proposals = ${settings.esp}
    mode = tunnel
${lines(settings.charon?.child, 4)}  } }
} }
${lines(settings.charon?.swanctl, 0)}secrets { ike-office { id-1 = ${identities.client}
  id-2 = ${identities.server}
  secret = "${settings.psk}" }
${lines(settings.charon?.secrets, 2)}}
`
  }
}

/** strongSwan 6.1, which has ML-KEM, from a Debian sid root; swanctl is that of this machine. */
export class Charon6 extends Charon {
  static missing = () => missingIn('sid', binary)

  launch(logFile, env) {
    const { namespace, directory } = this
    return startInRoot({ release: 'sid', namespace, directory, command: binary, env, logFile })
  }
}

function childDetails(block) {
  const [, spiIn] = /^ {4}in {2}([0-9a-f]{8})/m.exec(block) ?? []
  const [, spiOut] = /^ {4}out ([0-9a-f]{8})/m.exec(block) ?? []
  return { spiIn, spiOut, current: /, INSTALLED,/.test(block) }
}

const lines = (list, indent) => (list ?? []).map((line) => `${' '.repeat(indent)}${line}\n`).join('')
const count = (text, pattern) => (text.match(pattern) ?? []).length
