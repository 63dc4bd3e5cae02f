import { toHex } from '../bytes/index.ts'
import type { RandomSource } from '../crypto/provider.ts'
import { PlatformError } from '../errors.ts'
import type { CloseReason, IkeEvent } from '../ike/events.ts'
import { formatSocketAddress, type IpAddress, type SocketAddress } from '../ip/address.ts'
import {
  type DisconnectListener,
  DisconnectServer,
  type DisconnectServerOptions,
  type DisconnectTarget,
  listenForDisconnects,
  type RadiusAccounting,
  type RadiusOutcome,
  TerminateCause,
} from '../radius/index.ts'
import type { Companion, CompanionWorld } from './companion.ts'
import { type RadiusAdmission, RadiusIkeSession, type SessionEnd, type SessionLimits } from './radius-session.ts'

/** Who may send Disconnect- and CoA-Requests to us, and where. */
export interface RadiusDisconnect {
  readonly at: SocketAddress
  /** As in `RadiusAdmission`. */
  readonly realm: string
  readonly server: Pick<DisconnectServerOptions, 'crypto' | 'clients' | 'nas'>
}

export interface RadiusSessionsOptions {
  /** For the ids of sessions, which have to be unique over restarts. */
  readonly random: RandomSource
  readonly disconnects?: readonly RadiusDisconnect[]
  /**
   * All that are told of sessions: they hear at the start that we count from here on. One that hears so later may take the sessions for gone
   * that stand by then, since it knows us by our NAS-Identifier alone.
   */
  readonly accountings?: readonly RadiusAccounting[]
  /** Monotonic, ms. */
  readonly now?: () => number
  /** Seconds since 1970. */
  readonly seconds?: () => number
  /** Between looks at the limits, ms. */
  readonly tickMs?: number
}

/** How long `close` waits for answers to the last accounting, ms. */
const closePatienceMs = 2_000

/**
 * The sessions of peers that RADIUS let in: tells accounting of each when it begins, in between and at its end, ends it when
 * its time is over (Session-Timeout, Idle-Timeout), and when RADIUS asks for that (Disconnect-Request) or changes those times (CoA-Request).
 * What is ended is its IKE_SA, and nothing else. RFC 2865, RFC 2866, RFC 5176.
 */
export class RadiusSessions implements Companion {
  readonly #options: Required<RadiusSessionsOptions>
  /** Begins the id of each session. */
  readonly #boot: string
  /** Peers that RADIUS let in, and whose IKE_SA does not stand yet. */
  readonly #admitted = new Map<number, RadiusAdmission>()
  readonly #addresses = new Map<number, readonly IpAddress[]>()
  readonly #sessions = new Map<number, RadiusIkeSession>()
  readonly #telling = new Set<Promise<unknown>>()
  readonly #accountings = new Set<RadiusAccounting>()
  readonly #listeners: DisconnectListener[] = []
  #count = 0
  #world: CompanionWorld | undefined
  #ticker: NodeJS.Timeout | undefined
  #closing = false

  constructor(options: RadiusSessionsOptions) {
    const defaults = {
      disconnects: [],
      accountings: [],
      now: () => performance.now(),
      seconds: () => Date.now() / 1000,
      tickMs: 1000,
    }
    this.#options = { ...defaults, ...options }
    this.#boot = toHex(options.random(4))
  }

  /** RADIUS has let a peer in; what comes of it is told by events. */
  admitted(admission: RadiusAdmission): void {
    this.#admitted.set(admission.ikeSaId, admission)
  }

