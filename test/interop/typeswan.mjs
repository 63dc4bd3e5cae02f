// One `typeswan up` in a namespace, run from dist as an operator would.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { run, start, stop, waitFor } from './processes.mjs'
import { addresses, identities, other, selectors } from './topology.mjs'

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

  /** Starts the endpoint; resolves when it says that it listens. The initiator (the client) begins at once. */
  async start() {
    const file = `${this.directory}/typeswan.json`
    const config = this.#config()
    this.settings.typeswan?.adjust?.(config, this.side)
    writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 })
    const logged = this.log().length
    this.process = start(
      'ip',
      ['netns', 'exec', this.namespace, process.execPath, command, 'up', '--config', file],
      this.logFile,
    )
    await waitFor('typeswan up', () => this.process.result ?? / listening at /.test(this.log().slice(logged)))
    if (this.process.result) throw new Error(`typeswan ended:\n${this.log()}`)
  }

  /** Waits for the CHILD_SA, which the configuration starts; resolves to the seconds it took, throws when it was refused. */
  async initiate() {
    const refused = /\(refused by .*/
    await waitFor('a CHILD_SA or a refusal', async () => (await this.sas()).children > 0 || refused.test(this.log()))
    const refusal = refused.exec(this.log())
    if (refusal !== null) throw new Error(refusal[0])
    return (this.#loggedAt(/ CHILD_SA net .*established$/) - this.#loggedAt(/ listening at /)) / 1000
  }

  /** Ends the endpoint, which sends DELETE. Throws when it did not end cleanly. */
  async terminate() {
    const ended = await stop(this.process, 'SIGTERM')
    if (ended.code !== 0) throw new Error(`typeswan ended with ${JSON.stringify(ended)}`)
  }

  /** How many IKE_SAs and how many installed CHILD_SAs there are. */
  async sas() {
    if (this.process.result) return { ike: 0, children: 0 }
    const { ikeSas, states } = await this.#ask()
    const children = ikeSas.flatMap((sa) => sa.children).filter((child) => child.state === 'installed')
    if (children.length === 0 && states.length > 0 && ikeSas.length === 0) throw new Error('states without a CHILD_SA')
    return { ike: ikeSas.length, children: children.length }
  }

  /**
   * Each IKE_SA: `{ SPIi, SPIr, current, children: [{ spiIn, spiOut, current }] }`, SPIs in hexadecimal; not `current`: on its way out.
   * And one more, when there are other ESP states than those of the CHILD_SAs.
   */
  async details() {
    const { ikeSas, states } = await this.#ask()
    const details = ikeSas.map(({ SPIi, SPIr, state, children }) => ({
      SPIi,
      SPIr,
      current: state === 'established',
      children: children.map((one) => ({ spiIn: one.spiIn, spiOut: one.spiOut, current: one.state === 'installed' })),
    }))
    const known = details.flatMap(({ children }) => children.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]))
    const others = states.filter(({ phase, spi }) => phase === 'valid' && !known.includes(spi)).map(({ spi }) => spi)
    return others.length === 0 ? details : [...details, { current: false, children: [], others }]
  }

  /** The peer's outer address with its port, as the IKE_SA has it; undefined without one. */
  async remoteEndpoint() {
    return (await this.#ask()).ikeSas[0]?.remote
  }

  async remoteAddress() {
    return (await this.remoteEndpoint())?.split(':')[0]
  }

  async rekeyChild() {
    await this.#command('rekey', 'office', '--child', 'net')
  }

  async rekeyIke() {
    await this.#command('rekey', 'office')
  }

  async reauthenticate() {
    await this.#command('rekey', 'office', '--reauth')
  }

  #command(...args) {
    return run(process.execPath, [command, ...args, '--control', this.control])
  }

  /** Ends it without a word to the peer. */
  async crash() {
    await stop(this.process, 'SIGKILL')
  }

  /** What `typeswan status --json` prints. */
  async status() {
    const { stdout } = await this.#command('status', '--json')
    return JSON.parse(stdout)
  }

  /** Asks for a rekeying without a process of its own, that is at once; resolves to whether it came about. */
  async rekeyNow(child) {
    const request = { command: 'rekey', connection: 'office', ...(child === undefined ? {} : { child }) }
    return await this.#ask(request).then(
      () => true,
      () => false,
    )
  }

  /** The answer of the control socket itself, which costs no process. */
  async #ask(request = { command: 'status' }) {
    const socket = connect(this.control)
    socket.end(`${JSON.stringify(request)}\n`)
    let text = ''
    for await (const chunk of socket) text += chunk
    const { result } = JSON.parse(text)
    if (result === undefined) throw new Error(`control socket: ${text}`)
    return result
  }

  /** Milliseconds of the time in front of the line that matches. */
  #loggedAt(pattern) {
    const line = this.log()
      .split('\n')
      .find((one) => pattern.test(one))
    return new Date(line.slice(0, 23)).getTime()
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  async stop() {
    if (this.process) await stop(this.process)
  }

  #config() {
    const { side, settings, topology } = this
    const anywhere = side === 'server' && (topology.nat || settings.mobike)
    return {
      listen: { addresses: [addresses[side].outer], ...settings.typeswan?.listen },
      tun: { name: 'swan0', mtu: 1400, addresses: [`${addresses[side].inner}/32`], routes: 'auto' },
      control: this.control,
      connections: {
        office: {
          local: { ...(settings.mobike ? {} : { address: addresses[side].outer }), id: identities[side] },
          remote: { ...(anywhere ? {} : { address: addresses[other(side)].outer }), id: identities[other(side)] },
          psk: settings.psk,
          proposals: [settings.ike],
          mobike: settings.mobike ?? false,
          ...settings.typeswan?.connection,
          children: Object.fromEntries((settings.children ?? ['net']).map((name) => [name, this.#child(name)])),
        },
      },
      ...settings.typeswan?.endpoint,
    }
  }

  #child(name) {
    const { side, settings } = this
    return {
      localTs: settings.localTs ? [settings.localTs] : selectors(side, settings, name),
      remoteTs: settings.remoteTs ? [settings.remoteTs] : selectors(other(side), settings, name),
      espProposals: [settings.esp],
      start: settings.start?.[side]?.[name] ?? (side === 'client' ? 'start' : 'none'),
      ...settings.typeswan?.child,
    }
  }
}
