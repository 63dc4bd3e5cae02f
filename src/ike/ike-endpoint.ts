import { toHex } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { IpAddress, SocketAddress } from '../ip/address.ts'
import type { XfrmAcquire, XfrmExpire, XfrmMapping, XfrmUnknownSpi } from '../xfrm/port.ts'
import { checkAnswer } from './asking/check-answer.ts'
import { parseGateway } from './auth/gateway-identity.ts'
import { ChildPolicies } from './child/child-policies.ts'
import { Traps } from './child/traps.ts'
import type { ConnectionConfig } from './config.ts'
import { answeredLate } from './config-payload/unused-addresses.ts'
import type { IkeAction, IkeSaStatus } from './events.ts'
import { CrashTokens } from './gate/crash-tokens.ts'
import { defaultGateLimits } from './gate/responder-gate.ts'
import { begin, beginContained, IkeCalls } from './ike-calls.ts'
import { IkeDispatch } from './ike-dispatch.ts'
import { type IkeDatagram, type IkeEndpointOptions, type KnownIds, refuseTransport } from './ike-endpoint-options.ts'
import { needSync, orderChild, orderReauthentication, orderRedirect, orderRekey } from './ike-orders.ts'
import { IkeSas } from './ike-sas.ts'
import { Revival } from './life/revival.ts'
import { contained } from './message/contained.ts'
import { pump, serveTime } from './message/ike-messages.ts'
import { beginSync } from './message/message-id-sync.ts'
import { StrayMessages } from './message/stray-messages.ts'
import { childWith, connectionNamed, firstChildOf, resumableFor } from './named.ts'
import { samePath } from './path/mobike.ts'
import { localAddressesChanged, seenElsewhere } from './path/path-changes.ts'
import { streamLost, streamOpened, streamRefused, takeOpening } from './path/stream-opening.ts'
import { isStream, isUnconnected } from './path/streams.ts'
import type { Answer } from './questions.ts'
import { followRedirect, resolved } from './redirect/redirect-client.ts'
import { IkeRuntime, type Path } from './runtime.ts'
import { bringUp } from './set-up/bring-up.ts'
import { InitResponder } from './set-up/init-responder.ts'
import { Workers } from './set-up/workers.ts'
import { deleteFamily, expireChild } from './tasks/child-delete.ts'
import { startRekey } from './tasks/child-rekey.ts'

export type { IkeDatagram, IkeEndpointOptions, KnownIds } from './ike-endpoint-options.ts'

/**
 * The sans-I/O IKEv2 core, both roles: a function of what happened and when. Every call returns at once with all that
 * follows from it, in order; nothing is kept back. `now` is the caller's monotonic clock in ms and must not go back.
 * Peers' input never makes a call throw; `UsageError` means that the caller asked for something that is not there.
 */
export class IkeEndpoint {
  readonly #runtime: IkeRuntime
  readonly #sas = new IkeSas()
  readonly #calls: IkeCalls
  readonly #strays: StrayMessages
  readonly #dispatch: IkeDispatch
  readonly #traps: Traps
  readonly #revival: Revival
  readonly #workers: Workers
  #begun = false

