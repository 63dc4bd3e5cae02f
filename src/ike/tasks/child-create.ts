import { isAlike, type WorkerWish } from '../child/child-agreement.ts'
import { ChildOffer } from '../child/child-offer.ts'
import type { ChildSa } from '../child/child-sa.ts'
import { announce, endChild, takeOver } from '../child/child-succession.ts'
import type { Trigger } from '../child/child-terms.ts'
import { NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { explainNotForWorkers } from '../explain/explain-workers.ts'
import type { IkeSa } from '../ike-sa.ts'
import { backOffMs } from '../life/ike-lifetime.ts'
import type { ResponseMessage, Task, TaskResult } from '../task.ts'
import { isUnwanted } from './child-delete.ts'
import { CreateExchange, type CreateOutcome } from './create-exchange.ts'

/** TEMPORARY_FAILURE is taken for an answer when it came this often, each time after twice as long. */
const MOST_BUSY_TRIES = 6

/** A further CHILD_SA, with a key exchange of its own where the proposals ask for one (PFS). RFC 7296 §1.3.1. */
export class ChildCreate implements Task {
  readonly name = 'CREATE_CHILD_SA'
  /** Not told of one for a worker: that stands beside the one that is wanted. */
  readonly makes?: ChildConfig
  /** The CHILD_SA that it takes the place of, if any: the peer has lost that. */
  readonly subject?: ChildSa
  /** It is for one worker. */
  readonly wish: WorkerWish | undefined
  readonly #config: ChildConfig
  readonly #offer: ChildOffer
  readonly #exchange: CreateExchange
  #sa: IkeSa
  #busyTries = 0

  readonly #trigger: Trigger | undefined

  /**
   * `trigger` is the packet that asks for it, if any. `inPlaceOf` ends when this is done, and leaves it its policies. `wish`: it is for
   * one worker.
   */
  constructor(
    sa: IkeSa,
    config: ChildConfig,
    {
      trigger,
      inPlaceOf,
      wish,
    }: { readonly trigger?: Trigger | undefined; readonly inPlaceOf?: ChildSa; readonly wish?: WorkerWish } = {},
  ) {
    this.#sa = sa
    this.#config = config
    this.wish = wish
    if (wish === undefined) this.makes = config
    this.#trigger = trigger
    if (inPlaceOf !== undefined) this.subject = inPlaceOf
    this.#offer = new ChildOffer(sa, config, false, { trigger, wish })
    const { proposals, spi } = this.#offer
    this.#exchange = new CreateExchange(sa, {
      child: config,
      protocol: ProtocolId.ESP,
      proposals,
      spi,
      before: [],
      after: this.#offer.termsPayloads(),
    })
  }

  get exchangeType(): number {
    return this.#exchange.exchangeType
  }

  // HDR, SK {SA, Ni, [KEi,] TSi, TSr} -->
  buildRequest(): Payload[] {
    return this.#exchange.buildRequest()
  }

  // <-- HDR, SK {SA, Nr, [KEr,] TSi, TSr} | SK {N(INVALID_KE_PAYLOAD)} | SK {N(error)}
  processResponse(response: ResponseMessage): TaskResult {
    const outcome = this.#exchange.processResponse(response)
    if (outcome.kind === 'again') return 'again'
    if (outcome.kind === 'refused' && outcome.notify === NotifyType.TEMPORARY_FAILURE && this.#postpone()) {
      this.#endOld()
      return 'done'
    }
    if (outcome.kind === 'refused' && askForPair(this.#sa, this.#config, this.#trigger, outcome.notify))
      this.#offer.abandon()
    else if (outcome.kind === 'refused') this.#offer.refused(outcome.notify)
    else if (outcome.kind === 'hopeless') this.#offer.giveUp(outcome.refusal)
    else if (this.wish !== undefined) this.#agreedForWorker(this.wish, outcome)
    else this.#agreed(outcome)
    if (outcome.kind !== 'agreed') this.wish?.settled(whatIsLeft(outcome))
    this.#exchange.destroy()
    this.#endOld()
    return 'done'
  }

  #agreed({ payloads, suite, keying }: Extract<CreateOutcome, { kind: 'agreed' }>): void {
    const old = this.subject
    if (old?.isAlive !== true || this.#offer.isDeletedEarly(suite)) return this.#offer.complete(payloads, suite, keying)
    if (isUnwanted(old)) return this.#offer.discard()
    const terms = this.#offer.terms(payloads)
    if (terms !== undefined) takeOver(this.#offer.install(terms, suite, keying, { sends: true, replaces: old }), old)
  }

  /** A peer that knows nothing of workers has made one that it may take for a duplicate: it is not used. RFC 9611 §4. */
  #agreedForWorker(wish: WorkerWish, { payloads, suite, keying }: Extract<CreateOutcome, { kind: 'agreed' }>): void {
    if (this.#offer.isDeletedEarly(suite)) {
      this.#offer.abandon()
      return wish.settled('refused')
    }
    const terms = this.#offer.terms(payloads)
    if (terms === undefined) return wish.settled('refused')
    if (terms.forWorkers !== true || !isAlike(terms, wish.like)) {
      this.#offer.giveUp(explainNotForWorkers(this.#sa.connection, this.#config, terms.forWorkers === true))
      this.#offer.discard()
      return wish.settled('refused')
    }
    announce(this.#offer.install(terms, suite, keying))
    wish.settled('made')
  }

  /** What it was to take the place of has carried the traffic's policies so far. */
  #endOld(): void {
    if (this.subject !== undefined) endChild(this.subject, 'peer')
  }

  /** False when the peer had no time for it for more than a minute. RFC 7296 §2.25. */
  #postpone(): boolean {
    if (++this.#busyTries > MOST_BUSY_TRIES) return false
    this.#sa.postpone(this, backOffMs(this.#busyTries, this.#sa.runtime.random))
    return true
  }

  moveTo(sa: IkeSa): void {
    this.#sa = sa
    this.#offer.moveTo(sa)
    this.#exchange.moveTo(sa)
  }

  abandon(): void {
    this.#exchange.destroy()
    this.#offer.abandon()
    this.wish?.settled('dropped')
  }
}

/** Whether more are worth asking for: a peer may have enough, of these or of all, or be busy. RFC 9611 §5.2, RFC 7296 §1.3. */
function whatIsLeft(outcome: CreateOutcome): 'full' | 'refused' | 'dropped' {
  const type = outcome.kind === 'refused' ? outcome.notify : 0
  if (type === NotifyType.TEMPORARY_FAILURE) return 'dropped'
  return type === NotifyType.TS_MAX_QUEUE || type === NotifyType.NO_ADDITIONAL_SAS ? 'full' : 'refused'
}

/**
 * A peer that answers SINGLE_PAIR_REQUIRED is asked for the pair of addresses of the packet alone. False when it was, or when no packet
 * asked. RFC 7296 §2.9.
 */
export function askForPair(sa: IkeSa, config: ChildConfig, trigger: Trigger | undefined, type: number): boolean {
  if (type !== NotifyType.SINGLE_PAIR_REQUIRED || trigger === undefined || trigger.alone || !config.triggerTs)
    return false
  sa.enqueueNext(new ChildCreate(sa, config, { trigger: { ...trigger, alone: true } }))
  return true
}
