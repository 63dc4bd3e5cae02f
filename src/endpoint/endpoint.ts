import { EventEmitter } from 'node:events'
import { type PlatformError, UsageError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeEvent } from '../ike/events.ts'
import { formatIp, type IpAddress } from '../ip/address.ts'
import type { TunDevice } from '../tap-tun/index.ts'
import { TcpPaths } from '../tcp-encap/index.ts'
import type { Xfrm } from '../xfrm/index.ts'
import { AddressWatch } from './address-watch.ts'
import { type Clock, monotonicClock } from './clock.ts'
import { Companions } from './companions.ts'
import { controlHandlers } from './control-handlers.ts'
import { ControlServer } from './control-server.ts'
import { type InnerSide, openInnerSide } from './inner-side.ts'
import { systemIpCommand } from './ip-command.ts'
import { localAddressFor } from './local-address.ts'
import { type Log, silentLog } from './log.ts'
import { type Established, Negotiations } from './negotiations.ts'
import { openPaths, transportMarking, withPossibleEncap } from './open-paths.ts'
import { Opened } from './opened.ts'
import type { EndpointOptions } from './options.ts'
import { OwnAnswers } from './own-answers.ts'
import { ownIdentityProblem } from './own-identity.ts'
import { RefusalHistory } from './refusal-history.ts'
import { findRenewable, type RenewalRequest, Renewals, type Renewed } from './renewals.ts'
import { resolveName } from './resolve-name.ts'
import { RunLoop } from './run-loop.ts'
import { type EndpointStatus, reportStatus } from './status.ts'
import type { UdpPaths } from './udp-paths.ts'

/** Names of the events of an `Endpoint` with their arguments. */
export interface EndpointEvents {
  /** Everything that the IKE core reports. */
  event: [event: IkeEvent]
  /** The TUN device is gone: no inner packet moves any more, though IKE goes on. Only a new endpoint gets a new device. */
  failure: [error: PlatformError]
}

/** How long `close` waits for the answers to its DELETEs, in ms. */
const closePatienceMs = 2_000

/**
 * A running VPN endpoint: the IKE core and the ESP datapath on real sockets, a TUN device and the machine's clock. Emits
 * `event` for every `IkeEvent`, and `failure` when its device was taken away.
 */
export class Endpoint extends EventEmitter<EndpointEvents> {
  /** The SA and policy databases; for reading. */
  readonly xfrm: Xfrm
  /** The UDP sockets; `observe` sees the datagrams on the wire. */
  readonly paths: UdpPaths
  /** The TCP connections. RFC 9329. */
  readonly streams: TcpPaths
  readonly #connections: readonly ConnectionConfig[]
  readonly #inner: InnerSide
  readonly #answering: OwnAnswers
  readonly #loop: RunLoop
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #log: Log
  readonly #negotiations = new Negotiations()
  readonly #renewals = new Renewals()
  readonly #refusals = new RefusalHistory()
  readonly #companions: Companions
  /** What `close` takes back. */
  readonly #opened: Opened
  #closed: Promise<void> | undefined

