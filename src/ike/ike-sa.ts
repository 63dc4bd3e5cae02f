import { wipe } from '../bytes/index.ts'
import type { OpenQuestion } from './asking/open-questions.ts'
import { endChild, silentFirst } from './child/child-succession.ts'
import type { ChildConfig } from './config.ts'
import type { CloseReason, IkeSaRef, IkeSaStatus } from './events.ts'
import type { Refusal } from './explain/refusal.ts'
import { IkeSaFacts, type IkeSaParameters } from './ike-sa-facts.ts'
import { type IkeSaState, ikeSaStates } from './ike-sa-states.ts'
import { statusOf } from './ike-status.ts'
import { armLifetime, type LifetimeTimer } from './life/ike-lifetime.ts'
import { armLiveness } from './life/ike-liveness.ts'
import { endReplacing, tieBreakOf } from './life/ike-uniqueness.ts'
import { armKeepalive } from './path/keepalive.ts'
import { changePath, moveTo, probePath, updateAddresses } from './path/path-changes.ts'
import { isUnconnected } from './path/streams.ts'
import type { Question } from './questions.ts'
import { voidTicket } from './resumption/resumption.ts'
import type { Path } from './runtime.ts'
import { withoutAuth, withoutNonces } from './set-up/init-result.ts'
import { Lifecycle } from './states.ts'
import type { Task } from './task.ts'
import { IkeDelete } from './tasks/ike-delete.ts'
import { serveChildTimers, serveTimer } from './time/ike-timers.ts'

/** Responders forget an IKE_SA that is not authenticated this long after its last IKE_SA_INIT or IKE_INTERMEDIATE. */
const HALF_OPEN_MS = 30_000

/** The same while many are half-open: time for one retransmission. RFC 8019 §5. */
const CROWDED_MS = 10_000

/**
 * A superseded IKE_SA that nobody deletes ends after this long: the peer may ask that long for the response that made the new
 * one, in some minutes of retransmissions.
 */
const LINGER_MS = 180_000

/** While an IKE_SA is set up, somebody of ours has this long to answer a question: time enough to type a password. */
const ANSWER_MS = 120_000

/**
 * One IKE_SA: its state, its keys, its message window, its queue of exchanges and its CHILD_SAs. How messages are made
 * and taken apart is in `ike-messages.ts`; what each exchange does is in `tasks/`; what its timers do, in `ike-timers.ts`; how
 * another one takes its place, in `ike-succession.ts`.
 */
export class IkeSa extends IkeSaFacts {
  readonly #lifecycle: Lifecycle<IkeSaState>
  /** Why it is being deleted. */
  #ending: { readonly reason: CloseReason; readonly refusal: Refusal | undefined } | undefined

  constructor(parameters: IkeSaParameters) {
    super(parameters)
    this.#lifecycle = new Lifecycle<IkeSaState>(ikeSaStates, parameters.state ?? 'connecting')
    if (this.role === 'responder' && this.state === 'connecting') this.waitForInitiator()
  }

  override get state(): IkeSaState {
    return this.#lifecycle.state
  }

  get ref(): IkeSaRef {
    return { id: this.id, connection: this.connection.name }
  }

  /** Our own SPI, by which arriving messages find this IKE_SA. */
  get ownSpi(): Uint8Array {
    return this.role === 'initiator' ? this.SPIi : this.init!.SPIr
  }

  /** An active task is to begin anew `ms` from now: the peer had no time for it. It is done until then. RFC 7296 §2.25. */
  postpone(task: Task, ms: number): void {
    this.postponeUntil(task, this.runtime.now + ms)
  }

  override taskDone(task: Task): void {
    super.taskDone(task)
    if (this.activeTasks.length === 0) this.deletedEarly = undefined
  }

  override taskContinues(task: Task): void {
    super.taskContinues(task)
    if (task.isReady === false) this.timers.set('work', this.runtime.now)
  }

  protected override get mayBegin(): boolean {
    return this.state !== 'closed' && this.window.hasRoom && !isUnconnected(this.path)
  }

