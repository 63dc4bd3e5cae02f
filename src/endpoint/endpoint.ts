import { EventEmitter } from 'node:events'
import { nodeProvider } from '../crypto/node.ts'
import { Datapath, droppedAs } from '../datapath/index.ts'
import { UsageError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeAction, IkeEvent } from '../ike/events.ts'
import { type IkeDatagram, IkeEndpoint } from '../ike/ike-endpoint.ts'
import { formatIp, type IpAddress } from '../ip/address.ts'
import type { TunDevice } from '../tap-tun/index.ts'
import { Xfrm, type XfrmAcquire, type XfrmListener } from '../xfrm/index.ts'
import { Alarm } from './alarm.ts'
import { type Clock, monotonicClock, systemRandom } from './clock.ts'
import { ControlServer } from './control-server.ts'
import { EventLog } from './event-log.ts'
import { type InnerSide, openInnerSide } from './inner-side.ts'
import { systemIpCommand } from './ip-command.ts'
import { keepUp } from './keep-up.ts'
import { localAddressFor, trapAddresses } from './local-address.ts'
import { type Log, silentLog } from './log.ts'
import { type Established, Negotiations } from './negotiations.ts'
import { openPaths } from './open-paths.ts'
import type { EndpointOptions } from './options.ts'
import { RoutedXfrm } from './routed-xfrm.ts'
import { type EndpointStatus, reportStatus } from './status.ts'
import type { UdpPaths } from './udp-paths.ts'

/** Names of the events of an `Endpoint` with their arguments. */
export interface EndpointEvents {
  /** Everything that the IKE core reports. */
  event: [event: IkeEvent]
}

/** How long `close` waits for the answers to its DELETEs, in ms. */
const closePatienceMs = 2_000

/**
 * A running VPN endpoint: the IKE core and the ESP datapath on real sockets, a TUN device and the machine's clock. Emits
 * `event` for every `IkeEvent`.
 */
