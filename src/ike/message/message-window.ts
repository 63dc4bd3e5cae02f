import type { RandomSource } from '../../crypto/provider.ts'
import type { Payload } from '../codec/index.ts'
import type { RetransmitConfig } from '../config.ts'
import type { Task } from '../task.ts'
import type { TimerOwner } from '../time/timers.ts'
import type { Sealed } from './fragmentation.ts'
import { retransmitDelay } from './retransmit-delay.ts'

/** A request of ours that waits for its response. */
export interface PendingRequest {
  readonly messageId: number
  readonly task: Task
  readonly payloads: readonly Payload[]
  /** Sent again octet by octet. */
  sealed: Sealed
  /** It was sent in small packets, because those before seemed not to arrive. */
  wasCut: boolean
  /** Retransmissions before the peer is given up. */
  readonly tries: number
  /** Transmissions so far. */
  attempts: number
  /** Absolute ms of the next transmission, or of giving up when `attempts` is at its limit. */
  nextAt: number
}

/** A response that may be asked for again. */
export interface GivenResponse {
  readonly messageId: number
  sealed: Sealed
  /** Absolute ms of the first transmission. */
  readonly at: number
  /** How often it was asked for again. */
  repeats: number
}

/** What an arriving request's message id means. */
export type RequestOrder = 'fresh' | 'retransmit' | 'out-of-window'

const none: readonly never[] = []

/** Message ids do not wrap: from here on an IKE_SA has to be replaced, and its last ids are for its DELETE. RFC 7296 §2.2. */
const LAST_FREE_ID = 0xffff_ff00
/** Requests of ours under way at once, whatever the peer allows. */
const MOST_AT_ONCE = 1024
/** From here on it should be rekeyed. */
const FEW_LEFT_ID = 0xff00_0000

/**
 * Message ids, the requests that wait for their responses, and the responses that may be asked for again. Both directions
 * have a window of one until SET_WINDOW_SIZE says more. RFC 7296 §2.1 to §2.3.
 */
export class MessageWindow {
  readonly #retransmit: RetransmitConfig
  readonly #random: RandomSource
  readonly #owner: TimerOwner
  readonly #isReliable: () => boolean
  /** In the order of their ids. Few, as the responses are, and none most of the time. */
  #pending: readonly PendingRequest[] = none
  #responses: readonly GivenResponse[] = none
  #nextRequestId = 0
  /** The lowest id that the peer has not used, and the highest that it has; -1 for none. */
  #expectedId = 0
  #highestId = -1
  #peerSize = 1
  #ownSize = 1
  #highestSynced = -1
  #isHeld = false
  #lastRequest: Uint8Array | undefined

  /**
   * `owner` is told whenever a request is pending, no longer pending, or its `nextAt` has changed. `isReliable`: whether requests go
   * through TCP, which loses none: they are sent once, and waited for as long as all retransmissions would take. RFC 9329 §6.2.
   */
  constructor(
    retransmit: RetransmitConfig,
    random: RandomSource,
    owner: TimerOwner,
    isReliable: () => boolean = () => false,
  ) {
    this.#isReliable = isReliable
    this.#retransmit = retransmit
    this.#random = random
    this.#owner = owner
  }

  /** The requests that wait, in the order of their ids. */
  get pending(): Iterable<PendingRequest> {
    return this.#pending
  }

