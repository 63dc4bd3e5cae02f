// One Libreswan daemon (pluto) from a Debian 13 root. There is no ESP in this kernel: a shim takes its SAs, so that everything but its
// data path can be tried.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { shimKeys } from './keys.mjs'
import { stop, waitFor } from './processes.mjs'
import { compileShim, missingIn, runInRoot, startInRoot } from './roots.mjs'
import { addresses, childNet, identities, other } from './topology.mjs'

const release = 'trixie'
const pluto = '/usr/libexec/ipsec/pluto'

/** Our keywords as Libreswan writes them. */
const ikeProposals = {
  'aes128gcm16-prfsha256-ecp256': 'aes_gcm128-sha2_256-dh19',
  'aes256gcm16-prfsha512-x25519': 'aes_gcm256-sha2_512-dh31',
  'aes256-sha256-modp2048': 'aes_cbc256-sha2_256-dh14',
}
const espProposals = {
  aes128gcm16: 'aes_gcm128',
  'aes128gcm16-ecp256': 'aes_gcm128;dh19',
  'aes256-sha256': 'aes_cbc256-sha2_256',
}

export class Libreswan {
  name = 'Libreswan'
  static missing = () => missingIn(release, pluto)

  /** `side` is `client` or `server`; `settings` as for the other peers, and `children`, a list of names. */
  constructor(topology, side, directory, settings) {
    this.topology = topology
    this.side = side
    this.settings = settings
    this.namespace = topology[side]
    this.directory = `${directory}/libreswan-${side}`
    this.logFile = `${this.directory}/pluto.log`
    this.shimLog = `${this.directory}/shim.log`
    mkdirSync(`${this.directory}/ipsec.d`, { recursive: true })
  }

  async start() {
    const { directory } = this
    writeFileSync(`${directory}/ipsec.conf`, this.#conf())
    writeFileSync(
      `${directory}/ipsec.secrets`,
      [
        `@${identities.client} @${identities.server} : PSK "${this.settings.psk}"`,
        ...(this.settings.libreswanSecrets ?? []),
        '',
      ].join('\n'),
      { mode: 0o600 },
    )
    const shim = await compileShim('xfrm', directory)
    mkdirSync(`${directory}/nss`, { recursive: true })
    const files = `--config ${directory}/ipsec.conf --secretsfile ${directory}/ipsec.secrets --logfile ${this.logFile}`
    const script = `mkdir -p /run/pluto && certutil -N -d sql:${directory}/nss --empty-password && LD_PRELOAD=${shim} exec ${pluto} ${files} --nofork`
    this.process = startInRoot({
      release,
      namespace: this.namespace,
      directory,
      command: `SHIM_LOG=${this.shimLog} sh -c '${script}'`,
      logFile: `${directory}/stdout`,
    })
    await waitFor('pluto', async () => {
      if (this.process.result)
        throw new Error(`pluto ended:\n${readFileSync(`${directory}/stdout`, 'utf8')}${this.log()}`)
      return (await this.#ipsec('whack', ['--briefstatus'], { check: false })).code === 0
    })
    for (const name of this.settings.children ?? ['net']) {
      await this.#ipsec('addconn', ['--config', `${directory}/ipsec.conf`, name])
    }
    await this.#ipsec('whack', ['--listen'])
    // It would set up anew at once what the peer has deleted.
    await this.#ipsec('whack', ['--impair', 'revival'])
  }

  /** Negotiates the IKE_SA with the first CHILD_SA, or a further CHILD_SA; resolves to the seconds it took. */
  async initiate(child = 'net') {
    const begin = performance.now()
    const { stdout } = await this.#ipsec('whack', ['--initiate', '--name', child], { timeoutMs: 15_000 })
    if (!/established Child SA/.test(stdout)) throw new Error(`whack: ${stdout}`)
    return (performance.now() - begin) / 1000
  }

  /** Deletes one CHILD_SA, or the IKE_SA with all of them: `--terminate` leaves an IKE_SA without CHILD_SAs. */
  async terminate(child) {
    const { children = ['net'] } = this.settings
    if (child !== undefined) await this.#ipsec('whack', ['--terminate', '--name', child])
    else for (const name of children) await this.#ipsec('whack', ['--delete', '--name', name])
  }

  async rekeyChild(child = 'net') {
    await this.#ipsec('whack', ['--rekey-child', '--name', child, '--asynchronous'])
  }

  async rekeyIke() {
    await this.#ipsec('whack', ['--rekey-ike', '--name', 'net', '--asynchronous'])
  }

  async sas() {
    if (this.process.result) return { ike: 0, children: 0 }
    const { stdout } = await this.#ipsec('whack', ['--showstates'])
    return {
      ike: count(stdout, /ESTABLISHED_IKE_SA|IKE_SA_INIT|IKE_AUTH/g),
      children: count(stdout, /ESTABLISHED_CHILD_SA/g),
    }
  }

  /** Of the SAs that it installed. */
  keys() {
    const lines = existsSync(this.shimLog) ? readFileSync(this.shimLog, 'utf8').split('\n') : []
    return shimKeys(lines.filter((line) => /^(NEWSA|UPDSA) /.test(line)))
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  async stop() {
    if (this.process) await stop(this.process)
  }

  #ipsec(command, args, options) {
    return runInRoot(release, this.process, ['ipsec', command, ...args], options)
  }

  #conf() {
    const { settings, directory, side } = this
    const peer = other(side)
    const children = settings.children ?? ['net']
    const ends = children.map((name) => {
      const [local, remote] = [childNet(side, name), childNet(peer, name)]
      return `conn ${name}\n\talso=ends\n\tleftsubnet=${local}\n\trightsubnet=${remote}\n`
    })
    return `config setup
\tlogfile=${this.logFile}
\tnssdir=${directory}/nss
\tipsecdir=${directory}/ipsec.d
\tuniqueids=no

conn ends
\tleft=${addresses[side].outer}
\tleftid=@${identities[side]}
\tright=${addresses[peer].outer}
\trightid=@${identities[peer]}
\tauthby=secret
\tkeyexchange=ikev2
\tike=${ikeProposals[settings.ike]}
\tesp=${espProposals[settings.esp]}
\tpfs=${/-ecp|-modp|-x25519/.test(settings.esp) ? 'yes' : 'no'}
\tencapsulation=yes
${Object.entries({ ikelifetime: '8h', salifetime: '8h', ...settings.libreswan })
  .map(([name, value]) => `\t${name}=${value}\n`)
  .join('')}
${ends.join('\n')}`
  }
}

const count = (text, pattern) => (text.match(pattern) ?? []).length
