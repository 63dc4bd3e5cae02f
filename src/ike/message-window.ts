import type { RetransmitConfig } from './config.ts'

/** A request of ours that waits for its response. */
export interface PendingRequest {
  readonly messageId: number
  /** The whole message, sent again octet by octet. */
  readonly message: Uint8Array
  /** Retransmissions before the peer is given up. */
  readonly tries: number
  /** Transmissions so far. */
  attempts: number
  /** Absolute ms of the next transmission, or of giving up when `attempts` is at its limit. */
  nextAt: number
}

/** What an arriving request's message id means. */
export type RequestOrder = 'fresh' | 'retransmit' | 'out-of-window'

/**
 * Message ids, the request that waits for its response, and the response that may be asked for again, with a window of
 * one in each direction. RFC 7296 §2.1 to §2.3.
 */
export class MessageWindow {
  readonly #retransmit: RetransmitConfig
  readonly #onChange: () => void
  #nextRequestId = 0
  #expectedId = 0
  #pending: PendingRequest | undefined
  #lastRequest: Uint8Array | undefined
  #lastResponse: Uint8Array | undefined

  /** `onChange` runs whenever `pending` or its `nextAt` has changed. */
  constructor(retransmit: RetransmitConfig, onChange: () => void) {
    this.#retransmit = retransmit
    this.#onChange = onChange
  }

  get pending(): PendingRequest | undefined {
    return this.#pending
  }

  /** The message id that our next request gets. */
  get nextRequestId(): number {
    return this.#nextRequestId
  }

  /** Notes a request that was just sent for the first time under `nextRequestId`. */
  requestSent(message: Uint8Array, now: number, mostRetransmissions = Number.POSITIVE_INFINITY): void {
    const tries = Math.min(this.#retransmit.tries, mostRetransmissions)
    this.#pending = { messageId: this.#nextRequestId, message, tries, attempts: 1, nextAt: now + this.#delay(0) }
    this.#lastRequest = message
    this.#nextRequestId++
    this.#onChange()
  }

  /** The request that was sent last: AUTH covers the IKE_SA_INIT request as it was on the wire. */
  get lastRequest(): Uint8Array | undefined {
    return this.#lastRequest
  }

  /** The next request starts over at message id 0: another IKE_SA_INIT after COOKIE or INVALID_KE_PAYLOAD. */
  restart(): void {
    this.#pending = undefined
    this.#nextRequestId = 0
    this.#onChange()
  }

  /** True when `messageId` answers our pending request. */
  isAnswer(messageId: number): boolean {
    return this.#pending?.messageId === messageId
  }

  /** The response is in and good: nothing is sent again. */
  answered(): void {
    this.#pending = undefined
    this.#onChange()
  }

  /** What to do about the pending request at `now`. After `resend` the next time is set. */
  retransmission(now: number): 'wait' | 'resend' | 'give-up' {
    const pending = this.#pending
    if (pending === undefined || now < pending.nextAt) return 'wait'
    if (pending.attempts > pending.tries) return 'give-up'
    pending.nextAt = now + this.#delay(pending.attempts)
    pending.attempts++
    this.#onChange()
    return 'resend'
  }

  orderOf(messageId: number): RequestOrder {
    if (messageId === this.#expectedId) return 'fresh'
    if (messageId === this.#expectedId - 1 && this.#lastResponse !== undefined) return 'retransmit'
    return 'out-of-window'
  }

  /** Notes the response to the request with the expected id: kept until the next one. */
  responded(response: Uint8Array): void {
    this.#lastResponse = response
    this.#expectedId++
  }

  /** The response to the request before the expected one. */
  get lastResponse(): Uint8Array | undefined {
    return this.#lastResponse
  }

  #delay(attempt: number): number {
    return this.#retransmit.baseMs * this.#retransmit.factor ** attempt
  }
}
