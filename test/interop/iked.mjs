// One OpenBSD iked (the portable one) from a Debian 13 root. There is no PF_KEY in this kernel: a shim takes its SAs, so that everything
// but its data path can be tried.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { shimKeys } from './keys.mjs'
import { stop, waitFor } from './processes.mjs'
import { compileShim, missingIn, runInRoot, startInRoot } from './roots.mjs'
import { addresses, childNet, identities, other } from './topology.mjs'

const release = 'trixie'
const program = '/usr/sbin/iked'

/** Our keywords as iked writes them. On Linux it has neither AES-GCM nor SHA2-256 for ESP. */
const ikeProposals = {
  'aes128-sha256-ecp256': 'enc aes-128 auth hmac-sha2-256 prf hmac-sha2-256 group ecp256',
  'aes256gcm16-prfsha384-x25519': 'enc aes-256-gcm prf hmac-sha2-384 group curve25519',
}
const espProposals = {
  'aes128-sha384': 'enc aes-128 auth hmac-sha2-384',
  'aes256-sha512': 'enc aes-256 auth hmac-sha2-512',
  'aes128-sha384-ecp256': 'enc aes-128 auth hmac-sha2-384 group ecp256',
}

export class Iked {
  name = 'iked'
  static missing = () => missingIn(release, program)

  /** `side` is `client` or `server`; `settings` as for the other peers. It initiates at its start when it is the client. */
  constructor(topology, side, directory, settings) {
    this.topology = topology
    this.side = side
    this.settings = settings
    this.namespace = topology[side]
    this.directory = `${directory}/iked-${side}`
    this.logFile = `${this.directory}/iked.log`
    this.shimLog = `${this.directory}/shim.log`
    mkdirSync(this.directory, { recursive: true })
  }

  async start() {
    const { directory } = this
    const file = `${directory}/iked.conf`
    writeFileSync(file, this.#conf(), { mode: 0o600 })
    const shim = await compileShim('pfkey', directory)
    this.begin = performance.now()
    this.process = startInRoot({
      release,
      namespace: this.namespace,
      directory,
      env: { SHIM_LOG: this.shimLog, LD_PRELOAD: shim },
      command: `${program} -d -v -f ${file}`,
      logFile: this.logFile,
    })
    await waitFor('iked', async () => {
      if (this.process.result) throw new Error(`iked ended:\n${this.log()}`)
      return (await this.#ikectl('show', 'sa')).code === 0
    })
  }

  /** Waits for the CHILD_SA, which the configuration starts; resolves to the seconds since the start. */
  async initiate() {
    await waitFor('a CHILD_SA', async () => (await this.sas()).children > 0)
    return (performance.now() - this.begin) / 1000
  }

  /** Deletes the IKE_SA with all below it. */
  async terminate() {
    await this.#ikectl('reset', 'id', `FQDN/${identities[other(this.side)]}`)
  }

  async sas() {
    if (this.process.result) return { ike: 0, children: 0 }
    const { stdout } = await this.#ikectl('show', 'sa')
    // Two lines for each CHILD_SA, one for each direction; loaded ones have an L.
    return { ike: count(stdout, /^iked_sas: .*\bESTABLISHED\b/gm), children: count(stdout, /^ {2}sa_childsas: /gm) / 2 }
  }

  /** Of the SAs that it installed. */
  keys() {
    const lines = existsSync(this.shimLog) ? readFileSync(this.shimLog, 'utf8').split('\n') : []
    return shimKeys(lines.filter((line) => /^(ADD|UPDATE) /.test(line)))
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  async stop() {
    if (this.process) await stop(this.process)
  }

  #ikectl(...args) {
    return runInRoot(release, this.process, ['ikectl', ...args], { check: false })
  }

  #conf() {
    const { settings, side } = this
    const peer = other(side)
    const { children = ['net'] } = settings
    const flows = children.map((name) => `from ${childNet(side, name)} to ${childNet(peer, name)}`)
    const words = [
      `ikev2 "office" ${side === 'client' ? 'active' : 'passive'} esp`,
      flows[0],
      `local ${addresses[side].outer} peer ${addresses[peer].outer}`,
      `ikesa ${ikeProposals[settings.ike]}`,
      `childsa ${espProposals[settings.esp]}`,
      `srcid ${identities[side]} dstid ${identities[peer]}`,
      ...(settings.iked?.policy ?? []),
      `psk "${settings.psk}"`,
    ]
    return `${(settings.iked?.global ?? []).map((line) => `${line}\n`).join('')}${words.join(' \\\n\t')}\n`
  }
}

const count = (text, pattern) => (text.match(pattern) ?? []).length
