import { nodeProvider } from '../crypto/node.ts'
import { Datapath, DatapathStatus, droppedAs, type OuterFields } from '../datapath/index.ts'
import { UsageError } from '../errors.ts'
import { isInitial } from '../ike/codec/index.ts'
import type { ConnectAction, IkeAction, IkeEvent } from '../ike/events.ts'
import { IkeEndpoint } from '../ike/ike-endpoint.ts'
import type { Answer, AskAction } from '../ike/questions.ts'
import { recordIke } from '../ike/recording/recording.ts'
import type { IpAddress, SocketAddress } from '../ip/address.ts'
import type { StreamHandlers, TcpPaths } from '../tcp-encap/index.ts'
import { Xfrm, type XfrmListener } from '../xfrm/index.ts'
import { Alarm } from './alarm.ts'
import { answerWith, noOf } from './answering.ts'
import { type Clock, systemRandom } from './clock.ts'
import { EventLog } from './event-log.ts'
import type { InnerSide } from './inner-side.ts'
import type { Log } from './log.ts'
import type { EndpointOptions } from './options.ts'
import { PathWatch } from './path-watch.ts'
import { RoutedXfrm } from './routed-xfrm.ts'
import type { PathHandlers, UdpPaths } from './udp-paths.ts'

/** What a loop runs between. */
export interface Surroundings {
  readonly paths: UdpPaths
  readonly streams: TcpPaths
  readonly inner: InnerSide
  readonly clock: Clock
  readonly log: Log
  /** Told of every event, one after the other, after it was logged. */
  readonly onEvent: (event: IkeEvent) => void
}

/** Brings sockets, device and clock together with the IKE core and the ESP datapath: each step's actions are carried out at once. */
export class RunLoop {
  readonly core: IkeEndpoint
  readonly xfrm: Xfrm
  readonly #around: Surroundings
  readonly #answers: EndpointOptions['answers']
  readonly #datapath: Datapath
  readonly #eventLog: EventLog
  readonly #pathWatch: PathWatch
  readonly #alarm: Alarm
  /** What the databases told within a packet's call; it is passed on when the call is over. */
  #told: (() => IkeAction[])[] = []
  /** Not yet told to the listener. */
  readonly #events: IkeEvent[] = []
  #publishing = false
  #onIdle: (() => void) | undefined
  #ending = false