  /** A bit of the work that the next request takes. Others have their turn before the rest of it. */
  workOnNext(): void {
    const task = this.firstWaiting
    task?.work?.()
    if (task?.isReady === false) this.timers.set('work', this.runtime.now + 1)
  }

  /** True when a CHILD_SA of this config stands here, for all workers, or one that we asked for is on its way. */
  hasOrMakes(child: ChildConfig): boolean {
    if (this.state === 'connecting' && this.firstChild === child) return true
    if (this.children.some(({ config, isAlive, worker }) => config === child && isAlive && worker === undefined))
      return true
    return this.findTask(({ makes }) => makes === child) !== undefined
  }

  /** A responder waits for the initiator's next message, and not for ever. */
  waitForInitiator(): void {
    const patienceMs = this.runtime.halfOpen.areMany ? CROWDED_MS : HALF_OPEN_MS
    this.timers.set('half-open', this.runtime.now + patienceMs)
  }

  /** Asks somebody of ours; while the IKE_SA is set up, not for ever. Returns the token of the answer. */
  ask(question: Question, then: Pick<OpenQuestion, 'resume' | 'cancel'>): number {
    if (this.state === 'connecting') this.timers.set('half-open', this.runtime.now + ANSWER_MS)
    return this.runtime.ask({ sa: this, question, ...then })
  }

  /** The peer has authenticated. */
  established(): void {
    this.runtime.halfOpen.delete(this)
    this.intermediate?.destroy()
    this.authenticatedAt = this.resumed?.authenticatedAt ?? this.runtime.now
    this.tieBreak = tieBreakOf(this)
    this.runtime.peers.add(this)
    this.nat = { natLocal: this.init!.natLocal, natRemote: this.init!.natRemote }
    this.start()
    this.runtime.emit({ kind: 'ike-established', sa: this.ref, details: this.status() })
  }

  /**
   * `other`, of the same peer, has its place: it is deleted after `delayMs`, when its CHILD_SAs are there as well. Who `asks` for
   * those is one end alone.
   */
  replaceBy(other: IkeSa, delayMs: number, asks: boolean): void {
    this.replacement = { by: other, since: this.runtime.now, asks }
    this.timers.set('replace', this.runtime.now + delayMs)
  }

  /** `successor` is the one to use: this one waits for its DELETE, the peer's or ours. */
  supersededBy(successor: IkeSa): void {
    this.successor = successor
    this.rekeyingOf = undefined
    this.followUps?.abandonAll()
    this.runtime.superseded.add(this)
    if (this.state === 'deleting') return
    this.#lifecycle.to('superseded')
    const syncAt = this.timers.at('id-sync')
    this.timers.clearAll()
    // Its DELETE waits for the message ids.
    if (syncAt !== undefined) this.timers.set('id-sync', syncAt)
    this.timers.set('linger', this.runtime.now + LINGER_MS)
  }

  /**
   * Ends this IKE_SA with a DELETE, after the exchanges under way; what else waits is given up. An IKE_SA without keys, or
   * with a peer that has not authenticated, has nobody to tell and ends at once.
   */
  delete(reason: CloseReason, refusal?: Refusal, farewell?: Task): void {
    if (this.state === 'closed' || this.state === 'deleting') return
    const isStranger = this.role === 'responder' && this.state === 'connecting'
    if (this.init === undefined || isStranger) {
      this.close(reason, refusal)
      return
    }
    this.#lifecycle.to('deleting')
    this.#ending = { reason, refusal }
    this.abandonAsking()
    this.abandonWaiting()
    this.enqueue(farewell ?? new IkeDelete(this, reason, refusal))
  }

  /** Why we end it, from `delete` on. */
  get ending(): { readonly reason: CloseReason; readonly refusal: Refusal | undefined } | undefined {
    return this.#ending
  }