  /** Those that stand, for people and tests. */
  get sessions(): readonly { readonly id: string; readonly ikeSaId: number; readonly userName: string }[] {
    return [...this.#sessions].map(([ikeSaId, { id, userName }]) => ({ id, ikeSaId, userName }))
  }

  async open(world: CompanionWorld): Promise<void> {
    this.#world = world
    await this.#listen()
    for (const accounting of this.#options.accountings) this.#countFor(accounting)
  }

  async #listen(): Promise<void> {
    for (const [key, group] of groupBy(this.#options.disconnects, ({ at }) => formatSocketAddress(at))) {
      const servers = group.map((one) => this.#disconnectServer(one))
      try {
        this.#listeners.push(await listenForDisconnects(servers, group[0]!.at))
      } catch (cause) {
        const remedy = 'see to radius.disconnect: its address has to be of this machine, and its port free'
        throw new PlatformError('RADIUS_PORT', `cannot listen for RADIUS at ${key}`, remedy, { cause })
      }
    }
  }

  notice(event: IkeEvent): void {
    switch (event.kind) {
      case 'assigned': {
        const session = this.#sessions.get(event.sa.id)
        if (session !== undefined) session.addresses = event.addresses
        else if (this.#admitted.has(event.sa.id)) this.#addresses.set(event.sa.id, event.addresses)
        break
      }
      case 'ike-established':
        this.#begin(event.sa.id, event.details.assignedIps)
        break
      case 'ike-closed':
        this.#end(event.sa.id, event.reason)
        break
    }
  }

  closing(): void {
    this.#closing = true
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker)
    for (const id of [...this.#sessions.keys()]) this.#end(id, 'local')
    for (const listener of this.#listeners) listener.close()
    // Behind the ends of those sessions, which are told a moment later.
    await Promise.resolve()
    for (const accounting of this.#accountings) this.#tell(accounting.off(), 'Accounting-Off')
    let patience: NodeJS.Timeout | undefined
    const enough = new Promise((resolve) => {
      patience = setTimeout(resolve, closePatienceMs)
    })
    await Promise.race([Promise.allSettled([...this.#telling]), enough])
    clearTimeout(patience)
  }

  #begin(ikeSaId: number, assigned: readonly IpAddress[] | undefined): void {
    const admission = this.#admitted.get(ikeSaId)
    if (admission === undefined) return
    this.#admitted.delete(ikeSaId)
    const addresses = assigned ?? this.#addresses.get(ikeSaId) ?? []
    this.#addresses.delete(ikeSaId)
    const id = `${this.#boot}-${++this.#count}`
    const session = new RadiusIkeSession(admission, id, addresses, this.#options.now())
    this.#sessions.set(ikeSaId, session)
    this.#ticker ??= setInterval(() => this.#tick(), this.#options.tickMs).unref()
    const { accounting } = admission
    if (accounting === undefined) return
    this.#countFor(accounting)
    // The address is told within the same step, before or behind.
    queueMicrotask(() => this.#tell(accounting.start(session.account), `the start of ${id}`))
  }

  /** What the server still has of ours is of a process that has ended. RFC 2866 §5.1. */
  #countFor(accounting: RadiusAccounting): void {
    if (this.#accountings.has(accounting)) return
    this.#accountings.add(accounting)
    this.#tell(accounting.on(), 'Accounting-On')
  }

  #end(ikeSaId: number, reason: CloseReason): void {
    this.#admitted.delete(ikeSaId)
    this.#addresses.delete(ikeSaId)
    const session = this.#sessions.get(ikeSaId)
    if (session === undefined) return
    this.#sessions.delete(ikeSaId)
    const { accounting } = session.admission
    if (accounting === undefined) return
    const cause = session.ending?.cause ?? (this.#closing ? TerminateCause.AdminReboot : causes[reason])
    const traffic = this.#traffic(ikeSaId, session)
    // Behind its own start, which is told a moment after the event.
    queueMicrotask(() => this.#tell(accounting.stop(session.account, traffic, cause), `the end of ${session.id}`))
  }

  #tick(): void {
    const now = this.#options.now()
    for (const [ikeSaId, session] of this.#sessions) {
      if (session.ending !== undefined) continue
      const traffic = this.#traffic(ikeSaId, session)
      const end = session.over(traffic, now)
      if (end !== undefined) this.#terminate(ikeSaId, session, end)
      else if (session.interimDue(now)) {
        const { accounting } = session.admission
        if (accounting !== undefined) this.#tell(accounting.interim(session.account, traffic), `of ${session.id}`)
      }
    }
  }

  #terminate(ikeSaId: number, session: RadiusIkeSession, end: SessionEnd): void {
    session.ending = end
    const subject = `${session.admission.account.connection}[${ikeSaId}]`
    this.#world?.log('info', subject, `RADIUS session ${session.id} of ${session.userName} ends: ${end.why}`)
    this.#world?.end(ikeSaId)
  }

  #traffic(ikeSaId: number, session: RadiusIkeSession) {
    const none = { inputOctets: 0, inputPackets: 0, outputOctets: 0, outputPackets: 0 }
    return { ...(this.#world?.traffic(ikeSaId) ?? none), seconds: session.seconds(this.#options.now()) }
  }

  #tell(answer: Promise<RadiusOutcome>, what: string): void {
    const told = answer.then((outcome) => {
      this.#telling.delete(told)
      if (!outcome.ok) this.#world?.log('warn', 'radius', `accounting: ${what} is not told: ${outcome.message}`)
    })
    this.#telling.add(told)
  }

  #disconnectServer({ realm, server }: RadiusDisconnect): DisconnectServer {
    const fitting = (target: DisconnectTarget) =>
      [...this.#sessions].filter(([, session]) => {
        const { admission, ending } = session
        const station = formatSocketAddress(admission.account.remote)
        return admission.realm === realm && ending === undefined && session.fits(target, station)
      })
    return new DisconnectServer({
      ...server,
      seconds: this.#options.seconds,
      disconnect: (target) => {
        const found = fitting(target)
        const end = { why: 'RADIUS asked for it (Disconnect-Request)', cause: TerminateCause.AdminReset }
        for (const [ikeSaId, session] of found) this.#terminate(ikeSaId, session, end)
        return found.length
      },
      change: (target: DisconnectTarget, limits: SessionLimits) => {
        const found = fitting(target)
        for (const [, session] of found) session.change(limits, this.#options.now())
        return found.length
      },
    })
  }
}

/** RFC 2866 §5.10. */
const causes: Readonly<Record<CloseReason, number>> = {
  peer: TerminateCause.UserRequest,
  timeout: TerminateCause.LostCarrier,
  local: TerminateCause.AdminReset,
  expired: TerminateCause.NasRequest,
  replaced: TerminateCause.NasRequest,
  refused: TerminateCause.NasError,
  error: TerminateCause.NasError,
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one])
  return groups
}