export class Endpoint extends EventEmitter<EndpointEvents> {
  /** The SA and policy databases; for reading. */
  readonly xfrm: Xfrm
  /** The UDP sockets; `observe` sees the datagrams on the wire. */
  readonly paths: UdpPaths
  readonly #connections: readonly ConnectionConfig[]
  readonly #inner: InnerSide
  readonly #core: IkeEndpoint
  readonly #datapath: Datapath
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #log: Log
  readonly #eventLog: EventLog
  readonly #negotiations = new Negotiations()
  readonly #alarm: Alarm
  /** What the databases told within a packet's call; it is passed on when the call is over. */
  #told: (() => IkeAction[])[] = []
  /** Not yet told to the listeners. */
  readonly #events: IkeEvent[] = []
  #publishing = false
  #control: ControlServer | undefined
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  private constructor(options: EndpointOptions, paths: UdpPaths, inner: InnerSide) {
    super()
    const random = options.random ?? systemRandom
    const crypto = options.crypto ?? nodeProvider
    this.#connections = options.connections
    this.#clock = options.clock ?? monotonicClock
    this.#startedAt = this.#clock()
    this.#log = options.log ?? silentLog
    this.#eventLog = new EventLog(this.#log)
    this.#alarm = new Alarm(this.#clock, () => this.#tick())
    this.#inner = inner
    this.paths = paths
    this.xfrm = new Xfrm({ crypto, random, listener: this.#xfrmListener(), clock: this.#clock })
    this.#datapath = new Datapath(this.xfrm, {
      sendEsp: (buffer, offset, length, state) => {
        paths.sendEsp(buffer, offset, length, state.saddr, state.daddr, state.encap?.dport ?? 0)
      },
      deliver: (buffer, offset, length) => {
        inner.tun?.write(buffer, offset, length)
      },
    })
    const { connections, limits } = options
    const xfrm = inner.routes === undefined ? this.xfrm : new RoutedXfrm(this.xfrm, inner.routes)
    this.#core = new IkeEndpoint({
      crypto,
      random,
      xfrm,
      connections,
      ports: paths.ports,
      ...(limits === undefined ? {} : { limits }),
    })
  }

  /**
   * Opens the control socket, the UDP ports and the TUN device, sets up traps and begins the connections that start by
   * themselves. All or nothing: when something cannot be opened, what was opened is closed again and a `PlatformError`
   * (or `UsageError` for wrong options) is thrown.
   */
  static async start(options: EndpointOptions): Promise<Endpoint> {
    checkNames(options.connections)
    const opened: (() => Promise<unknown>)[] = []
    try {
      // The control socket comes first: a second endpoint must not disturb the first one's devices.
      const status = { current: (): unknown => ({ starting: true }) }
      const control =
        options.controlPath === undefined
          ? undefined
          : await ControlServer.listen(options.controlPath, { status: () => status.current() })
      if (control !== undefined) opened.push(() => control.close())
      const paths = await openPaths(options)
      opened.push(() => paths.close())
      const inner = await openInnerSide(options.tun, options.log ?? silentLog, options.ip ?? systemIpCommand)
      opened.push(() => inner.close())
      const endpoint = new Endpoint(options, paths, inner)
      endpoint.#control = control
      status.current = () => endpoint.status()
      endpoint.#begin(await trapAddresses(options.connections, paths))
      return endpoint
    } catch (error) {
      for (const close of opened.reverse()) await close()
      throw error
    }
  }

  /** The device that inner packets come from and go to, if any. */
  get tun(): TunDevice | undefined {
    return this.#inner.tun
  }

  /**
   * Sets up the connection `name` with its CHILD_SA `child` (the first one by default). Resolves when both are established, at
   * once when they are; a negotiation for them that is under way is waited for, and no second one is begun. Rejects with `NegotiationError`, which holds the refusal; with `PlatformError` when no local address reaches the
   * peer; with `UsageError` when there is no such connection or its peer's address is not configured.
   */
  async initiate(name: string, child?: string): Promise<Established> {
    const connection = this.#connections.find((one) => one.name === name)
    if (connection === undefined) throw new UsageError('name', `there is no connection "${name}"`)
    const { address } = connection.remote
    if (address === undefined) throw new UsageError('name', `connection "${name}" has no remote address to call`)
    const localAddress = await localAddressFor(connection, address, this.paths)
    if (this.#closed !== undefined) throw new UsageError('endpoint', 'is closed')
    const wanted = child ?? connection.children[0]?.name
    const actions = this.#core.initiate(name, this.#clock(), {
      localAddress,
      ...(wanted === undefined ? {} : { child: wanted }),
    })
    const established = this.#negotiations.wait(this.#core.ikeSaOf(name, wanted), name, wanted)
    this.#perform(actions)
    return established
  }

  /** Asks the peer of an established IKE_SA for another CHILD_SA; the outcome comes as an event. */
  createChild(ikeSaId: number, childName: string): void {
    this.#perform(this.#core.createChild(ikeSaId, childName, this.#clock()))
  }

  /** Deletes the CHILD_SA with our inbound SPI `spiIn`; the outcome comes as an event. */
  deleteChild(ikeSaId: number, spiIn: number): void {
    this.#perform(this.#core.deleteChild(ikeSaId, spiIn, this.#clock()))
  }

  /** Deletes an IKE_SA with all its CHILD_SAs; the outcome comes as an event. */
  deleteIke(ikeSaId: number): void {
    this.#perform(this.#core.deleteIke(ikeSaId, this.#clock()))
  }

  /** Everything there is to know at this moment, without keys. */
  status(): EndpointStatus {
    return reportStatus({
      now: this.#clock(),
      startedAt: this.#startedAt,
      connections: this.#connections.map(({ name }) => name),
      ikeSas: this.#core.status(),
      xfrm: this.xfrm,
      paths: this.paths,
      tun: this.#inner.tun,
    })
  }

  /**
   * Sends DELETE to every peer and waits for the answers, two seconds at most; then takes back routes, device, sockets
   * and control socket. May be called again.
   */
  close(): Promise<void> {
    this.#closed ??= this.#shutdown()
    return this.#closed
  }

  #begin(localAddresses: ReadonlyMap<string, IpAddress>): void {
    this.paths.start(
      {
        ike: (local, remote, message) => {
          this.#receiveIke({ local, remote, message })
        },
        esp: (buffer, offset, length, remote, local) => {
          const now = this.#clock()
          const status = this.#datapath.receiveEsp(buffer, offset, length, remote, local, now)
          if (status < 0) this.#dropped('an ESP packet', status, now)
          if (this.#told.length > 0) this.#passOn()
        },
      },
      this.#clock,
    )
    this.#inner.tun?.onPacket((buffer, offset, length) => {
      const now = this.#clock()
      const status = this.#datapath.sendInner(buffer, offset, length, now)
      if (status < 0) this.#dropped('a packet from the device', status, now)
      if (this.#told.length > 0) this.#passOn()
    })
    this.#log.write('info', 'endpoint', this.#greeting())
    this.#core.installTraps((connection) => localAddresses.get(connection.name)!)
    this.#perform([])
    for (const connection of this.#connections) keepUp(this, connection, this.#log, () => this.#closed !== undefined)
  }

  #receiveIke(datagram: IkeDatagram): void {
    this.#perform(this.#contained(() => this.#core.handleDatagram(datagram, this.#clock())))
  }

  /**
   * The core does not throw for anything that a peer, a packet or a timer brings about. Should it, by a mistake of ours, that one
   * step must not end the tunnels of all.
   */
  #contained(step: () => IkeAction[]): IkeAction[] {
    try {
      return step()
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#eventLog.limited('error', 'internal', 'ike', `internal error, please report it: ${detail}`, this.#clock())
      return []
    }
  }

  #dropped(what: string, status: number, now: number): void {
    if (!this.#log.enabled('debug')) return
    const counter = droppedAs(status) ?? 'unknown'
    this.#eventLog.limited('debug', counter, 'xfrm', `dropped ${what}: ${counter}`, now)
  }

  #greeting(): string {
    const { ports, addresses } = this.paths
    const tun = this.#inner.tun === undefined ? 'no TUN device' : `device ${this.#inner.tun.name}`
    const where = this.#log.enabled('debug') ? ` on ${addresses.map(formatIp).join(', ')}` : ''
    return `listening at UDP ports ${ports.ike} and ${ports.nat}${where}; ${tun}; ${this.#connections.length} connection(s)`
  }

  /** Carries out what the core asks for, and sets the timer anew. */
  #perform(actions: readonly IkeAction[]): void {
    for (const action of actions) {
      if (action.type === 'send') this.paths.sendIke(action.local, action.remote, action.message, action.nonEspMarker)
      else if (action.type === 'keepalive') this.paths.sendKeepalive(action.local, action.remote)
      else this.#events.push(action.event)
    }
    this.#alarm.set(Math.min(this.#core.nextTimeoutAt(), this.xfrm.nextExpiryAt()))
    // Listeners last: what they call, or throw, meets an endpoint that is done with this step.
    this.#publish()
    if (this.#told.length > 0) this.#passOn()
    if (this.#onIdle !== undefined && this.#core.isIdle()) this.#onIdle()
  }

  /** Tells the waiting events in their order, also when a listener calls back and brings new ones about. */
  #publish(): void {
    if (this.#publishing) return
    this.#publishing = true
    try {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        this.#eventLog.write(event, this.#clock())
        this.#negotiations.notice(event)
        this.emit('event', event)
      }
    } finally {
      this.#publishing = false
    }
  }

  #passOn(): void {
    const told = this.#told
    this.#told = []
    for (const tell of told) this.#perform(this.#contained(tell))
  }

  #tick(): void {
    const now = this.#clock()
    this.#contained(() => {
      this.xfrm.expireDue(now)
      return []
    })
    this.#perform(this.#contained(() => this.#core.handleTimeouts(now)))
  }

  /** The trap's template says where the CHILD_SA is to begin. */
  #acquire(acquire: XfrmAcquire): IkeAction[] {
    const policy = [...this.xfrm.policies()].find(({ index }) => index === acquire.policyIndex)
    const local = policy?.template?.saddr
    return local === undefined ? [] : this.#core.acquire(acquire, this.#clock(), local)
  }

  #xfrmListener(): XfrmListener {
    return {
      acquire: (acquire) => this.#told.push(() => this.#acquire(acquire)),
      expire: (expire) => this.#told.push(() => this.#core.expire(expire, this.#clock())),
      mapping: (mapping) => this.#told.push(() => this.#core.mapping(mapping, this.#clock())),
    }
  }

  async #shutdown(): Promise<void> {
    this.#log.write('info', 'endpoint', 'closing')
    const idle = new Promise<void>((resolve) => {
      const patience = setTimeout(resolve, closePatienceMs)
      this.#onIdle = () => {
        clearTimeout(patience)
        resolve()
      }
    })
    this.#perform(this.#core.shutdown(this.#clock()))
    await idle
    this.#negotiations.abandon()
    this.#alarm.set(Number.POSITIVE_INFINITY)
    // States of peers that gave no answer: their keys are wiped all the same.
    for (const state of [...this.xfrm.states()]) this.xfrm.delSa(state)
    await this.#inner.close()
    await this.paths.close()
    await this.#control?.close()
    this.#log.write('info', 'endpoint', 'closed')
  }
}

function checkNames(connections: readonly ConnectionConfig[]): void {
  const names = connections.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new UsageError('connections', `two connections have the name "${twice}"`)
}
