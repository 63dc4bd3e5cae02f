import { wipe } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'
import type { Flow } from './asking/flow.ts'
import type { OpenQuestion } from './asking/open-questions.ts'
import type { ChildSa } from './child/child-sa.ts'
import { endChild, silentFirst } from './child/child-succession.ts'
import type { Trigger } from './child/child-terms.ts'
import type { Payload } from './codec/index.ts'
import type { ChildConfig, ConnectionConfig, Identity } from './config.ts'
import type { NoAddress } from './config-payload/no-address.ts'
import type { CloseReason, IkeSaRef, IkeSaStatus } from './events.ts'
import type { Refusal } from './explain/refusal.ts'
import { type IkeSaState, ikeSaStates } from './ike-sa-states.ts'
import { statusOf } from './ike-status.ts'
import type { FollowUps } from './keys/follow-up.ts'
import type { Intermediate } from './keys/intermediate.ts'
import { armLifetime, type LifetimeTimer } from './life/ike-lifetime.ts'
import { armLiveness } from './life/ike-liveness.ts'
import type { IkeRekeying } from './life/ike-rekeying.ts'
import { tieBreakOf } from './life/ike-uniqueness.ts'
import { KEPT_MS } from './life/leftovers.ts'
import type { OwnSync, PeerSync } from './message/message-id-sync.ts'
import { MessageWindow } from './message/message-window.ts'
import { Reassembly } from './message/reassembly.ts'
import type { OpenRequest } from './message/request-answering.ts'
import { armKeepalive } from './path/keepalive.ts'
import type { Mobike } from './path/mobike.ts'
import type { NatFindings } from './path/nat-detection.ts'
import { changePath, moveTo, probePath, updateAddresses } from './path/path-changes.ts'
import type { CertificateBlob, ProvenPeer, Question } from './questions.ts'
import { voidTicket } from './resumption/resumption.ts'
import type { Session } from './resumption/session.ts'
import type { IkeRuntime, Path } from './runtime.ts'
import { type InitResult, withoutAuth, withoutNonces } from './set-up/init-result.ts'
import { noAbilities, type PeerAbilities } from './set-up/peer-abilities.ts'
import type { SetUp } from './set-up/set-up.ts'
import { Lifecycle } from './states.ts'
import type { Task } from './task.ts'
import { TaskQueue } from './task-queue.ts'
import type { CreateAnswered } from './tasks/create-responder.ts'
import { IkeDelete } from './tasks/ike-delete.ts'
import { type IkeTimer, serveChildTimers, serveTimer } from './time/ike-timers.ts'
import { Timers } from './time/timers.ts'

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

interface Replacement {
  readonly by: IkeSa
  readonly since: number
  /** We are to ask for the CHILD_SAs that the other one has not, and have not done so yet. */
  asks: boolean
}

/**
 * One IKE_SA: its state, its keys, its message window, its queue of exchanges and its CHILD_SAs. How messages are made
 * and taken apart is in `ike-messages.ts`; what each exchange does is in `tasks/`; what its timers do, in `ike-timers.ts`; how
 * another one takes its place, in `ike-succession.ts`.
 */
