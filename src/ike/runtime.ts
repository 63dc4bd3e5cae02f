import { equalBytes, toHex } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import type { IpAddress, SocketAddress } from '../ip/address.ts'
import type { XfrmPort } from '../xfrm/port.ts'
import { type OpenQuestion, OpenQuestions } from './asking/open-questions.ts'
import type { Gateway } from './auth/gateway-identity.ts'
import type { ChildPolicies } from './child/child-policies.ts'
import { ChildRegistry } from './child/child-registry.ts'
import type { ConnectionConfig } from './config.ts'
import { AssignedAddresses } from './config-payload/assigned-addresses.ts'
import type { IkeAction, IkeEvent } from './events.ts'
import type { CrashTokens } from './gate/crash-tokens.ts'
import { HalfOpen } from './gate/half-open.ts'
import type { IkeSa } from './ike-sa.ts'
import { SuitePool } from './keys/suite-pool.ts'
import { IkePeers } from './life/ike-peers.ts'
import { Leftovers } from './life/leftovers.ts'
import { Superseded } from './life/superseded.ts'
import { LastWords } from './message/last-words.ts'
import { ReassemblyPool } from './message/reassembly.ts'
import { RedirectLimit } from './redirect/redirect-limit.ts'
import { TicketOffice } from './resumption/ticket-office.ts'
import { WakeQueue } from './time/wake-queue.ts'

const MOST_LOCALS = 16

/** What every IKE_SA of one endpoint shares: the injected world, the time of the current call, and its actions so far. */
export class IkeRuntime {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  readonly xfrm: XfrmPort
  readonly connections: readonly ConnectionConfig[]
  readonly ports: LocalPorts
  readonly policies: ChildPolicies
  readonly asks: Asks
  readonly questions = new OpenQuestions()
  readonly lastWords: LastWords
  readonly tickets: TicketOffice
  readonly redirects = new RedirectLimit()
  readonly children = new ChildRegistry()
  /** The machine's addresses, as far as the caller has told them. */
  localAddresses: readonly IpAddress[] = []
  /** Which of them a remote address is reached from, as far as the caller has told. */
  preferred: (remote: IpAddress) => IpAddress | undefined = () => undefined
  /** Hears every event at the moment in which it happens. It must not change an IKE_SA then. */
  onEvent: (event: IkeEvent) => void = () => {}
  /** The responder of an IKE_SA sends us to another gateway. */
  goElsewhere: (sa: IkeSa, gateway: Gateway) => void = () => {}
  readonly reassembly = new ReassemblyPool()
  /** Set when we make tokens for quick crash detection. */
  crashTokens: CrashTokens | undefined
  /** Monotonic ms of the call that is being served. */
  now = 0
  readonly halfOpen = new HalfOpen()
  /** When each IKE_SA wants to be served. */
  readonly wakeups = new WakeQueue<IkeSa>()
  /** The id of the next IKE_SA. */
  nextId = 1
  /** Names the next EAP conversation. */
  nextEapSession = 1
  readonly peers = new IkePeers()
  readonly superseded = new Superseded()
  readonly suites = new SuitePool()
  /** Which addresses peers have from us. */
  readonly assigned = new AssignedAddresses<IkeSa>()
  /** The addresses that we were given last, by connection: they are asked for again. */
  readonly lastVirtualIps = new Map<string, readonly IpAddress[]>()
  /** What peers are told who ask for our version; empty: nothing. RFC 7296 §2.20. */
  applicationVersion = ''
  /** IKE_SAs that keep something for late and repeated messages. */
  readonly leftovers = new Leftovers()
  #ready: IkeSa[] = []
  #closed: IkeSa[] = []
  #actions: IkeAction[] = []
  /** TCP connections that the caller is opening, by token. RFC 9329. */
  readonly opening = new Map<number, { readonly sa: IkeSa; readonly remote: SocketAddress }>()
  readonly #awaited = new Map<number, { readonly sa: IkeSa; readonly gateway: Gateway }>()
  #nextToken = 1
  readonly #ownSpis = new Set<string>()
  readonly #locals: SocketAddress[] = []

  constructor(world: {
    crypto: CryptoProvider
    random: RandomSource
    xfrm: XfrmPort
    connections: readonly ConnectionConfig[]
    ports: LocalPorts
    policies: ChildPolicies
    asks: Asks
  }) {
    this.crypto = world.crypto
    this.random = world.random
    this.xfrm = world.xfrm
    this.connections = world.connections
    this.ports = world.ports
    this.policies = world.policies
    this.asks = world.asks
    this.lastWords = new LastWords(world.crypto)
    this.tickets = new TicketOffice(world.crypto, world.random)
  }

  /** Takes the actions collected since the last call. */
  takeActions(): IkeAction[] {
    const actions = this.#actions
    this.#actions = []
    return actions
  }

  /** An IKE_SA that is new, or has something to begin, though this call is about another one. */
  noteReady(sa: IkeSa): void {
    this.#ready.push(sa)
  }

  /** Takes one of them. */
  nextReady(): IkeSa | undefined {
    return this.#ready.shift()
  }

  noteClosed(sa: IkeSa): void {
    this.#closed.push(sa)
  }