  constructor(options: EndpointOptions, around: Surroundings) {
    const { paths, streams, inner, clock, log } = around
    const { connections, limits, qcdSecret, crypto = nodeProvider, random = systemRandom } = options
    this.#around = around
    this.#answers = options.answers
    this.#eventLog = new EventLog(log)
    this.#alarm = new Alarm(clock, () => this.#tick())
    const carried = { carriesPlainEsp: paths.plainEsp, carriesTransport: inner.carriesTransport }
    this.xfrm = new Xfrm({ crypto, random, listener: this.#xfrmListener(), clock, ...carried })
    this.#pathWatch = new PathWatch(this.xfrm, this.#eventLog, options.probePath ?? false)
    this.#datapath = new Datapath(
      this.xfrm,
      {
        sendEsp: (buffer, offset, length, { saddr, daddr, encap, outputMark }, outer) => {
          if (encap?.type === 'tcp') streams.sendEsp(buffer, offset, length, saddr, encap.sport, daddr, encap.dport)
          else paths.sendEsp(buffer, offset, length, saddr, daddr, encap?.dport ?? 0, outer, outputMark?.value)
        },
        deliver: (buffer, offset, length) => {
          inner.tun?.write(buffer, offset, length)
        },
        pathLowered: (state, now) => this.#pathWatch.lowered(state, now),
        probed: (report) => this.#pathWatch.probed(report, clock()),
      },
      options.datapath,
    )
    const xfrm = inner.routes === undefined ? this.xfrm : new RoutedXfrm(this.xfrm, inner.routes, inner.steering)
    const { ports } = paths
    const world = {
      ...{ crypto, random, xfrm, connections, ports },
      ...(limits === undefined ? {} : { limits }),
      ...(qcdSecret === undefined ? {} : { qcdSecret }),
      ...(options.applicationVersion === undefined ? {} : { applicationVersion: options.applicationVersion }),
      ...(options.asks === undefined ? {} : { asks: options.asks }),
    }
    this.core = options.record === undefined ? new IkeEndpoint(world) : recordIke(world, options.record)
  }

  /** Begins to take datagrams from the sockets and packets from the device. */
  begin(): void {
    const { paths, streams, inner, clock } = this.#around
    const ike = (local: SocketAddress, remote: SocketAddress, message: Uint8Array) => {
      // A peer may begin anew the moment its IKE_SA is deleted; it would be left with one that nobody answers for.
      if (this.#ending && isInitRequest(message)) return
      this.perform(this.#contained(() => this.core.handleDatagram({ local, remote, message }, clock())))
    }
    const esp = (
      buffer: Uint8Array,
      offset: number,
      length: number,
      remote: SocketAddress,
      local: SocketAddress,
      outer?: Readonly<OuterFields>,
    ): number => {
      const now = clock()
      const status = this.#datapath.receiveEsp(buffer, offset, length, remote, local, now, outer)
      if (status < 0) this.#dropped('an ESP packet', status, now)
      if (this.#told.length > 0) this.#passOn()
      return status
    }
    const tooBig: PathHandlers['tooBig'] = (told) => void this.#datapath.tooBigOutside(told, clock())
    const lost: StreamHandlers['lost'] = (local, remote, why) =>
      this.perform(this.#contained(() => this.core.disconnected(local, remote, why, clock())))
    paths.start({ ike, esp, tooBig }, clock)
    streams.start({ ike, esp, lost }, clock, () => this.core.streams())
    inner.tun?.onPacket((buffer, offset, length) => {
      const now = clock()
      const status = this.#datapath.sendInner(buffer, offset, length, now)
      if (status < 0) this.#dropped('a packet from the device', status, now)
      if (this.#told.length > 0) this.#passOn()
    })
  }

  /** See `Endpoint.sendDummy`. */
  sendDummy(spi: number, destination: IpAddress, octets: number): boolean {
    const state = this.xfrm.inboundState(spi, destination)
    if (state === undefined || state.direction !== 'out') return false
    const status = this.#datapath.sendDummy(state, octets, this.#around.clock())
    if (this.#told.length > 0) this.#passOn()
    return status === DatapathStatus.DONE
  }

  /** Carries out what the core asks for, and sets the timer anew. */
  perform(actions: readonly IkeAction[]): void {
    const { paths, streams } = this.#around
    const asked: AskAction[] = []
    for (const action of actions) {
      if (action.type === 'send') {
        if (action.remote.tcp === true) streams.sendIke(action.local, action.remote, action.message)
        else paths.sendIke(action.local, action.remote, action.message, action.nonEspMarker)
      } else if (action.type === 'connect') void this.#connect(action)
      else if (action.type === 'keepalive') paths.sendKeepalive(action.local, action.remote)
      else if (action.type === 'event') {
        this.#events.push(action.event)
        this.#pathWatch.follow(action.event, this.#datapath, this.#around.clock())
      } else asked.push(action)
    }
    this.#alarm.set(Math.min(this.core.nextTimeoutAt(), this.xfrm.nextExpiryAt(), this.#datapath.nextTimeoutAt()))
    for (const ask of asked) answerWith(this.#answers, ask, (answer) => this.#answered(ask, answer))
    // Listeners last: what they call, or throw, meets an endpoint that is done with this step.
    this.#publish()
    if (this.#told.length > 0) this.#passOn()
    if (this.#onIdle !== undefined && this.core.isIdle()) this.#onIdle()
  }

  async #connect({ token, local, remote }: ConnectAction): Promise<void> {
    const { streams, clock } = this.#around
    const answer = await streams.connect(local, remote).then(
      (from) => () => this.core.connected(token, from, clock()),
      (error: unknown) => () => this.core.notConnected(token, reasonOf(error), clock()),
    )
    this.perform(this.#contained(answer))
  }

  /** An answer that is none counts as a no. */
  #answered({ token }: AskAction, answer: Answer): void {
    const step = (given: Answer) => this.core.answered(token, given, this.#around.clock())
    const take = () => {
      try {
        return step(answer)
      } catch (error) {
        if (error instanceof UsageError) return step(noOf(error))
        throw error
      }
    }
    this.perform(this.#contained(take))
  }

  /** Deletes every IKE_SA, waits at most `patienceMs` for the peers' answers, and wipes the keys that are left. The timer stops. */
  async end(patienceMs: number): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      const patience = setTimeout(resolve, patienceMs)
      this.#onIdle = () => {
        clearTimeout(patience)
        resolve()
      }
    })
    this.#ending = true
    this.perform(this.core.shutdown(this.#around.clock()))
    await idle
    this.#alarm.set(Number.POSITIVE_INFINITY)
    // States of peers that gave no answer.
    for (const state of [...this.xfrm.states()]) this.xfrm.delSa(state)
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
      const text = `internal error, please report it: ${detail}`
      this.#eventLog.limited('error', 'internal', 'ike', text, this.#around.clock())
      return []
    }
  }

  #dropped(what: string, status: number, now: number): void {
    if (!this.#around.log.enabled('debug')) return
    const counter = droppedAs(status) ?? 'unknown'
    this.#eventLog.limited('debug', counter, 'xfrm', `dropped ${what}: ${counter}`, now)
  }

  /** Tells the waiting events in their order, also when a listener calls back and brings new ones about. */
  #publish(): void {
    if (this.#publishing) return
    this.#publishing = true
    const { clock, onEvent } = this.#around
    try {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        this.#eventLog.write(event, clock())
        onEvent(event)
      }
    } finally {
      this.#publishing = false
    }
  }

  #passOn(): void {
    const told = this.#told
    this.#told = []
    for (const tell of told) this.perform(this.#contained(tell))
  }

  #tick(): void {
    const now = this.#around.clock()
    this.#contained(() => {
      this.xfrm.expireDue(now)
      this.#datapath.serve(now)
      return []
    })
    this.perform(this.#contained(() => this.core.handleTimeouts(now)))
  }

  #xfrmListener(): XfrmListener {
    const { clock } = this.#around
    return {
      acquire: (acquire) => this.#told.push(() => (this.#ending ? [] : this.core.acquire(acquire, clock()))),
      expire: (expire) => this.#told.push(() => this.core.expire(expire, clock())),
      unknownSpi: (packet) => this.#told.push(() => this.core.unknownSpi(packet, clock())),
      mapping: (mapping) => this.#told.push(() => this.core.mapping(mapping, clock())),
    }
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** RFC 7296 §3.1: the exchange type and the flags stand at octets 18 and 19. */
const isInitRequest = (message: Uint8Array): boolean => isInitial(message[18]!) && (message[19]! & RESPONSE_FLAG) === 0
const RESPONSE_FLAG = 0x20