export class IkeSa extends TaskQueue {
  readonly runtime: IkeRuntime
  readonly id: number
  readonly role: 'initiator' | 'responder'
  readonly SPIi: Uint8Array
  readonly window: MessageWindow
  readonly timers = new Timers<IkeTimer>(this)
  readonly children: ChildSa[] = []
  readonly reassembly: Reassembly
  /** Shared with the IKE_SA that replaces this one. */
  readonly abilities: PeerAbilities
  /** Replaced and deleted CHILD_SAs that still take what is under way. */
  readonly lingering: ChildSa[] = []
  /** When a lingering CHILD_SA ends, or another one is to be rekeyed (again). */
  readonly childTimers = new Timers<ChildSa>(this)
  /** A responder learns which of its candidates it is by the peer's identity, in IKE_AUTH. */
  connection: ConnectionConfig
  candidates: readonly ConnectionConfig[]
  path: Path
  /** Where the peer seems to be, while a request under way keeps us from asking: it goes there in turn. */
  alsoAt: Path | undefined
  init: InitResult | undefined
  /** What IKE_SA_INIT settled besides; undefined before, and for one that came of a rekeying. */
  setUp: SetUp | undefined
  /** The gateway that sent us here, as initiator. RFC 5685. */
  redirectedFrom: IpAddress | undefined
  /** Set when it resumes a session: whom that was with, and when the peer proved it. RFC 5723. */
  resumed: Pick<Session, 'remoteId' | 'authenticatedAt' | 'eapIdentity' | 'certificate'> | undefined
  /** As initiator that may resume its session: what the peer sent with its certificate. */
  peerCertificates: readonly CertificateBlob[] = []
  /** A PPK is mixed into its keys, of old or by the session that it resumes. RFC 8784 §3. */
  hasPpk = false
  /** As initiator: what became of the last ticket that the peer gave us. RFC 5723. */
  ticket: 'none' | 'good' | 'void' = 'none'
  /** Set when additional key exchanges were agreed on. */
  intermediate: Intermediate | undefined
  /** Set once the peer owes us additional key exchanges in IKE_FOLLOWUP_KE. */
  followUps: FollowUps | undefined
  remoteId: Identity | undefined
  /** The CHILD_SA that an initiator sets up in IKE_AUTH. */
  firstChild: ChildConfig | undefined
  /** The packet that asked for it. */
  trigger: Trigger | undefined
  establishedAt: number | undefined
  /** When the peer proved its identity: a rekeyed IKE_SA has it from the one before. */
  authenticatedAt: number | undefined
  /** For an initiator: when the responder had answered, and so knew of it. */
  createdAt: number
  /** Decides between two that were begun by either end: the lowest of the nonces that the first keys were made of, as far as that fits. */
  tieBreak = 0
  /** Our role in the IKE_SA that was authenticated: rekeying may change the roles of those that follow. */
  beganAs: 'initiator' | 'responder'
  /** Under what `IkePeers` knows it. */
  peerKey: string | undefined
  /** Under what the responder knows the request that began it, while that may come again. */
  attempt: string | undefined
  /** It was begun to take the place of this one. RFC 7296 §2.8.3. */
  replaces: IkeSa | undefined
  /** Runs when the peer of an IKE_SA that we began has authenticated, and its first CHILD_SA stands or is refused. */
  onEstablished: (() => void) | undefined
  /** Another one of the same peer has its place, and it is about to be deleted. */
  replacement: Replacement | undefined
  /** What is under way to rekey it, if anything was. */
  rekeying: IkeRekeying | undefined
  /** The rekeying of another IKE_SA that this one came of, while it is undecided. */
  rekeyingOf: IkeRekeying | undefined
  /** The IKE_SA that has its place after a rekeying. */
  successor: IkeSa | undefined
  /** Octets of an IP packet that got through where those of the configured size did not. */
  fragmentBytes: number | undefined
  /** The token by which the peer can prove that it lost this IKE_SA, and whether it has ours. RFC 6290. */
  peerToken: Uint8Array | undefined
  hasToldToken = false
  /** From when on a hint that the peer has lost it is followed. */
  hintsFrom = Number.NEGATIVE_INFINITY
  /** Its message ids ran low, and it was to be rekeyed for that. */
  isRenewedForIds = false
  /** Our synchronisation of message ids, while it waits for its response, and the peer's last one. */
  ownSync: OwnSync | undefined
  peerSync: PeerSync | undefined
  /** What the peer asked for last in CREATE_CHILD_SA, and may ask again under another message id. */
  createAnswered: readonly CreateAnswered[] = []
  /** Why the last unauthenticated answer was not taken; told when the peer is given up. */
  lastProblem: string | undefined
  /** Set while a request is answered: the IKE_SA ends as soon as the response is out. */
  closing: { readonly reason: CloseReason; readonly refusal?: Refusal } | undefined
  /**
   * The peer's SPIs that it deleted before its answer to our CREATE_CHILD_SA reached us: that CHILD_SA must not come up. Kept
   * while tasks are active.
   */
  deletedEarly: Set<number> | undefined
  /** Our addresses inside, from the peer's CFG_REPLY. RFC 7296 §2.19. */
  virtualIps: readonly IpAddress[] = []
  /** The peer's addresses inside, which we gave it. */
  assignedIps: readonly IpAddress[] = []
  /** Why the peer gets no CHILD_SA: it has no address. */
  withoutAddress: NoAddress | undefined
  /** Undefined: one of the peers does not do it. */
  mobike: Mobike | undefined
  /** The message id of the peer's last request that said something about addresses. */
  addressesToldIn = 0
  /** Who is behind a NAT; MOBIKE may find that changed. RFC 7296 §2.23. */
  nat: Pick<NatFindings, 'natLocal' | 'natRemote'> = { natLocal: false, natRemote: false }
  /** As responder: IKE_AUTH between two requests of the peer. */
  authFlow: Flow<Payload[]> | undefined
  /** Who the peer is, once all its proofs are good. */
  provenPeer: ProvenPeer | undefined
  /** The peer's requests whose responses wait for somebody of ours. */
  #held: readonly OpenRequest[] = []
  /** Paths that the peer did not take since the addresses changed last. */
  readonly refusedPaths: Path[] = []
  readonly #lifecycle: Lifecycle<IkeSaState>
  /** Why it is being deleted. */
  #ending: { readonly reason: CloseReason; readonly refusal: Refusal | undefined } | undefined

