import type { IkeSa } from '../ike-sa.ts'
import { compareNonces } from '../keys/nonces.ts'
import { resumeLifetime } from './ike-lifetime.ts'
import { takePlaceOf } from './ike-succession.ts'

/** The nonces of one CREATE_CHILD_SA exchange. */
export interface RekeyNonces {
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
}

interface Attempt {
  /** The lower one of its two nonces, copied. */
  readonly lowest: Uint8Array
  /** The new IKE_SA; undefined while further key exchanges are under way. */
  sa: IkeSa | undefined
}

/**
 * The rekeying of one IKE_SA, by us, by the peer, or by both at once: decides which new IKE_SA takes its place and who deletes
 * the others. Of two, the one whose exchange has the lowest of the four nonces is deleted by the end that asked for it; who
 * asked for the other one deletes the old IKE_SA. RFC 7296 §2.8.2, §2.25.2.
 */
export class IkeRekeying {
  /** How often in a row the peer had no time for it. */
  busyTries = 0
  readonly #old: IkeSa
  #isOursUnderWay = false
  #ours: Attempt | undefined
  #theirs: Attempt | undefined

  constructor(old: IkeSa) {
    this.#old = old
  }

  /** Our request is under way: what the peer asks for on this IKE_SA has to wait. */
  get isOursUnderWay(): boolean {
    return this.#isOursUnderWay
  }

  /** The peer asked for a rekeying and was not refused. */
  get hasTheirs(): boolean {
    return this.#theirs !== undefined
  }

  /** Our request goes out. */
  oursBegins(): void {
    this.#isOursUnderWay = true
  }

  /** The peer agreed to our request: `sa` came of it. */
  oursMade(sa: IkeSa, nonces: RekeyNonces): void {
    this.#isOursUnderWay = false
    this.#ours = { lowest: lowestOf(nonces), sa }
    this.#decide()
  }

  /** Our request came to nothing. */
  oursEnds(): void {
    if (!this.#isOursUnderWay) return
    this.#isOursUnderWay = false
    this.#decide()
  }

  /** We take the peer's request; its IKE_SA is made, at once or after further key exchanges. */
  theirsBegins(nonces: RekeyNonces): void {
    this.#theirs = { lowest: lowestOf(nonces), sa: undefined }
  }

  /** We agreed to the peer's request: `sa` came of it. */
  theirsMade(sa: IkeSa): void {
    this.#theirs!.sa = sa
    this.#decide()
  }

  /** Theirs came to nothing, or the peer deleted it: it knows that ours is the one. */
  theirsEnds(): void {
    this.#theirs = undefined
    this.#decide()
    resumeLifetime(this.#old)
  }

  /** The peer uses its new IKE_SA: it has decided. */
  theirsIsUsed(): void {
    this.#settleFor(this.#theirs!.sa!)
  }

  /** The old IKE_SA ends. The peer, if it made a new one, has forgotten about ours, or never heard of it. */
  oldEnds(): void {
    this.#isOursUnderWay = false
    const made = this.#theirs?.sa ?? this.#ours?.sa
    // What was made may have ended before it was decided on.
    if (made !== undefined && made.state !== 'closed') this.#settleFor(made)
  }

  #decide(): void {
    if (this.#ours?.sa?.state === 'closed') this.#ours = undefined
    const [ours, theirs] = [this.#ours, this.#theirs]
    if (this.#isOursUnderWay) return
    if (ours?.sa === undefined) {
      if (theirs?.sa !== undefined) this.#settleFor(theirs.sa)
    } else if (this.#old.successor !== undefined) this.#discardOurs(ours.sa)
    else if (theirs === undefined || compareNonces(theirs.lowest, ours.lowest) < 0) this.#settleForOurs(ours.sa)
    else if (theirs.sa !== undefined) {
      this.#settleFor(theirs.sa)
      this.#discardOurs(ours.sa)
    }
  }

  #settleFor(sa: IkeSa): void {
    if (this.#old.successor === undefined) takePlaceOf(sa, this.#old)
  }

  #settleForOurs(ours: IkeSa): void {
    this.#ours = undefined
    this.#settleFor(ours)
    this.#theirs?.sa?.supersededBy(ours)
    this.#old.delete('local')
  }

  #discardOurs(ours: IkeSa): void {
    this.#ours = undefined
    ours.supersededBy(this.#old.successor!)
    ours.delete('local')
  }
}

/** What is known of the rekeying of `sa`. */
export function rekeyingOf(sa: IkeSa): IkeRekeying {
  sa.rekeying ??= new IkeRekeying(sa)
  return sa.rekeying
}

const lowestOf = ({ Ni, Nr }: RekeyNonces): Uint8Array => (compareNonces(Ni, Nr) <= 0 ? Ni : Nr).slice()
