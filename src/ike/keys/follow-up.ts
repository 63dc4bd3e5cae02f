import { toHex, wipe } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, kePayload, need, notify } from '../message/notifies.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import type { CreateKeying } from '../tasks/create-exchange.ts'
import type { CreateAnswer } from '../tasks/create-responder.ts'

/** What a CREATE_CHILD_SA exchange that we answered waits for. */
interface Waiting {
  readonly answer: CreateAnswer
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
  readonly suite: ChosenProposal
  readonly secrets: Uint8Array[]
  /** Absolute ms. */
  until: number
}

/** So long an initiator may take for each further key exchange: as long as one with usual timing asks again. */
const STEP_MS = 120_000

/** So many on one IKE_SA: each holds an SPI and secrets. */
const MOST_WAITING = 8

const LINK_BYTES = 16

/**
 * The exchanges of one IKE_SA that we answered and whose additional key exchanges are still to come, by the link that the
 * initiator hands back to us in IKE_FOLLOWUP_KE. RFC 9370 §2.2.4.
 */
export class FollowUps {
  readonly #sa: IkeSa
  readonly #waiting = new Map<string, Waiting>()

  constructor(sa: IkeSa) {
    this.#sa = sa
  }

  /** SAs that are being made. */
  get size(): number {
    return this.#waiting.size
  }

  /** Throws `PeerError` (TEMPORARY_FAILURE) when too many wait already. */
  requireRoom(): void {
    if (this.#waiting.size < MOST_WAITING) return
    throw new PeerError('TOO_MANY_FOLLOW_UPS', `${MOST_WAITING} SAs wait for their additional key exchanges`, {
      notify: NotifyType.TEMPORARY_FAILURE,
    })
  }

  /** The first key exchange is done. Returns what tells the initiator to go on. All octets are kept. */
  // HDR, SK {SA, Nr, KEr, N(ADDITIONAL_KEY_EXCHANGE)} -->
  wait(exchange: Omit<Waiting, 'until'>): Payload {
    const link = this.#sa.runtime.random(LINK_BYTES)
    this.#waiting.set(toHex(link), { ...exchange, until: this.#sa.runtime.now + STEP_MS })
    this.#arm()
    return notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link)
  }

  /** Throws `PeerError`: STATE_NOT_FOUND for a link that we do not have, or no longer. */
  // <-- HDR, SK {KEi(n), N(ADDITIONAL_KEY_EXCHANGE)}
  answer(payloads: readonly Payload[]): Payload[] {
    const { runtime } = this.#sa
    const link = findNotify(payloads, NotifyType.ADDITIONAL_KEY_EXCHANGE)
    const key = link === undefined ? '' : toHex(link.data)
    const waiting = this.#waiting.get(key)
    if (link === undefined || waiting === undefined) throw notFound()
    const { suite, secrets, answer, Ni, Nr } = waiting
    const KEi = need(payloads, 'KE')
    const group = suite.additionalKe[secrets.length - 1]!
    if (KEi.group !== group) {
      throw new PeerError(
        'WRONG_KE_GROUP',
        `KE in IKE_FOLLOWUP_KE is of group ${KEi.group}, the next one is ${group}`,
        {
          notify: NotifyType.INVALID_SYNTAX,
        },
      )
    }
    const exchanged = runtime.crypto.respondKeyExchange(group, KEi.data, runtime.random)
    secrets.push(exchanged.sharedSecret)
    const KEr = kePayload(group, exchanged.publicValue)
    // HDR, SK {KEr(n), N(ADDITIONAL_KEY_EXCHANGE)} -->, the last one without the link
    if (secrets.length <= suite.additionalKe.length) {
      waiting.until = runtime.now + STEP_MS
      this.#arm()
      return [KEr, notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link.data.slice())]
    }
    this.#waiting.delete(key)
    this.#arm()
    finishOrAbandon(answer, { Ni, Nr, secrets })
    return [KEr]
  }

  /** Gives up what has waited too long. */
  expire(): void {
    for (const [key, { until }] of this.#waiting) if (until <= this.#sa.runtime.now) this.#abandon(key)
    this.#arm()
  }

  /** The IKE_SA ends. */
  abandonAll(): void {
    for (const key of [...this.#waiting.keys()]) this.#abandon(key)
  }

  #abandon(key: string): void {
    const { answer, secrets } = this.#waiting.get(key)!
    this.#waiting.delete(key)
    answer.abandon()
    wipe(...secrets)
  }

  #arm(): void {
    const times = [...this.#waiting.values()].map(({ until }) => until)
    if (times.length === 0) this.#sa.timers.clear('follow-up')
    else this.#sa.timers.set('follow-up', Math.min(...times))
  }
}

/** The additional key exchanges that the peer still owes us on this IKE_SA. */
export function followUpsOf(sa: IkeSa): FollowUps {
  sa.followUps ??= new FollowUps(sa)
  return sa.followUps
}

/** IKE_FOLLOWUP_KE as responder. RFC 9370 §2.2.4. */
export function answerFollowUp(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  if (sa.followUps === undefined || sa.state !== 'established') throw notFound()
  return sa.followUps.answer(payloads)
}

/** Finishes what was answered, and gives it up when that throws. Wipes the secrets. */
export function finishOrAbandon(answer: CreateAnswer, keying: CreateKeying): void {
  try {
    answer.finish(keying)
  } catch (error) {
    answer.abandon()
    throw error
  } finally {
    wipe(...keying.secrets)
  }
}

const notFound = (): PeerError =>
  new PeerError('STATE_NOT_FOUND', 'an IKE_FOLLOWUP_KE for an SA that is not, or no longer, being made', {
    notify: NotifyType.STATE_NOT_FOUND,
  })