  constructor(parameters: {
    runtime: IkeRuntime
    id: number
    role: 'initiator' | 'responder'
    SPIi: Uint8Array
    connection: ConnectionConfig
    candidates?: readonly ConnectionConfig[]
    path: Path
    /** `undecided`: made by a rekeying, of an authenticated peer. */
    state?: 'connecting' | 'undecided'
    /** Of the IKE_SA that this one replaces. */
    abilities?: PeerAbilities
  }) {
    super()
    this.runtime = parameters.runtime
    this.id = parameters.id
    this.role = parameters.role
    this.beganAs = parameters.role
    this.createdAt = parameters.runtime.now
    this.SPIi = parameters.SPIi
    this.connection = parameters.connection
    this.candidates = parameters.candidates ?? [parameters.connection]
    this.path = this.runtime.keepPath(parameters.path)
    this.abilities = parameters.abilities ?? noAbilities()
    this.reassembly = new Reassembly(this.runtime.reassembly, () => this.state === 'connecting')
    this.window = new MessageWindow(this.connection.retransmit, this.runtime.random, this)
    this.#lifecycle = new Lifecycle<IkeSaState>(ikeSaStates, parameters.state ?? 'connecting')
    if (this.role === 'responder' && this.state === 'connecting') this.waitForInitiator()
  }

  get state(): IkeSaState {
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
    return this.state !== 'closed' && this.window.hasRoom
  }

  /** A bit of the work that the next request takes. Others have their turn before the rest of it. */
  workOnNext(): void {
    const task = this.firstWaiting
    task?.work?.()
    if (task?.isReady === false) this.timers.set('work', this.runtime.now + 1)
  }

  /** True when a CHILD_SA of this config stands here, or one that we asked for is on its way. */
  hasOrMakes(child: ChildConfig): boolean {
    if (this.state === 'connecting' && this.firstChild === child) return true
    if (this.children.some(({ config, isAlive }) => config === child && isAlive)) return true
    return this.findTask(({ makes }) => makes === child) !== undefined
  }

  /** A responder waits for the initiator's next message, and not for ever. */
  waitForInitiator(): void {
    const patienceMs = this.runtime.halfOpen.areMany ? CROWDED_MS : HALF_OPEN_MS
    this.timers.set('half-open', this.runtime.now + patienceMs)
  }

  /** The response to a request waits for somebody of ours. Returns the request with octets of its own. */
  hold({ header, datagram, answerBytes, path }: OpenRequest): OpenRequest {
    const held = { header: { ...header }, datagram: datagram.slice(), answerBytes, path: this.runtime.keepPath(path) }
    this.#held = [...this.#held, held]
    return held
  }

  release(request: OpenRequest): void {
    this.#held = this.#held.filter((one) => one !== request)
  }

  /** True while the response to this request waits. */
  isHolding(messageId: number): boolean {
    return this.#held.some(({ header }) => header.messageId === messageId)
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

  /** IKE_AUTH is over: lets go of what was for it. Does nothing before, and nothing the second time. */
  forgetAuth(): void {
    const { init, runtime } = this
    if (this.establishedAt === undefined || init === undefined || init.keys.SK_pi.length === 0) return
    this.init = { ...withoutAuth(init), suite: runtime.suites.share(init.suite) }
    this.intermediate = undefined
    this.candidates = []
  }

  /** It has stood for a while: lets go of what was kept for late and repeated messages. True when something younger is left. */
  tidy(): boolean {
    this.forgetAuth()
    if (this.establishedAt !== undefined && this.init !== undefined) {
      this.init = withoutNonces(this.init)
      this.setUp = undefined
      this.createAnswered = []
    }
    return this.window.forgetResponses(this.runtime.now - KEPT_MS)
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