  constructor(options: IkeEndpointOptions) {
    const { crypto, random, xfrm, connections } = options
    const ports = options.ports ?? { ike: 500, nat: 4500 }
    refuseTransport(connections, xfrm)
    const policies = new ChildPolicies(xfrm)
    this.#runtime = new IkeRuntime({ crypto, random, xfrm, connections, ports, policies, asks: options.asks ?? {} })
    this.#traps = new Traps(this.#runtime)
    this.#revival = new Revival(connections, {
      bringUp: (connection, child) => bringUp(this.#runtime, this.#sas, connection, child),
      trap: (connection, child) => this.#traps.install(connection, child),
      tell: (event) => this.#runtime.emit(event),
      has: (connection, child) => this.#sas.carrierOf(connection, child)?.hasOrMakes(child) === true,
    })
    for (const { redirect } of connections) if (redirect.to !== undefined) parseGateway(redirect.to)
    this.#runtime.goElsewhere = followRedirect
    this.#workers = new Workers(this.#runtime, this.#sas)
    this.#runtime.onEvent = (event) => {
      this.#revival.notice(event, this.#runtime.now)
      this.#workers.notice(event)
    }
    this.#runtime.applicationVersion = options.applicationVersion ?? ''
    if (options.qcdSecret !== undefined) this.#runtime.crashTokens = new CrashTokens(crypto, options.qcdSecret)
    this.#strays = new StrayMessages(this.#runtime)
    const responder = new InitResponder(this.#runtime, { ...defaultGateLimits, ...options.limits })
    this.#dispatch = new IkeDispatch(this.#runtime, this.#sas, responder, this.#strays)
    this.#calls = new IkeCalls(this.#runtime, this.#sas, responder)
  }

  /**
   * Sets up a connection from `localAddress` (left out: what `localAddressesChanged` told) with one of its children (the first when none is named), or that child on the
   * IKE_SA that the connection has or is setting up. A connection without children gets its IKE_SA alone, when `childless` is
   * `prefer` or `force` (RFC 6023). A child that stands, or is being set up by us, is left at that: nothing
   * happens. `ticket`, from the event of that name, resumes a session in a new IKE_SA, where the peer takes it (RFC 5723). The
   * outcome comes as events; `ikeSaOf` tells on which IKE_SA.
   */
  initiate(
    connectionName: string,
    now: number,
    options: { localAddress?: IpAddress; child?: string; ticket?: Uint8Array } = {},
  ): IkeAction[] {
    const connection = connectionNamed(this.#runtime.connections, connectionName)
    const child = firstChildOf(connection, options.child)
    const resumable = options.ticket === undefined ? undefined : resumableFor(connection, options.ticket)
    return this.#calls.at(now, () => {
      const id = bringUp(this.#runtime, this.#sas, connection, child, { localAddress: options.localAddress, resumable })
      if (id === 0) throw noLocalAddress(connection)
      if (child !== undefined) this.#revival.want(connection, child, id, now)
    })
  }

  /**
   * Installs the traps of all connections and sets up their children with `startAction: 'start'`. A connection whose peer no address
   * of ours reaches is tried again, and when `localAddressesChanged` tells of one.
   */
  begin(now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      this.#begun = true
      this.#traps.installAll()
      for (const connection of this.#runtime.connections.filter(({ remote }) => remote.address !== undefined)) {
        for (const child of connection.children.filter(({ startAction }) => startAction === 'start')) {
          this.#revival.want(connection, child, bringUp(this.#runtime, this.#sas, connection, child), now)
        }
      }
    })
  }

  /**
   * The IKE_SA that has a child of the connection (the first when none is named) or is setting it up; else the one on which
   * `initiate` would set it up. Undefined when that would take a new IKE_SA.
   */
  ikeSaOf(connectionName: string, childName?: string): IkeSaStatus | undefined {
    const connection = connectionNamed(this.#runtime.connections, connectionName)
    return this.#sas.carrierOf(connection, firstChildOf(connection, childName))?.status()
  }

  handleDatagram({ local, remote, message }: IkeDatagram, now: number): IkeAction[] {
    return this.#calls.at(now, () => this.#dispatch.receive(message, { local, remote }))
  }

  /** Serves everything that is due at `now`. Call it at `nextTimeoutAt()`; early calls do no harm. */
  handleTimeouts(now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      for (const sa of this.#runtime.wakeups.due(now)) contained(sa, () => serveTime(sa))
      this.#revival.serve(now)
    })
  }

  /** Absolute ms of the earliest timer, `Infinity` when there is none. */
  nextTimeoutAt(): number {
    return Math.min(this.#runtime.wakeups.nextAt(), this.#revival.nextAt())
  }

  /**
   * Sets up a further CHILD_SA, also when the child has one already, on an IKE_SA that is established or that we are setting
   * up. Any other is refused with `UsageError`: it has no authenticated peer, or not for long.
   */
  createChild(ikeSaId: number, childName: string, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    return this.#calls.change(sa, now, orderChild(sa, childName))
  }

  /** Deletes the CHILD_SA with this inbound SPI, and what is to take its place. */
  deleteChild(ikeSaId: number, spiIn: number, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    const child = childWith(sa, spiIn)
    return this.#calls.change(sa, now, () => deleteFamily(child))
  }

  /**
   * Replaces the CHILD_SA with this inbound SPI by a new one with fresh keys, without losing a packet. Nothing happens when that
   * is under way.
   */
  rekeyChild(ikeSaId: number, spiIn: number, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    const child = childWith(sa, spiIn)
    return this.#calls.change(sa, now, () => startRekey(child))
  }

  /** Deletes an IKE_SA with its CHILD_SAs. Its peer has to authenticate to come back: tickets that we gave it are void (RFC 5723 §6.2). */
  deleteIke(ikeSaId: number, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    if (sa.remoteId !== undefined) this.#runtime.tickets.revoke(sa.connection.name, sa.remoteId, now)
    return this.#calls.change(sa, now, () => sa.delete('local'))
  }

  /** Answers the event `resolve`: the address of that name, undefined when it has none. */
  resolved(token: number, address: IpAddress | undefined, now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      const waiting = this.#runtime.takeAwaited(token)
      if (waiting === undefined) return
      beginContained(waiting.sa, () => resolved(waiting.sa, waiting.gateway, address))
    })
  }

  /**
   * Answers the action `ask` with this token. Nothing happens when nobody waits for it any more: the IKE_SA has ended, or it was
   * answered; what addresses it gives are told to be nobody's. Throws `UsageError` for an answer to another kind of question. Octets are borrowed until the IKE_SA is
   * established or has ended.
   */
  answered(token: number, answer: Answer, now: number): IkeAction[] {
    const open = this.#runtime.questions.find(token)
    if (open !== undefined) checkAnswer(open.question.kind, answer)
    return this.#calls.at(now, () => {
      if (open === undefined) return answeredLate(this.#runtime, answer)
      this.#runtime.questions.take(token)
      beginContained(open.sa, () => open.resume(answer))
    })
  }

  /**
   * Sends the initiator of an established IKE_SA to another gateway, an IP address or a host name: it goes, and deletes this
   * IKE_SA, or we do after a minute. `UsageError` for an initiator that does not go elsewhere, and when we began it. RFC 5685 §5.
   */
  redirect(ikeSaId: number, to: string, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    return this.#calls.change(sa, now, orderRedirect(sa, to))
  }

  /** Replaces the keys of an established IKE_SA; its id, its CHILD_SAs and all else stay. RFC 7296 §2.8. */
  rekeyIke(ikeSaId: number, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    return this.#calls.change(sa, now, orderRekey(sa))
  }

  /**
   * States that this machine has taken an IKE_SA over, whose counters may lag behind what the one before it said: the peer is
   * asked to agree on message ids, and requests wait for that. `known`: the ids of the next request in each direction, as they
   * were handed over last, where they are not the ones of this endpoint. `replayDelta`: sequence numbers of ESP that the peer
   * is to leave out. Refused with `UsageError` when the peer cannot. RFC 6311 §5.
   */
  tookOver(
    ikeSaId: number,
    now: number,
    options: { readonly known?: KnownIds; readonly replayDelta?: number } = {},
  ): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    needSync(sa)
    const { known, replayDelta = 0 } = options
    return this.#calls.at(now, () => {
      if (known !== undefined) sa.window.restore(known.sent, known.received)
      beginSync(sa, replayDelta)
    })
  }

  /**
   * Sets up a new IKE_SA, with authentication and the same CHILD_SAs, beside an established one, which is deleted when that is done. RFC 7296 §2.8.3.
   */
  reauthenticate(ikeSaId: number, now: number): IkeAction[] {
    const sa = this.#sas.withId(ikeSaId)
    return this.#calls.change(sa, now, orderReauthentication(sa))
  }

  /** Deletes all IKE_SAs. `isIdle()` tells when every peer has answered or was given up. */
  shutdown(now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      // One that may take the place of another comes to what that one comes to.
      const settled = this.#sas.all().filter(({ state }) => state !== 'undecided')
      for (const sa of settled) begin(sa, () => sa.delete('local'))
      this.#revival.clear()
    })
  }

  isIdle(): boolean {
    return this.#sas.size === 0
  }

  /**
   * A packet met a trap: sets its CHILD_SA up, unless it stands or is being set up (a peer may be slow, or agree to less
   * than the trap asks for). A worker that shares the CHILD_SA of all asks for one of its own (RFC 9611). Acquires of other policies are
   * of no concern to IKE.
   */
  acquire(acquire: XfrmAcquire, now: number): IkeAction[] {
    const { reqid, worker } = acquire
    const trap = this.#traps.find(reqid) ?? this.#workers.withoutCommon(reqid)
    return this.#calls.at(now, () => {
      if (worker !== undefined) return this.#workers.want(reqid, worker)
      if (trap === undefined) return
      const { connection, child } = trap
      this.#revival.want(
        connection,
        child,
        bringUp(this.#runtime, this.#sas, connection, child, { trigger: { packet: acquire.packet, alone: false } }),
        now,
      )
    })
  }

  /** A state reached a limit. Soft: its CHILD_SA is rekeyed. Hard: it is deleted. RFC 7296 §2.8. */
  expire(expire: XfrmExpire, now: number): IkeAction[] {
    const child = this.#runtime.children.find(expire)
    return this.#calls.at(now, () => {
      if (child?.isAlive !== true || child.reqid !== expire.reqid) return
      const { sa } = child
      beginContained(sa, () => (expire.hard ? expireChild(child) : startRekey(child)))
    })
  }

  /** An authenticated ESP packet came from elsewhere: a peer behind a NAT is followed. RFC 7296 §2.23. */
  mapping(mapping: XfrmMapping, now: number): IkeAction[] {
    const sa = this.#runtime.children.ofInbound(mapping.spi)?.sa
    return this.#calls.at(now, () => {
      if (sa === undefined) return
      const { newAddress: address, newPort: port, newTcp } = mapping
      const remote = { address, port, ...(newTcp === true ? { tcp: newTcp } : {}) }
      beginContained(sa, () => seenElsewhere(sa, remote))
    })
  }

  /**
   * Answers the action `connect` with this token: the TCP connection is open, from this address and port of ours, and the stream
   * prefix is sent. RFC 9329 §6.1.
   */
  connected(token: number, local: SocketAddress, now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      const opening = takeOpening(this.#runtime, token, local)
      if (opening === undefined) return
      const { sa, path } = opening
      beginContained(sa, () => streamOpened(sa, path, this.#sas.all()))
    })
  }

  /** Answers it otherwise: no such connection can be opened; `why` is for people. */
  notConnected(token: number, why: string, now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      const opening = takeOpening(this.#runtime, token)
      if (opening === undefined) return
      const { sa, path } = opening
      beginContained(sa, () => streamRefused(sa, path, why, this.#sas.all()))
    })
  }

  /** A TCP connection has ended, whoever opened it. Its IKE_SAs stand; their originator opens another one. RFC 9329 §6.1. */
  disconnected(local: SocketAddress, remote: SocketAddress, why: string, now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      for (const sa of this.#sas.all()) {
        if (isStream(sa.path) && samePath(sa.path, { local, remote })) contained(sa, () => streamLost(sa, why))
      }
    })
  }

  /** The TCP connections in use. */
  streams(): Path[] {
    return this.#sas
      .all()
      .map(({ path }) => path)
      .filter((path) => isStream(path) && !isUnconnected(path))
  }

  /** An ESP packet came with an SPI that is not here: its sender is told, so that it need not send into the void. RFC 7296 §1.5. */
  unknownSpi({ spi, local, remote }: XfrmUnknownSpi, now: number): IkeAction[] {
    return this.#calls.at(now, () => {
      const sa = this.#strays.unknownSpi(spi, { local, remote }, this.#sas.all())
      if (sa !== undefined) contained(sa, () => pump(sa))
    })
  }

  /** Addresses that peers may be reached at, for the routes that `localAddressesChanged` asks about. */
  remoteAddresses(): IpAddress[] {
    const all = this.#sas.all().flatMap(({ path, mobike }) => [path.remote.address, ...(mobike?.peerAddresses ?? [])])
    return [...new Map(all.map((address) => [toHex(address), address])).values()]
  }

  /**
   * Tells the machine's addresses, at the start and whenever they have changed. `preferred` gives the one from which a remote address
   * is reached, undefined for none. IKE_SAs change over to it with MOBIKE (RFC 4555), or as if a NAT had done it.
   */
  localAddressesChanged(
    addresses: readonly IpAddress[],
    preferred: (remote: IpAddress) => IpAddress | undefined,
    now: number,
  ): IkeAction[] {
    return this.#calls.at(now, () => {
      this.#runtime.localAddresses = addresses.map((address) => address.slice())
      this.#runtime.preferred = preferred
      if (this.#begun) this.#traps.installAll()
      this.#revival.hurry(now)
      for (const sa of this.#sas.all()) {
        beginContained(sa, () => localAddressesChanged(sa, preferred))
      }
    })
  }

  /** All IKE_SAs with their CHILD_SAs, oldest first. */
  status(): IkeSaStatus[] {
    return this.#sas.all().map((sa) => sa.status())
  }
}

const noLocalAddress = ({ name }: ConnectionConfig): UsageError =>
  new UsageError('localAddress', `is needed: no address is known from which the peer of ${name} is reached`)
