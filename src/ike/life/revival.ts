import { NotifyType, notifyName } from '../codec/index.ts'
import type { ChildConfig, ConnectionConfig } from '../config.ts'
import type { CloseReason, IkeEvent } from '../events.ts'
import type { Refusal } from '../explain/refusal.ts'

/** The first pause between two tries; each is twice as long as the one before. */
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 300_000

/** What ends sooner than this after it came up, and does so again, is not set up again at once. */
const SHORT_LIFE_MS = 60_000

/** A child that is wanted, and is not up, or may go down. */
interface Wanted {
  readonly connection: ConnectionConfig
  readonly child: ChildConfig
  /** The IKE_SA that a try is under way on, or that carries it; 0 for none. */
  ikeSa: number
  isUp: boolean
  /** When it came up last, and how often in a row it ended soon after that. */
  upAt: number
  shortLives: number
  /** Tries that failed since it was up last. */
  failures: number
  /** When it is tried again, `Infinity` while no try is due. */
  nextAt: number
}

/** What a revival asks its endpoint to do. */
export interface RevivalActs {
  /** Sets a child up, on an IKE_SA that stands where there is one. Returns that IKE_SA's id, 0 when no address of ours reaches the peer. */
  bringUp(connection: ConnectionConfig, child: ChildConfig): number
  /** Makes the child wait for a packet. */
  trap(connection: ConnectionConfig, child: ChildConfig): void
  tell(event: IkeEvent): void
  /** Whether a CHILD_SA of this config stands, or is being set up. */
  has(connection: ConnectionConfig, child: ChildConfig): boolean
}

/**
 * What becomes of a child that ended or could not be set up: `dpdAction` when the peer was given up, `closeAction` when it deleted
 * it (after a pause when it does so soon, again and again), another try up to `keyingTries` when it did not answer. A refusal is not tried again, because it would be the same; neither
 * is what we deleted ourselves. It learns everything from the events, and keeps times in the caller's ms.
 */
export class Revival {
  readonly #acts: RevivalActs
  readonly #connections: readonly ConnectionConfig[]
  readonly #wanted = new Map<string, Wanted>()

  constructor(connections: readonly ConnectionConfig[], acts: RevivalActs) {
    this.#connections = connections
    this.#acts = acts
  }

  /**
   * Somebody wants this child on the IKE_SA `ikeSa`, 0 when there is no way to the peer yet. One whose peer has no address is not
   * tried again: that peer has to come by itself.
   */
  want(connection: ConnectionConfig, child: ChildConfig, ikeSa: number, now: number): void {
    if (connection.remote.address === undefined) return
    const key = keyOf(connection.name, child.name)
    const known = this.#wanted.get(key)
    const wanted = known ?? { ...notYet, connection, child, ikeSa }
    this.#wanted.set(key, wanted)
    wanted.ikeSa = ikeSa
    wanted.nextAt = Number.POSITIVE_INFINITY
    if (ikeSa === 0) this.#failed(key, wanted, now)
  }

  /** Nothing is wanted any more: we end. */
  clear(): void {
    this.#wanted.clear()
  }

  /** The earliest try, `Infinity` for none. */
  nextAt(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const { nextAt } of this.#wanted.values()) earliest = Math.min(earliest, nextAt)
    return earliest
  }

