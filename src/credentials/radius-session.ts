import { formatIp, type IpAddress } from '../ip/address.ts'
import {
  type AccountedSession,
  type DisconnectTarget,
  type RadiusAccounting,
  type RadiusSession,
  TerminateCause,
} from '../radius/index.ts'
import type { SessionTraffic } from './companion.ts'

/** What RADIUS said of a peer, and whom to tell of it: made when it let the peer in. */
export interface RadiusAdmission {
  /** The IKE_SA that the peer came in by. */
  readonly ikeSaId: number
  readonly account: Omit<AccountedSession, 'addresses' | 'id'>
  readonly session: RadiusSession
  /** Undefined: nobody is told. */
  readonly accounting: RadiusAccounting | undefined
  /** Between interim updates where the server says nothing, 0 for none. */
  readonly interimMs: number
  /** The section of the settings: a Disconnect-Request is for the sessions of its own. */
  readonly realm: string
}

/** An end that a session has met: which limit, for the log, and what accounting calls it (`TerminateCause`). */
export interface SessionEnd {
  readonly why: string
  readonly cause: number
}

/** New limits of a CoA-Request. RFC 5176 §2.2. */
export interface SessionLimits {
  /** Seconds from now; undefined: as before. */
  readonly sessionTimeout: number | undefined
  readonly idleTimeout: number | undefined
}

/** One session: an IKE_SA whose peer RADIUS let in. Times are monotonic ms. RFC 2865 §5.27, §5.28, RFC 2866. */
export class RadiusIkeSession {
  readonly admission: RadiusAdmission
  readonly id: string
  /** Why we end it, once that is so. */
  ending: SessionEnd | undefined
  #addresses: readonly IpAddress[]
  readonly #startedAt: number
  #endsAt: number
  #idleMs: number
  #interimMs: number
  #interimAt: number
  #packets = 0
  #busyAt: number

  constructor(admission: RadiusAdmission, id: string, addresses: readonly IpAddress[], now: number) {
    const { session, accounting, interimMs } = admission
    this.admission = admission
    this.id = id
    this.#addresses = addresses
    this.#startedAt = now
    this.#busyAt = now
    this.#endsAt = now + msOf(session.sessionTimeout)
    this.#idleMs = msOf(session.idleTimeout)
    const told = session.interimInterval === undefined ? interimMs : session.interimInterval * 1000
    this.#interimMs = accounting === undefined || told === 0 ? Number.POSITIVE_INFINITY : told
    this.#interimAt = now + this.#interimMs
  }

  get userName(): string {
    return this.admission.account.userName
  }

  /** For RADIUS. */
  get account(): AccountedSession {
    return { ...this.admission.account, id: this.id, addresses: this.#addresses }
  }

  /** The peer's addresses, where they became known late. */
  set addresses(addresses: readonly IpAddress[]) {
    this.#addresses = addresses
  }

  seconds(now: number): number {
    return (now - this.#startedAt) / 1000
  }

  change({ sessionTimeout, idleTimeout }: SessionLimits, now: number): void {
    if (sessionTimeout !== undefined) this.#endsAt = now + msOf(sessionTimeout)
    if (idleTimeout === undefined) return
    this.#idleMs = msOf(idleTimeout)
    this.#busyAt = now
  }

  /** The limit that it has reached, if any. */
  over(traffic: SessionTraffic, now: number): SessionEnd | undefined {
    const packets = traffic.inputPackets + traffic.outputPackets
    if (packets !== this.#packets) this.#busyAt = now
    this.#packets = packets
    if (now >= this.#endsAt) return { why: 'its Session-Timeout is over', cause: TerminateCause.SessionTimeout }
    if (now < this.#busyAt + this.#idleMs) return undefined
    return {
      why: `no packet came or went for ${this.#idleMs / 1000} s (Idle-Timeout)`,
      cause: TerminateCause.IdleTimeout,
    }
  }

  /** True once for each time that an interim update is due. */
  interimDue(now: number): boolean {
    if (now < this.#interimAt) return false
    this.#interimAt = now + this.#interimMs
    return true
  }

  /** All that the request names has to fit. RFC 5176 §3. */
  fits(target: DisconnectTarget, callingStation: string): boolean {
    const { sessionId, userName, address, callingStationId, nasPortId } = target
    if (nasPortId !== undefined && nasPortId !== this.admission.account.connection) return false
    if (sessionId !== undefined && sessionId !== this.id) return false
    if (userName !== undefined && userName !== this.userName) return false
    if (address !== undefined && !this.#addresses.some((one) => formatIp(one) === address)) return false
    return callingStationId === undefined || callingStationId === callingStation
  }
}

const msOf = (seconds: number | undefined): number =>
  seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1000
