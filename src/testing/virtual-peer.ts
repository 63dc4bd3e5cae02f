import { concat } from '../bytes/index.ts'
import { nobleProvider } from '../crypto/noble.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeAction, IkeEvent, IkeSaStatus } from '../ike/events.ts'
import { IkeEndpoint, type IkeEndpointOptions } from '../ike/ike-endpoint.ts'
import type { Answer, AskAction, No, Question } from '../ike/questions.ts'
import { type RecordingOptions, recordIke } from '../ike/recording/recording.ts'
import type { IpAddress, SocketAddress } from '../ip/address.ts'
import { classify, DatagramKind, NON_ESP_MARKER_BYTES } from '../nat-t/demux.ts'
import { KEEPALIVE_PAYLOAD } from '../nat-t/keepalive.ts'
import type { XfrmPort } from '../xfrm/port.ts'
import { MessageNotes } from './message-notes.ts'
import { RecordingXfrm } from './recording-xfrm.ts'
import { SeededEntropy } from './seeded-entropy.ts'
import type { Scheduled } from './virtual-clock.ts'
import type { DatagramNote, SentMessage, VirtualDatagram } from './virtual-datagram.ts'
import { VirtualHost } from './virtual-host.ts'
import type { VirtualSegment } from './virtual-segment.ts'
import type { VirtualStreams } from './virtual-streams.ts'

const MARKER = new Uint8Array(NON_ESP_MARKER_BYTES)
const defaultPorts = { ike: 500, nat: 4500 }

export interface VirtualPeerOptions {
  /** IPv4 or IPv6 text; several when an array. The first is where connections without a local address begin. */
  readonly address: string | readonly string[]
  readonly connections: readonly ConnectionConfig[]
  /** Seed of all randomness; the address when absent. */
  readonly seed?: string
  readonly crypto?: CryptoProvider
  readonly xfrm?: XfrmPort
  readonly limits?: IkeEndpointOptions['limits']
  /** See `IkeEndpointOptions`: the same before and after a crash. */
  readonly qcdSecret?: Uint8Array
  /** Our own UDP ports, 500 and 4500 when absent. */
  readonly ports?: { readonly ike: number; readonly nat: number }
  /** Where its core's calls are written down, to be run again by `replayRecording`. */
  readonly record?: RecordingOptions
  readonly applicationVersion?: string
  /** Questions that are asked only where somebody answers them. */
  readonly asks?: IkeEndpointOptions['asks']
  /** Answers the core's questions, at once or later; undefined: not here, but with `ike.answered`. */
  readonly answers?: (question: Question, ask: AskAction) => Answer | Promise<Answer> | undefined
  /** The TCP connections of its network; left out: it has no TCP. */
  readonly streams?: VirtualStreams
  /** How many events `events` keeps; default all. */
  readonly remember?: number
}

/** What a peer has behind IKE. */
export interface PeerPlane {
  readonly xfrm: XfrmPort
  /** When `serve` is wanted, `Infinity` for never. */
  nextTimeoutAt(): number
  serve(now: number): void
  /** Passes on to IKE what the databases have told. Called when IKE is done with a step. */
  passOn(): void
  /** ESP has arrived. The payload must not be changed. */
  receiveEsp(datagram: VirtualDatagram, now: number): void
}

/** An IKE endpoint on a virtual network: same inputs, same octets, no socket and no real time. */
export class VirtualPeer {
  readonly entropy: SeededEntropy
  /** The events so far, in order: the last `remember` of them. */
  readonly events: IkeEvent[] = []
  readonly segment: VirtualSegment
  readonly options: VirtualPeerOptions
  readonly #ports: { readonly ike: number; readonly nat: number }
  readonly #host: VirtualHost
  readonly #notes = new MessageNotes(this)
  readonly #listeners = new Set<(event: IkeEvent, now: number) => void>()
  readonly #makePlane: (peer: VirtualPeer) => PeerPlane
  #ike: IkeEndpoint
  #plane: PeerPlane
  #alarm: Scheduled | undefined
  /** Where it was when it crashed. */
  #gone: VirtualHost['places'] | undefined