  /** Takes the IKE_SAs that ended since the last call. */
  takeClosed(): IkeSa[] {
    return this.#closed.splice(0)
  }

  /** `sa` waits for the address of a gateway. Returns a token for the answer. */
  awaitAddress(sa: IkeSa, gateway: Gateway): number {
    for (const [token, waiting] of this.#awaited)
      if (waiting.sa === sa || waiting.sa.state === 'closed') this.#awaited.delete(token)
    const token = this.#nextToken++
    this.#awaited.set(token, { sa, gateway })
    return token
  }

  /** Takes what waits for this answer; undefined when nothing does any more. */
  takeAwaited(token: number): { readonly sa: IkeSa; readonly gateway: Gateway } | undefined {
    const waiting = this.#awaited.get(token)
    this.#awaited.delete(token)
    return waiting
  }

  /** Where a connection begins, undefined when none of our addresses is of use. */
  localFor({ local, remote }: ConnectionConfig): IpAddress | undefined {
    if (local.address !== undefined || remote.address === undefined) return local.address
    return this.preferred(remote.address)
  }

  emit(event: IkeEvent): void {
    this.#actions.push({ type: 'event', event })
    this.onEvent(event)
  }

  /** Asks what `open` waits for. Returns the token of the answer. */
  ask(open: OpenQuestion): number {
    const token = this.questions.add(open)
    this.#actions.push({ type: 'ask', token, sa: open.sa.ref, question: open.question })
    return token
  }

  /** `message` is handed over: the caller must not change it afterwards. */
  send(local: SocketAddress, remote: SocketAddress, message: Uint8Array): void {
    const nonEspMarker = local.port === this.ports.nat || local.tcp === true
    this.#actions.push({ type: 'send', local, remote, nonEspMarker, message })
  }

  /** Opens a TCP connection for `sa`, from any port of `local`. One that was asked for before is not waited for any more. */
  connect(sa: IkeSa, local: IpAddress, remote: SocketAddress): void {
    for (const [token, opening] of this.opening) if (opening.sa === sa) this.opening.delete(token)
    const token = this.#nextToken++
    this.opening.set(token, { sa, remote })
    this.#actions.push({ type: 'connect', token, local: local.slice(), remote: copyEndpoint(remote) })
  }

  sendKeepalive(local: SocketAddress, remote: SocketAddress): void {
    this.#actions.push({ type: 'keepalive', local, remote })
  }

  /** A path that does not borrow the caller's octets. All IKE_SAs share our own end of it, which is one of a few. */
  keepPath({ local, remote }: Path): Path {
    return { local: this.#keepLocal(local), remote: copyEndpoint(remote) }
  }

  #keepLocal(local: SocketAddress): SocketAddress {
    const known = this.#locals.find((one) => sameEndpoint(one, local))
    if (known !== undefined) return known
    const copy = copyEndpoint(local)
    if (this.#locals.length === MOST_LOCALS) this.#locals.shift()
    this.#locals.push(copy)
    return copy
  }

  /** A random IKE SPI that no IKE_SA of this endpoint uses, 8 octets, never zero. */
  takeIkeSpi(): Uint8Array {
    for (;;) {
      const spi = this.random(8, 'ike-spi')
      const key = toHex(spi)
      if (spi.every((octet) => octet === 0) || this.#ownSpis.has(key)) continue
      this.#ownSpis.add(key)
      return spi
    }
  }

  releaseIkeSpi(spi: Uint8Array): void {
    this.#ownSpis.delete(toHex(spi))
  }

  /** A random ESP SPI that no state to `local` uses, and no CHILD_SA of this endpoint inbound. 1 to 255 are reserved (RFC 4303 §2.1). */
  takeChildSpi(local: IpAddress): number {
    for (;;) {
      const octets = this.random(4, 'esp-spi')
      const spi = new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0)
      if (spi >= 256 && this.children.ofInbound(spi) === undefined && !this.children.isTaken(local, spi)) return spi
    }
  }
}

/** Questions that are asked only where somebody wants them. */
export interface Asks {
  /** Whether a peer that has proved itself may come in. */
  readonly authorize?: boolean
  /** What a peer gets that sent CFG_REQUEST, also where its connection has no pools. */
  readonly assign?: boolean
  /** Which of the connection's children a CHILD_SA of the peer is for. */
  readonly selectChild?: boolean
}

/** Our own UDP ports: plain IKE, and IKE with marker plus ESP. 500 and 4500 unless tests need others. */
export interface LocalPorts {
  readonly ike: number
  readonly nat: number
}

/** Where an IKE_SA's messages go from and to. */
export interface Path {
  readonly local: SocketAddress
  readonly remote: SocketAddress
}

export const sameAddress = (a: IpAddress, b: IpAddress): boolean => equalBytes(a, b)

export const sameEndpoint = (a: SocketAddress, b: SocketAddress): boolean =>
  a.port === b.port && a.tcp === b.tcp && sameAddress(a.address, b.address)

/** A copy that does not borrow the caller's octets. */
export const copyEndpoint = ({ address, port, tcp }: SocketAddress): SocketAddress =>
  tcp === true ? { address: address.slice(), port, tcp } : { address: address.slice(), port }