  private constructor(
    options: EndpointOptions,
    parts: { paths: UdpPaths; streams: TcpPaths; inner: InnerSide; answering: OwnAnswers; opened: Opened },
  ) {
    super()
    const { paths, streams, inner, answering, opened } = parts
    this.#connections = options.connections
    this.#clock = options.clock ?? monotonicClock
    this.#startedAt = this.#clock()
    this.#log = options.log ?? silentLog
    this.#inner = inner
    this.#answering = answering
    this.#opened = opened
    this.paths = paths
    this.streams = streams
    const connections = withPossibleEncap(options.connections, paths.plainEsp)
    this.#loop = new RunLoop(
      { ...options, connections, answers: answering.answer, asks: answering.asks },
      {
        paths,
        streams,
        inner,
        clock: this.#clock,
        log: this.#log,
        onEvent: (event) => this.#tell(event),
      },
    )
    this.xfrm = this.#loop.xfrm
    this.#companions = new Companions(options.companions ?? [], this.xfrm, this.#log)
  }

  /**
   * Opens the control socket, the UDP ports and the TUN device, sets up traps and begins the connections that start by
   * themselves. All or nothing: when something cannot be opened, what was opened is closed again and a `PlatformError`
   * (or `UsageError` for wrong options) is thrown.
   */
  static async start(options: EndpointOptions): Promise<Endpoint> {
    checkNames(options.connections)
    if (options.crypto?.insecure) throw new UsageError('crypto', `"${options.crypto.name}" is for simulations only`)
    const { log = silentLog, controlPath } = options
    const opened = new Opened(log)
    try {
      let answer: (endpoint: Endpoint) => void = () => {}
      const started = new Promise<Endpoint>((resolve) => {
        answer = resolve
      })
      // The control socket comes first: a second endpoint must not disturb the first one's devices. Who asks early waits.
      if (controlPath !== undefined) {
        opened.add(await ControlServer.listen(controlPath, controlHandlers(started)))
      }
      const answering = opened.add(new OwnAnswers(options, log))
      const paths = opened.add(await openPaths(options))
      const streams = opened.add(new TcpPaths(options.tcpLimits))
      if (options.listen?.tcpPort !== undefined) await streams.listen(paths.addresses, options.listen.tcpPort)
      const { tun, ip = systemIpCommand, host } = options
      const transport = transportMarking(options, paths.ports)
      const inner = opened.add(await openInnerSide(tun, log, ip, host, transport))
      const endpoint = new Endpoint(options, { paths, streams, inner, answering, opened })
      await endpoint.#begin(options)
      answer(endpoint)
      return endpoint
    } catch (error) {
      await opened.close()
      throw error
    }
  }

  /** The device that inner packets come from and go to, if any. */
  get tun(): TunDevice | undefined {
    return this.#inner.tun
  }

  /**
   * Sets up the connection `name` with its CHILD_SA `child` (the first one by default). Resolves when both are established, at
   * once when they are; a negotiation for them that is under way is waited for, and no second one is begun. Rejects with
   * `NegotiationError`, which holds the refusal; with `PlatformError` when no local address reaches the peer; with `UsageError`
   * when there is no such connection or its peer's address is not configured. `ticket`, from the event of that name, resumes a
   * session where a new IKE_SA is set up and the peer takes it (RFC 5723).
   */
  async initiate(name: string, child?: string, ticket?: Uint8Array): Promise<Established> {
    const connection = this.#connections.find((one) => one.name === name)
    if (connection === undefined) throw new UsageError('name', `there is no connection "${name}"`)
    const { address } = connection.remote
    if (address === undefined) throw new UsageError('name', `connection "${name}" has no remote address to call`)
    const localAddress = await localAddressFor(connection, address, this.paths)
    if (this.#closed !== undefined) throw new UsageError('endpoint', 'is closed')
    const wanted = child ?? connection.children[0]?.name
    const actions = this.#loop.core.initiate(name, this.#clock(), {
      localAddress,
      ...(wanted === undefined ? {} : { child: wanted }),
      ...(ticket === undefined ? {} : { ticket }),
    })
    const established = this.#negotiations.wait(this.#loop.core.ikeSaOf(name, wanted), name, wanted)
    this.#loop.perform(actions)
    return established
  }

  /** Asks the peer of an established IKE_SA for another CHILD_SA; the outcome comes as an event. */
  createChild(ikeSaId: number, childName: string): void {
    this.#loop.perform(this.#loop.core.createChild(ikeSaId, childName, this.#clock()))
  }

  /** Deletes the CHILD_SA with our inbound SPI `spiIn`; the outcome comes as an event. */
  deleteChild(ikeSaId: number, spiIn: number): void {
    this.#loop.perform(this.#loop.core.deleteChild(ikeSaId, spiIn, this.#clock()))
  }

  /** Replaces a CHILD_SA by one with fresh keys, without losing a packet. See `IkeEndpoint.rekeyChild`. */
  rekeyChild(ikeSaId: number, spiIn: number): void {
    this.#loop.perform(this.#loop.core.rekeyChild(ikeSaId, spiIn, this.#clock()))
  }

  /** Replaces the keys of an IKE_SA; its id stays. The outcome comes as an event. See `IkeEndpoint.rekeyIke`. */
  rekeyIke(ikeSaId: number): void {
    this.#loop.perform(this.#loop.core.rekeyIke(ikeSaId, this.#clock()))
  }

  /** Sets an IKE_SA up anew beside the old one; the outcome comes as an event. See `IkeEndpoint.reauthenticate`. */
  reauthenticate(ikeSaId: number): void {
    this.#loop.perform(this.#loop.core.reauthenticate(ikeSaId, this.#clock()))
  }

  /**
   * Renews the established IKE_SA of a connection, or one of its CHILD_SAs. Resolves when that is done. Rejects with `NegotiationError`
   * when the peer refuses, with `UsageError` when there is no such SA, with `PlatformError` when it is not done within 20 s.
   */
  async renew(request: RenewalRequest): Promise<Renewed> {
    if (this.#closed !== undefined) throw new UsageError('endpoint', 'is closed')
    const { id, spis } = findRenewable(this.#loop.core.status(), request)
    if (request.child !== undefined) for (const spiIn of spis) this.rekeyChild(id, spiIn)
    else if (request.reauth === true) this.reauthenticate(id)
    else this.rekeyIke(id)
    return this.#renewals.wait(request, id)
  }

  /** Deletes an IKE_SA with all its CHILD_SAs; the outcome comes as an event. */
  deleteIke(ikeSaId: number): void {
    this.#loop.perform(this.#loop.core.deleteIke(ikeSaId, this.#clock()))
  }

  /**
   * Sends a dummy packet (RFC 4303 §2.6) through the outbound state with this SPI (a CHILD_SA's `spiOut`) and outer destination: for the network as
   * long as an inner packet of `octets` octets, for the peer nothing. How often is the caller's to decide. False when it was not sent: there is no such
   * state, or it is too long for the path.
   */
  sendDummy(spi: number, destination: IpAddress, octets: number): boolean {
    return this.#loop.sendDummy(spi, destination, octets)
  }

  /** Everything there is to know at this moment, without keys. */
  status(): EndpointStatus {
    return reportStatus({
      now: this.#clock(),
      startedAt: this.#startedAt,
      connections: this.#connections.map(({ name }) => name),
      ikeSas: this.#loop.core.status(),
      xfrm: this.xfrm,
      paths: this.paths,
      streams: this.streams,
      tun: this.#inner.tun,
      refusals: this.#refusals,
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

  async #begin(options: EndpointOptions): Promise<void> {
    const loop = this.#loop
    await this.#opened.add(this.#companions).open((ikeSaId) => this.deleteIke(ikeSaId))
    loop.begin()
    this.#inner.tun?.onFailure((error) => {
      this.#log.write('error', 'device', error.message)
      this.emit('failure', error)
    })
    this.#log.write('info', 'endpoint', this.#greeting())
    for (const connection of options.connections) {
      const problem = ownIdentityProblem(connection)
      if (problem !== undefined) this.#log.write('warn', connection.name, problem)
    }
    const watch = new AddressWatch({
      connections: options.connections,
      paths: this.paths,
      log: this.#log,
      isFixed: options.listen?.addresses !== undefined,
      device: () => this.#inner.tun?.name,
      remotes: () => loop.core.remoteAddresses(),
      onChange: (addresses, preferred) => {
        void this.#followStreams(addresses)
        loop.perform(loop.core.localAddressesChanged(addresses, preferred, this.#clock()))
      },
    })
    await this.#opened.add(watch).start()
    loop.perform(loop.core.begin(this.#clock()))
  }

  async #followStreams(addresses: readonly IpAddress[]): Promise<void> {
    for (const problem of await this.streams.follow(addresses)) this.#log.write('warn', 'tcp', problem)
  }

  #tell(event: IkeEvent): void {
    this.#negotiations.notice(event)
    this.#renewals.notice(event)
    this.#refusals.notice(event, this.#clock())
    this.#answering.notice(event)
    this.#inner.host?.notice(event)
    this.#companions.notice(event)
    if (event.kind === 'resolve') void this.#resolve(event.token, event.name)
    this.emit('event', event)
  }

  async #resolve(token: number, name: string): Promise<void> {
    const address = await resolveName(name)
    if (this.#closed === undefined) this.#loop.perform(this.#loop.core.resolved(token, address, this.#clock()))
  }

  #greeting(): string {
    const { ports, addresses } = this.paths
    const tun = this.#inner.tun === undefined ? 'no TUN device' : `device ${this.#inner.tun.name}`
    const where = this.#log.enabled('debug') ? ` on ${addresses.map(formatIp).join(', ')}` : ''
    const tcp = this.streams.port === undefined ? '' : ` and TCP port ${this.streams.port}`
    return `listening at UDP ports ${ports.ike} and ${ports.nat}${tcp}${where}; ${tun}; ${this.#connections.length} connection(s)`
  }

  async #shutdown(): Promise<void> {
    this.#log.write('info', 'endpoint', 'closing')
    this.#companions.closing()
    await this.#loop.end(closePatienceMs)
    this.#negotiations.abandon()
    this.#renewals.abandon()
    await this.#opened.close()
    this.#log.write('info', 'endpoint', 'closed')
  }
}

function checkNames(connections: readonly ConnectionConfig[]): void {
  const names = connections.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new UsageError('connections', `two connections have the name "${twice}"`)
}
