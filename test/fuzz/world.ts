import { concat, equalBytes } from '../../src/bytes/index.ts'
import type { RandomSource } from '../../src/crypto/provider.ts'
import { UsageError } from '../../src/errors.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import type { IkeAction, IkeEvent } from '../../src/ike/events.ts'
import { IkeEndpoint } from '../../src/ike/ike-endpoint.ts'
import { type IpAddress, parseIp, type SocketAddress } from '../../src/ip/index.ts'
import { RecordingXfrm } from '../../src/testing/recording-xfrm.ts'
import type { XfrmStateConfig } from '../../src/xfrm/port.ts'
import { containersOf } from './containers.ts'
import { fastCrypto } from './fast-crypto.ts'
import { addresses, type Settings } from './settings.ts'

/** An IKE message on its way, without marker. */
export interface Flight {
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly message: Uint8Array
}

/** A message storm is a crash: what honest ends say to each other in one moment is a handful. */
const MOST_DELIVERIES = 3000
const MOST_LOGGED = 400
/** Tickets and names that an end remembers. */
const MOST_KEPT = 4

/** Copies nothing but keys: a structured clone of each state takes longer than the exchange that made it. */
class QuickXfrm extends RecordingXfrm {
  override newSa(state: XfrmStateConfig): void {
    const name = RecordingXfrm.keyOf(state)
    if (this.states.has(name) || (this.larval.has(name) && state.direction !== 'in'))
      throw new UsageError('spi', `${name} is in use`)
    this.larval.delete(name)
    const { id, key, salt } = state.encr
    const integ = state.integ === undefined ? {} : { integ: { ...state.integ, key: state.integ.key.slice() } }
    this.states.set(name, { ...state, ...integ, encr: { id, key: key.slice(), salt: salt.slice() } })
  }
}

/** One end: a real core with a database that only records. */
export class End {
  readonly name: 'a' | 'b'
  readonly ike: IkeEndpoint
  readonly xfrm = new QuickXfrm()
  readonly addresses: readonly IpAddress[]
  readonly connection: ConnectionConfig
  /** The sizes of everything that the core keeps, before anything happened. */
  readonly emptySizes: ReadonlyMap<string, number>
  /** The last tickets that it got, to come back with. */
  readonly tickets: Uint8Array[] = []
  /** Names that it wants looked up. */
  readonly names: number[] = []
  /** Where it talks from at the moment. */
  address: IpAddress

  constructor(
    name: 'a' | 'b',
    connection: ConnectionConfig,
    all: readonly string[],
    world: FuzzWorld,
    settings: Settings,
  ) {
    this.name = name
    this.connection = connection
    this.addresses = all.map(parseIp)
    this.address = this.addresses[0]!
    this.ike = new IkeEndpoint({
      crypto: world.crypto,
      random: countingRandom(name === 'a' ? 0xa0 : 0xb0),
      xfrm: this.xfrm,
      connections: [connection],
      ...(name === 'b' ? { limits: settings.limitsOfB } : {}),
    })
    this.ike.localAddressesChanged(this.addresses, () => this.address, world.now)
    this.emptySizes = containersOf(this.ike)
  }
}

/** Two ends and what is on its way between them. Nothing arrives, and no time passes, by itself. */
export class FuzzWorld {
  readonly crypto = fastCrypto()
  readonly a: End
  readonly b: End
  now = 1000
  /** On its way, oldest first. */
  readonly wire: Flight[] = []
  /** Everything that was ever sent. */
  readonly log: Flight[] = []
  /** Told what happens, for the fuzzer's guidance. */
  readonly note: (situation: string) => void
  /** The first end is behind a NAT that adds this to its ports, when there is one. */
  natOffset: number | undefined
  readonly #nat = parseIp(addresses.nat)
  /** Who talked through the NAT last. */
  #inside: IpAddress
  #deliveries = 0

  constructor(settings: Settings, note: (situation: string) => void) {
    this.note = note
    this.natOffset = settings.isBehindNat ? 20_000 : undefined
    this.a = new End('a', settings.a, [addresses.a, addresses.aToo], this, settings)
    this.#inside = this.a.address
    this.b = new End('b', settings.b, [addresses.b], this, settings)
    for (const end of [this.a, this.b]) this.perform(end, end.ike.begin(this.now))
  }

  other(end: End): End {
    return end === this.a ? this.b : this.a
  }

  /** Carries out what a call into a core gave back. */
  perform(end: End, actions: readonly IkeAction[]): void {
    for (const action of actions) {
      if (action.type === 'event') this.#heed(end, action.event)
      else if (action.type === 'send') this.#send(action)
    }
  }