  /** When the next pending request wants to be sent again, `Infinity` when none does. */
  get nextAt(): number {
    let earliest = Number.POSITIVE_INFINITY
    if (this.#isHeld) return earliest
    for (const { nextAt } of this.#pending) earliest = Math.min(earliest, nextAt)
    return earliest
  }

  /** The message id that our next request gets. */
  get nextRequestId(): number {
    return this.#nextRequestId
  }

  /** True when few message ids are left, ours or the peer's: the IKE_SA should be rekeyed. RFC 7296 §2.2. */
  get runsLow(): boolean {
    return Math.max(this.#nextRequestId, this.#expectedId) >= FEW_LEFT_ID
  }

  /** True when our message ids or the peer's come to their end: the IKE_SA has to be replaced. RFC 7296 §2.2. */
  get isUsedUp(): boolean {
    return Math.max(this.#nextRequestId, this.#expectedId) >= LAST_FREE_ID
  }

  /** The message id that the peer's next request in order has. */
  get expectedId(): number {
    return this.#expectedId
  }

  /** The highest message id that the peer has used for a request, or said that it would use; -1 for none. */
  get highestSeen(): number {
    return Math.max(this.#highestId, this.#highestSynced)
  }

  /** True while message ids are being agreed on: nothing is sent, nor sent again. RFC 6311 §5.1. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  set isHeld(isHeld: boolean) {
    this.#isHeld = isHeld
    this.#owner.timesChanged()
  }

  /** Takes the ids as another machine knew them; what it said and heard after that is not known. */
  restore(nextRequestId: number, expectedId: number): void {
    this.#responses = none
    this.#nextRequestId = nextRequestId
    this.#expectedId = expectedId
    this.#highestId = expectedId - 1
  }

  /**
   * Goes on with other message ids. Returns the requests that wait for responses and have to be sent under new ones, in
   * order. RFC 6311 §5.1.
   */
  resync(nextRequestId: number, expectedId: number): PendingRequest[] {
    const pending = [...this.#pending]
    this.#pending = none
    this.#responses = none
    this.#nextRequestId = Math.max(this.#nextRequestId, nextRequestId)
    this.#expectedId = Math.max(this.#expectedId, expectedId)
    this.#highestId = this.#expectedId - 1
    this.#highestSynced = this.#expectedId
    this.#owner.timesChanged()
    return pending
  }

  /** Requests that the peer lets us have under way. */
  get peerSize(): number {
    return this.#peerSize
  }

  /** The peer's SET_WINDOW_SIZE; less than one is none, and more than `MOST_AT_ONCE` are not made use of. */
  set peerSize(size: number) {
    this.#peerSize = Math.min(Math.max(1, size), MOST_AT_ONCE)
  }

  /** Requests that the peer may have under way, as we told it. */
  get ownSize(): number {
    return this.#ownSize
  }

  set ownSize(size: number) {
    this.#ownSize = Math.max(1, size)
  }

  /** RFC 7296 §2.3: request X waits for the responses to all requests up to X - N. */
  get hasRoom(): boolean {
    const [lowest] = this.#pending
    if (this.#isHeld) return false
    return lowest === undefined || this.#nextRequestId - lowest.messageId < this.#peerSize
  }

  /** Notes a request that was just sent for the first time under `nextRequestId`. */
  requestSent(task: Task, payloads: readonly Payload[], sealed: Sealed, now: number): void {
    const messageId = this.#nextRequestId++
    const tries = Math.min(this.#retransmit.tries, task.mostRetransmissions ?? Number.POSITIVE_INFINITY)
    const request = { messageId, task, payloads, sealed, wasCut: false, tries, attempts: 0, nextAt: now }
    this.#sent(request, now)
    this.#pending = [...this.#pending, request]
    this.#lastRequest = sealed.datagrams[0]
    this.#owner.timesChanged()
  }

  /** The request that was sent last: AUTH covers the IKE_SA_INIT request as it was on the wire. */
  get lastRequest(): Uint8Array | undefined {
    return this.#lastRequest
  }

  /** The next request starts over at message id 0: another IKE_SA_INIT after COOKIE or INVALID_KE_PAYLOAD. */
  restart(): void {
    this.#pending = none
    this.#nextRequestId = 0
    this.#owner.timesChanged()
  }

  /** Our request that `messageId` answers. */
  pendingOf(messageId: number): PendingRequest | undefined {
    return this.#pending.find((request) => request.messageId === messageId)
  }

  /** The response to a request is in and good: it is not sent again. */
  answered(messageId: number): void {
    const others = this.#pending.filter((request) => request.messageId !== messageId)
    if (others.length === this.#pending.length) return
    this.#pending = others
    this.#owner.timesChanged()
  }

  /** No request is sent again. */
  abandonAll(): void {
    this.#pending = none
    this.#owner.timesChanged()
  }

  /** What to do about a pending request at `now`. After `resend` the next time is set. */
  retransmission(pending: PendingRequest, now: number): 'wait' | 'resend' | 'give-up' {
    if (this.#isHeld || now < pending.nextAt) return 'wait'
    if (pending.attempts > pending.tries) return 'give-up'
    this.#sent(pending, now)
    this.#owner.timesChanged()
    return 'resend'
  }

  /**
   * They go another way from here on: what waits for its response is sent again at once, and has all its tries before it. What
   * was lost on the old path says nothing about the peer on the new one. RFC 4555 §3.5.
   */
  beginAgain(now: number): void {
    for (const pending of this.#pending) {
      pending.attempts = 0
      pending.nextAt = now
    }
    this.#owner.timesChanged()
  }

  /** Requests may come in any order inside the window that we told the peer. */
  orderOf(messageId: number): RequestOrder {
    if (this.responseTo(messageId) !== undefined) return 'retransmit'
    const isFresh = messageId >= this.#expectedId && messageId < this.#expectedId + this.#ownSize
    return isFresh ? 'fresh' : 'out-of-window'
  }

  /**
   * Notes the response to a fresh request. It is kept while the peer may ask for it again: until a request shows that
   * the peer has it, or `forgetResponses`.
   */
  responded(messageId: number, sealed: Sealed, now: number): void {
    const responses = [...this.#responses, { messageId, sealed, at: now, repeats: 0 }]
    this.#responses = responses
    this.#highestId = Math.max(this.#highestId, messageId)
    while (this.responseTo(this.#expectedId) !== undefined) this.#expectedId++
    this.#responses = responses.filter((response) => response.messageId > this.#highestId - this.#ownSize)
  }

  /** Forgets the responses given before `at`. True when others are left. RFC 7296 §2.1 allows it after several minutes. */
  forgetResponses(at: number): boolean {
    // Those of requests that came out of order tell which ids are used.
    this.#responses = this.#responses.filter((response) => response.at >= at || response.messageId >= this.#expectedId)
    return this.#responses.length > 0
  }

  /** The response to a request that came before. */
  responseTo(messageId: number): GivenResponse | undefined {
    return this.#responses.find((response) => response.messageId === messageId)
  }

  /** Sets the time of the next transmission, or of giving up. */
  #sent(pending: PendingRequest, now: number): void {
    pending.nextAt = now + this.#delay(pending.attempts++)
    if (!this.#isReliable()) return
    while (pending.attempts <= pending.tries) pending.nextAt += this.#delay(pending.attempts++)
  }

  #delay(attempt: number): number {
    return retransmitDelay(this.#retransmit, attempt, this.#random)
  }
}