  /** Ends this IKE_SA here and now: CHILD_SAs, timers, keys. `by` has its place. RFC 7296 §1.4.1. */
  close(reason: CloseReason, refusal?: Refusal, by = this.replacement?.by): void {
    if (this.state === 'closed') return
    // What the peer has rekeyed goes on.
    this.rekeying?.oldEnds()
    this.rekeyingOf?.theirsEnds()
    const isKnown = this.successor === undefined && this.state !== 'undecided'
    const addresses = this.runtime.assigned.takeBack(this)
    // First, so that whoever hears of the children finds nothing here that still makes them.
    this.#lifecycle.to('closed')
    this.removeChildren(reason)
    this.runtime.halfOpen.delete(this)
    endReplacing(this)
    this.runtime.peers.remove(this)
    this.runtime.superseded.delete(this)
    this.runtime.noteClosed(this)
    this.runtime.leftovers.delete(this)
    this.runtime.questions.cancelAll(this)
    this.authFlow?.return([])
    this.abandonActive()
    this.abandonWaiting()
    this.followUps?.abandonAll()
    this.window.abandonAll()
    this.reassembly.forgetAll()
    this.timers.clearAll()
    this.childTimers.clearAll()
    this.#wipe()
    if (!isKnown) return
    // What nobody answers any more a ticket is for; what one of us deletes it is not. RFC 5723 §6.2.
    if (reason !== 'timeout' || this.#ending !== undefined) voidTicket(this)
    this.runtime.emit({
      kind: 'ike-closed',
      sa: this.ref,
      reason,
      ...(refusal === undefined ? {} : { refusal }),
      ...(by === undefined ? {} : { by: by.ref }),
      ...(addresses.length === 0 ? {} : { addresses }),
    })
  }

  /** Takes all CHILD_SAs down: nothing is sent into an IKE_SA that ends. Those of another one for the same traffic go on. */
  removeChildren(reason: CloseReason): void {
    for (const child of silentFirst(this.children)) endChild(child, reason)
    for (const child of [...this.lingering]) child.remove(reason)
  }

  /** RFC 7296 §2.23: a host that is not behind a NAT follows a peer that is; one behind a NAT itself should not. */
  get followsRemote(): boolean {
    return this.state === 'established' && this.nat.natRemote && !this.nat.natLocal
  }

  /** See `path-changes.ts`. */
  moveTo(path: Path): boolean {
    return moveTo(this, path)
  }

  changePath(path: Path): void {
    changePath(this, path)
  }

  updateAddresses(): void {
    updateAddresses(this)
  }

  probePath(target: Path): void {
    probePath(this, target)
  }

  /** Serves the timers whose time has come, and gives back the others, which are about its lifetime. */
  serveTimers(): LifetimeTimer[] {
    const { now } = this.runtime
    this.resumePostponed(now)
    if (this.childTimers.next() <= now) serveChildTimers(this)
    return this.timers
      .due(now)
      .map((name) => serveTimer(this, name))
      .filter((name) => name !== undefined)
  }

  status(): IkeSaStatus {
    return statusOf(this)
  }

  /** One of its timers, or of what waits for a response, has changed. */
  override timesChanged(): void {
    const taskAt = this.postponedUntil
    const at = Math.min(this.timers.next(), taskAt, this.childTimers.next(), this.window.nextAt)
    this.runtime.wakeups.set(this, this.state === 'closed' ? Number.POSITIVE_INFINITY : at)
  }

  /** It carries CHILD_SAs from here on. */
  start(): void {
    this.#lifecycle.to('established')
    this.establishedAt = this.runtime.now
    this.runtime.leftovers.add(this, this.runtime.now)
    this.timers.clear('half-open')
    armLiveness(this)
    armLifetime(this)
    armKeepalive(this)
  }

  #wipe(): void {
    this.runtime.releaseIkeSpi(this.role === 'initiator' ? this.SPIi : (this.init?.SPIr ?? this.SPIi))
    if (this.init === undefined) return
    wipe(this.init.keys.SK_d)
    this.init.protectInbound.destroy()
    this.init.protectOutbound.destroy()
    this.intermediate?.destroy()
    withoutAuth(this.init)
    withoutNonces(this.init)
  }
}