  /** Hands a message to the end that has its address, if one has. */
  deliver(flight: Flight): void {
    if (++this.#deliveries > MOST_DELIVERIES) throw new Error('the ends do not come to rest: a storm of messages')
    const to = this.#inward(flight.to)
    const end = this.endAt(to)
    if (end === undefined) return
    const datagram = { local: to, remote: flight.from, message: flight.message }
    const before = flight.message.slice()
    this.perform(end, end.ike.handleDatagram(datagram, this.now))
    if (!equalBytes(before, flight.message)) throw new Error('the core changed octets that it had borrowed')
  }

  /** Delivers everything, and what it leads to, until nothing is on its way. */
  deliverAll(to?: End): void {
    for (;;) {
      const at = this.wire.findIndex((flight) => to === undefined || this.isFor(flight, to))
      if (at < 0) return
      this.deliver(this.wire.splice(at, 1)[0]!)
    }
  }

  isFor(flight: Flight, end: End): boolean {
    return this.endAt(this.#inward(flight.to)) === end
  }

  endAt({ address }: SocketAddress): End | undefined {
    return [this.a, this.b].find((end) => end.addresses.some((one) => equalBytes(one, address)))
  }

  /** Lets time pass; timers are served when they are due, in order. */
  pass(ms: number): void {
    const until = this.now + ms
    for (let calls = 0; ; calls++) {
      const at = this.#nextAt()
      if (at > until) break
      if (calls > 2000) throw new Error('timers are due without end')
      this.now = Math.max(this.now, at)
      this.serveTimers()
    }
    this.now = until
  }

  /** Lets time pass as `pass` does, with everything delivered at once. */
  passAndDeliver(ms: number): void {
    const until = this.now + ms
    this.deliverAll()
    for (let calls = 0; calls < 2000; calls++) {
      const at = this.#nextAt()
      if (at > until) break
      this.now = Math.max(this.now, at)
      this.serveTimers()
      this.deliverAll()
    }
    this.now = until
  }

  serveTimers(): void {
    for (const end of [this.a, this.b]) this.perform(end, end.ike.handleTimeouts(this.now))
  }

  #nextAt(): number {
    return Math.min(this.a.ike.nextTimeoutAt(), this.b.ike.nextTimeoutAt())
  }

  #heed(end: End, event: IkeEvent): void {
    if (event.kind === 'internal-error')
      throw new Error(`internal-error: ${messageOf(event.error)}`, { cause: event.error })
    this.note(situationOf(end, event))
    if (event.kind === 'ticket') keep(end.tickets, event.ticket)
    if (event.kind === 'resolve') keep(end.names, event.token)
    // What an end says is its own doing; what it hears, anybody can invent.
    if (event.kind === 'message' && event.direction === 'out')
      for (const payload of event.payloads) this.note(`${situationOf(end, event)}: ${payload}`)
  }

  #send({ local, remote, message }: { local: SocketAddress; remote: SocketAddress; message: Uint8Array }): void {
    const flight = { from: this.#outward(local), to: remote, message: message.slice() }
    this.wire.push(flight)
    if (this.wire.length > MOST_LOGGED) throw new Error('the ends do not come to rest: a storm of messages')
    this.log.push(flight)
  }

  /** The source that the other side sees. */
  #outward(from: SocketAddress): SocketAddress {
    if (this.natOffset === undefined || this.endAt(from) !== this.a) return from
    this.#inside = from.address
    return { address: this.#nat, port: from.port + this.natOffset }
  }

  #inward(to: SocketAddress): SocketAddress {
    if (this.natOffset === undefined || !equalBytes(to.address, this.#nat)) return to
    const port = to.port - this.natOffset
    // What comes to another port than the mapped ones goes nowhere: nobody has that address inside.
    return port === 500 || port === 4500 ? { address: this.#inside, port } : to
  }
}

function keep<T>(list: T[], one: T): void {
  list.push(one)
  if (list.length > MOST_KEPT) list.shift()
}

function situationOf(end: End, event: IkeEvent): string {
  const role = end.name
  switch (event.kind) {
    case 'message':
      return `${role} ${event.direction} ${event.exchange}${event.response ? ' response' : ''}`
    case 'ike-closed':
    case 'child-closed':
      return `${role} ${event.kind} ${event.reason}`
    case 'refused':
      return `${role} refused ${event.refusal.kind}`
    case 'dropped':
      return `${role} dropped ${event.reason}`
    default:
      return `${role} ${event.kind}`
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? `${error.name} ${error.message}` : String(error)

/**
 * Octets for one end. SPIs count up, whatever else was drawn before: recorded payloads name SPIs that are there when they are
 * played again.
 */
function countingRandom(tag: number): RandomSource {
  let spis = 0
  let state = tag
  return (length, purpose) => {
    if (purpose === 'esp-spi' || purpose === 'ike-spi') {
      spis++
      return concat(Uint8Array.of(tag), new Uint8Array(length - 3), Uint8Array.of(spis >>> 8, spis))
    }
    const octets = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      state = (Math.imul(state, 0x0019660d) + 0x3c6ef35f) >>> 0
      octets[i] = state >>> 24
    }
    return octets
  }
}
