// One `typeswan up` in a namespace, run from dist as an operator would.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, start, stop, waitFor } from './processes.mjs'
import { addresses, identities, other } from './topology.mjs'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export class Typeswan {
  name = 'Typeswan'

  /** `side` is `client` or `server`; `settings` holds `ike`, `esp`, `psk`, `localTs`, `remoteTs`. */
  constructor(topology, side, directory, settings) {
    this.topology = topology
    this.side = side
    this.settings = settings
    this.namespace = topology[side]
    this.directory = `${directory}/typeswan-${side}`
    this.control = `${this.directory}/control.sock`
    this.logFile = `${this.directory}/typeswan.log`
    mkdirSync(this.directory, { recursive: true })
  }

  /** Starts the endpoint; resolves when its control socket answers. The initiator (the client) begins at once. */
  async start() {
    const file = `${this.directory}/typeswan.json`
    writeFileSync(file, JSON.stringify(this.#config(), null, 2), { mode: 0o600 })
    this.process = start(
      'ip',
      ['netns', 'exec', this.namespace, process.execPath, command, 'up', '--config', file],
      this.logFile,
    )
    await waitFor('typeswan up', async () => this.process.result ?? (await this.status(false)) !== undefined)
    if (this.process.result) throw new Error(`typeswan ended:\n${this.log()}`)
  }

  /** Resolves when the CHILD_SA, which the configuration starts, is there. */
  async initiate() {
    await waitFor('an established CHILD_SA', async () => (await this.sas()).children === 1)
  }

  /** Ends the endpoint, which sends DELETE. Throws when it did not end cleanly. */
  async terminate() {
    const ended = await stop(this.process, 'SIGTERM')
    if (ended.code !== 0) throw new Error(`typeswan ended with ${JSON.stringify(ended)}`)
  }

  /** How many IKE_SAs and how many installed CHILD_SAs there are. */
  async sas() {
    if (this.process.result) return { ike: 0, children: 0 }
    const status = await this.status()
    return { ike: status.ikeSas.length, children: status.ikeSas.flatMap((sa) => sa.children).length }
  }

  /** The answer of `typeswan status --json`; undefined when it failed and `check` is false. */
  async status(check = true) {
    if (!existsSync(this.control) && !check) return undefined
    const args = [command, 'status', '--json', '--control', this.control]
    const { code, stdout } = await run(process.execPath, args, { check })
    return code === 0 ? JSON.parse(stdout) : undefined
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  async stop() {
    if (this.process) await stop(this.process)
  }

  #config() {
    const { side, settings, topology } = this
    const behindNat = side === 'server' && topology.nat
    return {
      listen: { addresses: [addresses[side].outer] },
      tun: { name: 'swan0', mtu: 1400, addresses: [`${addresses[side].inner}/32`], routes: 'auto' },
      control: this.control,
      connections: {
        office: {
          local: { address: addresses[side].outer, id: identities[side] },
          remote: { ...(behindNat ? {} : { address: addresses[other(side)].outer }), id: identities[other(side)] },
          psk: settings.psk,
          proposals: [settings.ike],
          children: {
            net: {
              localTs: [settings.localTs ?? addresses[side].net],
              remoteTs: [settings.remoteTs ?? addresses[other(side)].net],
              espProposals: [settings.esp],
              start: side === 'client' ? 'start' : 'none',
            },
          },
        },
      },
    }
  }
}