  /** `makePlane` is called at the start and at each restart; by default there is only `options.xfrm`. */
  constructor(segment: VirtualSegment, options: VirtualPeerOptions, makePlane = planeWithoutPackets) {
    this.#makePlane = makePlane
    this.segment = segment
    this.options = options
    const addresses = typeof options.address === 'string' ? [options.address] : options.address
    this.#ports = options.ports ?? defaultPorts
    this.entropy = new SeededEntropy(options.seed ?? addresses[0]!)
    this.#host = new VirtualHost(segment, [this.#ports.ike, this.#ports.nat, 0], (datagram, now) =>
      this.#receive(datagram, now),
    )
    for (const address of addresses) this.#host.add(address)
    this.#plane = makePlane(this)
    this.#ike = this.#makeIke()
  }

  get now(): number {
    return this.segment.network.clock.now
  }

  /** The core. A restart makes a new one. */
  get ike(): IkeEndpoint {
    return this.#ike
  }

  /** Where IKE installs SAs and policies. */
  get xfrm(): XfrmPort {
    return this.#plane.xfrm
  }

  /** The first of its addresses. */
  get address(): IpAddress {
    const [first] = this.#host.addresses
    if (first === undefined) throw new UsageError('address', 'the peer has none')
    return first
  }

  get addresses(): readonly IpAddress[] {
    return this.#host.addresses
  }

  /** The last request that it sent (retransmissions do not count), to find it in held mail. Throws `UsageError` when there is none. */
  get lastRequest(): SentMessage {
    return existing(this.#notes.lastRequest, 'request')
  }

  /** The last response that it sent. */
  get lastResponse(): SentMessage {
    return existing(this.#notes.lastResponse, 'response')
  }

  /** Events of one kind so far. */
  eventsOf<Kind extends IkeEvent['kind']>(kind: Kind): Extract<IkeEvent, { kind: Kind }>[] {
    return this.events.filter((event): event is Extract<IkeEvent, { kind: Kind }> => event.kind === kind)
  }

  /** Tells `listener` of every event. Returns what ends it. */
  onEvent(listener: (event: IkeEvent, now: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Its IKE_SAs, oldest first; none while it is down. */
  status(): IkeSaStatus[] {
    return this.isDown ? [] : this.#ike.status()
  }

  /** The established IKE_SA that was set up last. Throws `UsageError` when there is none. */
  get ikeSa(): IkeSaStatus {
    return existing(
      this.status().findLast(({ state }) => state === 'established'),
      'established IKE_SA',
    )
  }

  initiate(connection: string, child?: string): void {
    this.perform(
      this.#ike.initiate(connection, this.now, {
        localAddress: this.address,
        ...(child === undefined ? {} : { child }),
      }),
    )
  }

  /** Installs its traps and sets up what starts by itself, as an endpoint does when it begins. */
  begin(): void {
    this.perform(this.#ike.begin(this.now))
  }

  /** Gives the peer a further address; `segment` is where it is reached, by default where the peer began. */
  addAddress(address: string, segment?: VirtualSegment): void {
    this.#host.add(address, segment)
    this.#addressesChanged()
  }

  removeAddress(address: string): void {
    this.#host.remove(address)
    this.#addressesChanged()
  }

  /** Loses all its addresses and has this one from now on, as a telephone that leaves its WLAN. While it is down: it begins there. */
  roam(address: string, segment = this.segment): void {
    if (this.isDown) {
      this.#gone = [{ address, segment }]
      return
    }
    this.#host.clear()
    this.#host.add(address, segment)
    this.#addressesChanged()
  }

  /** True from `crash` to `restart`. */
  get isDown(): boolean {
    return this.#gone !== undefined
  }

  /** Ends without a word: nothing is sent, received or served any more, and all state is lost. */
  crash(): void {
    if (this.#gone !== undefined) return
    this.#gone = this.#host.places
    this.#host.clear()
    this.#alarm?.cancel()
    this.#alarm = undefined
  }

  /** Begins anew after `crash`, at its addresses, with nothing but its configuration. */
  restart(): void {
    this.crash()
    for (const { address, segment } of this.#gone ?? []) this.#host.add(address, segment)
    this.#gone = undefined
    this.#plane = this.#makePlane(this)
    this.#ike = this.#makeIke()
  }

  /** Carries out what a call into `ike` gave back. Throws what an `internal-error` holds: a test must not pass over it. */
  perform(actions: readonly IkeAction[]): void {
    this.#notes.read(actions)
    const asked: AskAction[] = []
    for (const action of actions) {
      if (action.type === 'event') this.#note(action.event)
      else if (action.type === 'keepalive') {
        this.transmit(action.local, action.remote, KEEPALIVE_PAYLOAD, { kind: 'keepalive', sender: this })
      } else if (action.type === 'ask') asked.push(action)
      else if (action.type === 'connect') this.options.streams?.connect(this, action)
      else if (action.remote.tcp === true) {
        this.options.streams?.send(this, action.local, action.remote, action.message)
      } else {
        const { local, remote, nonEspMarker, message } = action
        this.transmit(local, remote, nonEspMarker ? concat(MARKER, message) : message, this.#notes.of(message))
      }
    }
    this.armTimer()
    this.#plane.passOn()
    for (const ask of asked) this.#answer(ask)
  }

  #answer(ask: AskAction): void {
    const { ike } = this
    const answer = this.options.answers?.(ask.question, ask)
    const give = (given: Answer) => {
      // Those of a core that is gone are nobody's.
      if (ike === this.#ike && !this.isDown) this.perform(ike.answered(ask.token, given, this.now))
    }
    if (answer instanceof Promise) answer.then(give, (error: unknown) => give(noOf(error)))
    else if (answer !== undefined) give(answer)
  }

  /** Sends a datagram from one of its addresses. */
  transmit(from: SocketAddress, to: SocketAddress, payload: Uint8Array, note?: DatagramNote): void {
    this.#host.send({ from, to, payload, ...(note === undefined ? {} : { note }) })
  }

  /** The peer's addresses are others now: it reaches everything from the first of a family. */
  #addressesChanged(): void {
    this.perform(this.#ike.localAddressesChanged(this.addresses, this.#preferred, this.now))
  }

  /** Sets the alarm to what is next; whoever makes a plane calls it when that may have changed. */
  armTimer(): void {
    const next = Math.min(this.#ike.nextTimeoutAt(), this.#plane.nextTimeoutAt())
    const at = this.isDown ? Number.POSITIVE_INFINITY : next
    if (this.#alarm?.at === at) return
    this.#alarm?.cancel()
    this.#alarm = undefined
    if (at === Number.POSITIVE_INFINITY) return
    this.#alarm = this.segment.network.clock.schedule(at, (now) => {
      this.#alarm = undefined
      this.#plane.serve(now)
      this.perform(this.#ike.handleTimeouts(now))
    })
  }

  readonly #preferred = (remote: IpAddress) => this.addresses.find(({ length }) => length === remote.length)

  #makeIke(): IkeEndpoint {
    const {
      crypto = nobleProvider,
      connections,
      limits,
      ports,
      qcdSecret,
      record,
      asks,
      applicationVersion,
    } = this.options
    const options = {
      crypto,
      random: this.entropy.random,
      xfrm: this.#plane.xfrm,
      connections,
      ...(limits === undefined ? {} : { limits }),
      ...(ports === undefined ? {} : { ports }),
      ...(asks === undefined ? {} : { asks }),
      ...(applicationVersion === undefined ? {} : { applicationVersion }),
      ...(qcdSecret === undefined ? {} : { qcdSecret }),
    }
    const ike = record === undefined ? new IkeEndpoint(options) : recordIke(options, record)
    ike.localAddressesChanged(this.addresses, this.#preferred, this.now)
    return ike
  }

  #note(event: IkeEvent): void {
    const { remember = Number.POSITIVE_INFINITY } = this.options
    if (remember > 0) this.events.push(event)
    if (this.events.length > 2 * remember + 64) this.events.splice(0, this.events.length - remember)
    for (const listener of this.#listeners) listener(event, this.now)
    if (event.kind === 'internal-error') throw event.error
  }

  #receive(datagram: VirtualDatagram, now: number): void {
    if (this.isDown) return
    const { payload, to, from } = datagram
    if (to.port === 0) return from.port === 0 ? this.#plane.receiveEsp(datagram, now) : undefined
    const isPlain = to.port === this.#ports.ike
    const kind = classify(payload, 0, payload.length, isPlain)
    if (kind === DatagramKind.ESP) return this.#plane.receiveEsp(datagram, now)
    if (kind !== DatagramKind.IKE) return
    const message = isPlain ? payload : payload.subarray(NON_ESP_MARKER_BYTES)
    this.perform(this.#ike.handleDatagram({ local: to, remote: from, message }, now))
  }
}

const noOf = (error: unknown): No => ({
  ok: false,
  message: error instanceof Error ? error.message : String(error),
  hint: 'whoever answers the question must not throw',
})

function existing<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UsageError('peer', `there is no ${what}`)
  return value
}

function planeWithoutPackets({ options }: VirtualPeer): PeerPlane {
  const xfrm = options.xfrm ?? new RecordingXfrm()
  if (xfrm instanceof RecordingXfrm) xfrm.clear()
  return { xfrm, nextTimeoutAt: () => Number.POSITIVE_INFINITY, serve() {}, passOn() {}, receiveEsp() {} }
}