  /** Begins the tries that are due. */
  serve(now: number): void {
    for (const { connection, child, nextAt } of [...this.#wanted.values()]) {
      if (nextAt <= now) this.want(connection, child, this.#acts.bringUp(connection, child), now)
    }
  }

  /** An address of ours came: what waits for a way to its peer is tried at once. */
  hurry(now: number): void {
    for (const wanted of this.#wanted.values()) {
      if (wanted.nextAt !== Number.POSITIVE_INFINITY && wanted.ikeSa === 0) wanted.nextAt = now
    }
  }

  notice(event: IkeEvent, now: number): void {
    // A worker's own is wanted with its next packet, as long as the one for all stands.
    if (isOfWorker(event)) return
    if (event.kind === 'child-established') this.#established(event.sa, event.child.name, now)
    else if (event.kind === 'child-closed') this.#closed(event.sa, event.child.name, event.reason, now)
    else if (event.kind === 'ike-closed') this.#lost(event.sa.id, event.reason, now)
    else if (event.kind === 'refused' && event.sa !== undefined)
      this.#refused(event.sa.id, event.child, event.refusal, now)
  }

  #established(sa: { id: number; connection: string }, childName: string, now: number): void {
    const wanted = this.#wanted.get(keyOf(sa.connection, childName))
    if (wanted === undefined) return
    Object.assign(wanted, { ikeSa: sa.id, isUp: true, upAt: now, failures: 0, nextAt: Number.POSITIVE_INFINITY })
  }

  #closed(sa: { id: number; connection: string }, childName: string, reason: CloseReason, now: number): void {
    const key = keyOf(sa.connection, childName)
    const wanted = this.#wanted.get(key)
    const connection = this.#connections.find(({ name }) => name === sa.connection)
    const child = connection?.children.find(({ name }) => name === childName)
    if (connection === undefined || child === undefined || connection.remote.address === undefined) return
    // Another IKE_SA carries it, or is to.
    if (this.#acts.has(connection, child)) return
    if (wanted !== undefined && !wanted.isUp && wanted.ikeSa !== sa.id) return
    this.#wanted.delete(key)
    const action = actionFor(child, reason)
    if (action === 'trap') this.#acts.trap(connection, child)
    if (action !== 'start') return
    const isShort = wanted?.isUp === true && now - wanted.upAt < SHORT_LIFE_MS
    const shortLives = isShort ? wanted.shortLives + 1 : 0
    const inMs = shortLives < 2 ? 0 : pauseMs(shortLives - 2)
    this.#wanted.set(key, { ...notYet, connection, child, shortLives, nextAt: now + inMs })
    if (inMs > 0) this.#tell(connection, child, inMs)
  }

  /** An IKE_SA ended before what was wanted on it came up. */
  #lost(ikeSa: number, reason: CloseReason, now: number): void {
    for (const [key, wanted] of [...this.#wanted]) {
      if (wanted.ikeSa !== ikeSa || wanted.isUp) continue
      if (reason === 'timeout') this.#failed(key, wanted, now)
      else this.#wanted.delete(key)
    }
  }

  /** The peer was only busy: that passes. RFC 7296 §2.25. */
  #refused(ikeSa: number, childName: string | undefined, refusal: Refusal, now: number): void {
    if (childName === undefined || childName === '') return
    for (const [key, wanted] of [...this.#wanted]) {
      if (wanted.ikeSa !== ikeSa || wanted.isUp || wanted.child.name !== childName) continue
      if (isBusy(refusal)) this.#pause(wanted, now)
      else this.#wanted.delete(key)
    }
  }

  #failed(key: string, wanted: Wanted, now: number): void {
    const { keyingTries } = wanted.connection
    if (keyingTries !== 0 && wanted.failures + 1 >= keyingTries) this.#wanted.delete(key)
    else this.#pause(wanted, now)
  }

  #pause(wanted: Wanted, now: number): void {
    const inMs = pauseMs(wanted.failures)
    wanted.nextAt = now + inMs
    wanted.failures++
    wanted.ikeSa = 0
    this.#tell(wanted.connection, wanted.child, inMs)
  }

  #tell({ name: connection }: ConnectionConfig, { name: child }: ChildConfig, inMs: number): void {
    this.#acts.tell({ kind: 'next-try', connection, child, inMs })
  }
}

const notYet = { ikeSa: 0, isUp: false, upAt: 0, shortLives: 0, failures: 0, nextAt: Number.POSITIVE_INFINITY } as const

const pauseMs = (before: number): number => Math.min(FIRST_PAUSE_MS * 2 ** before, LONGEST_PAUSE_MS)

/** What a child does when its CHILD_SA has ended for `reason`. */
function actionFor(child: ChildConfig, reason: CloseReason): 'start' | 'trap' | 'none' {
  if (reason === 'timeout') {
    return child.dpdAction === 'restart' ? 'start' : child.dpdAction === 'trap' ? 'trap' : 'none'
  }
  if (reason === 'peer') return child.closeAction
  // Its traffic goes on through another one.
  if (reason === 'expired' && child.startAction === 'start') return 'start'
  return 'none'
}

function isOfWorker(event: IkeEvent): boolean {
  if (event.kind === 'refused') return event.worker !== undefined
  return (event.kind === 'child-established' || event.kind === 'child-closed') && event.child.worker !== undefined
}

const isBusy = (refusal: Refusal): boolean =>
  'detail' in refusal && refusal.detail === notifyName(NotifyType.TEMPORARY_FAILURE)

const keyOf = (connection: string, child: string): string => JSON.stringify([connection, child])
