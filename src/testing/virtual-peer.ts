import { concat } from '../bytes/index.ts'
import { nobleProvider } from '../crypto/noble.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeAction, IkeEvent, IkeSaStatus } from '../ike/events.ts'
import { IkeEndpoint, type IkeEndpointOptions } from '../ike/ike-endpoint.ts'
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
  /** Our own UDP ports, 500 and 4500 when absent. */
  readonly ports?: { readonly ike: number; readonly nat: number }
  /** How many events `events` keeps; default all. */
  readonly remember?: number
}

/** An IKE endpoint on a virtual network: same inputs, same octets, no socket and no real time. */
export class VirtualPeer {
  readonly entropy: SeededEntropy
  /** The events so far, in order: the last `remember` of them. */
  readonly events: IkeEvent[] = []
  readonly segment: VirtualSegment
  protected readonly options: VirtualPeerOptions
  readonly #ports: { readonly ike: number; readonly nat: number }
  readonly #host: VirtualHost
  readonly #notes = new MessageNotes(this)
  readonly #listeners = new Set<(event: IkeEvent, now: number) => void>()
  #ike: IkeEndpoint
  #xfrm: XfrmPort
  #alarm: Scheduled | undefined
  /** Where it was when it crashed. */
  #gone: VirtualHost['places'] | undefined

  constructor(segment: VirtualSegment, options: VirtualPeerOptions) {
    this.segment = segment
    this.options = options
    const addresses = typeof options.address === 'string' ? [options.address] : options.address
    this.#ports = options.ports ?? defaultPorts
    this.entropy = new SeededEntropy(options.seed ?? addresses[0]!)
    this.#host = new VirtualHost(segment, [this.#ports.ike, this.#ports.nat], (datagram, now) =>
      this.#receive(datagram, now),
    )
    for (const address of addresses) this.#host.add(address)
    this.#xfrm = this.makeXfrm()
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
    return this.#xfrm
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

  status(): IkeSaStatus[] {
    return this.#ike.status()
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

  /** Installs the traps of its connections, as an endpoint does when it starts. */
  installTraps(): void {
    this.#ike.installTraps((connection) => connection.local.address ?? this.address)
    this.perform([])
  }

  /** Gives the peer a further address; `segment` is where it is reached, by default where the peer began. */
  addAddress(address: string, segment?: VirtualSegment): void {
    this.#host.add(address, segment)
    this.addressesChanged()
  }

  removeAddress(address: string): void {
    this.#host.remove(address)
    this.addressesChanged()
  }

  /** Loses all its addresses and has this one from now on, as a telephone that leaves its WLAN. */
  roam(address: string, segment?: VirtualSegment): void {
    this.#host.clear()
    this.#host.add(address, segment)
    this.addressesChanged()
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
    this.#xfrm = this.makeXfrm()
    this.#ike = this.#makeIke()
  }

  /** Carries out what a call into `ike` gave back. Throws what an `internal-error` holds: a test must not pass over it. */
  perform(actions: readonly IkeAction[]): void {
    this.#notes.read(actions)
    for (const action of actions) {
      if (action.type === 'event') this.#note(action.event)
      else if (action.type === 'keepalive') {
        this.transmit(action.local, action.remote, KEEPALIVE_PAYLOAD, { kind: 'keepalive', sender: this })
      } else {
        const { local, remote, nonEspMarker, message } = action
        this.transmit(local, remote, nonEspMarker ? concat(MARKER, message) : message, this.#notes.of(message))
      }
    }
    this.armTimer()
  }

  /** Gives the peer its databases, when it is made and when it is made anew. */
  protected makeXfrm(): XfrmPort {
    if (this.options.xfrm instanceof RecordingXfrm) this.options.xfrm.clear()
    return this.options.xfrm ?? new RecordingXfrm()
  }

  protected transmit(from: SocketAddress, to: SocketAddress, payload: Uint8Array, note?: DatagramNote): void {
    this.#host.send({ from, to, payload, ...(note === undefined ? {} : { note }) })
  }

  /** ESP has arrived: a peer without a data plane does not take it. `datagram.payload` must not be changed. */
  protected receiveEsp(_datagram: VirtualDatagram, _now: number): void {}

  /** When `serve` is wanted. */
  protected nextTimeoutAt(): number {
    return this.#ike.nextTimeoutAt()
  }

  protected serve(now: number): void {
    this.perform(this.#ike.handleTimeouts(now))
  }

  /** The peer's addresses are others now: it reaches everything from the first of a family. */
  protected addressesChanged(): void {
    const preferred = (remote: IpAddress) => this.addresses.find(({ length }) => length === remote.length)
    this.perform(this.#ike.localAddressesChanged(this.addresses, preferred, this.now))
  }

  /** Sets the alarm to what is next. */
  protected armTimer(): void {
    const at = this.#gone === undefined ? this.nextTimeoutAt() : Number.POSITIVE_INFINITY
    if (this.#alarm?.at === at) return
    this.#alarm?.cancel()
    this.#alarm = undefined
    if (at === Number.POSITIVE_INFINITY) return
    this.#alarm = this.segment.network.clock.schedule(at, (now) => {
      this.#alarm = undefined
      this.serve(now)
    })
  }

  #makeIke(): IkeEndpoint {
    const { crypto = nobleProvider, connections, limits, ports } = this.options
    const ike = new IkeEndpoint({
      crypto,
      random: this.entropy.random,
      xfrm: this.#xfrm,
      connections,
      ...(limits === undefined ? {} : { limits }),
      ...(ports === undefined ? {} : { ports }),
    })
    ike.localAddressesChanged(this.addresses, () => undefined, this.now)
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
    if (this.#gone !== undefined) return
    const { payload, to, from } = datagram
    const isPlain = to.port === this.#ports.ike
    const kind = classify(payload, 0, payload.length, isPlain)
    if (kind === DatagramKind.ESP) return this.receiveEsp(datagram, now)
    if (kind !== DatagramKind.IKE) return
    const message = isPlain ? payload : payload.subarray(NON_ESP_MARKER_BYTES)
    this.perform(this.#ike.handleDatagram({ local: to, remote: from, message }, now))
  }
}

function existing<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UsageError('peer', `there is no ${what}`)
  return value
}
