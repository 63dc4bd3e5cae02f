import type { IkeEvent } from '../ike/events.ts'
import type { Refusal } from '../ike/explain/refusal.ts'
import { explainRefusal } from '../ike/explain/refusal-text.ts'
import { formatSocketAddress } from '../ip/address.ts'

/** How many are kept: the last ones, each kind of them once. */
const MOST = 16

/** A refusal of the past, for `typeswan status`. */
export interface RefusalReport {
  /** Null when no connection was chosen yet. */
  readonly connection: string | null
  /** The CHILD_SA that it is about, when only that is refused. */
  readonly child: string | null
  /** `address:port`. */
  readonly remote: string
  /** Since the last one. */
  readonly ageMs: number
  /** How often the same came, one after the other. */
  readonly count: number
  /** As in the log. */
  readonly text: string
  readonly refusal: Refusal
}

interface Entry extends Omit<RefusalReport, 'ageMs' | 'count'> {
  at: number
  count: number
}

/** Remembers the last refusals, so that `status` can tell why something is not up. */
export class RefusalHistory {
  #entries: Entry[] = []

  notice(event: IkeEvent, now: number): void {
    if (event.kind !== 'refused') return
    const { sa, child, remote, refusal } = event
    const entry: Entry = {
      connection: sa?.connection ?? null,
      child: child === undefined || child === '' ? null : child,
      remote: formatSocketAddress(remote),
      text: explainRefusal(refusal),
      refusal,
      at: now,
      count: 1,
    }
    const known = this.#entries.findIndex((other) => isSame(other, entry))
    if (known >= 0) entry.count += this.#entries.splice(known, 1)[0]!.count
    this.#entries.push(entry)
    if (this.#entries.length > MOST) this.#entries.shift()
  }

  /** The newest first. */
  report(now: number): RefusalReport[] {
    return this.#entries.map(({ at, ...entry }) => ({ ...entry, ageMs: Math.round(now - at) })).reverse()
  }
}

/** Peers that come from another port each time are told once as well. */
const isSame = (a: Entry, b: Entry): boolean =>
  a.connection === b.connection && a.child === b.child && a.text === b.text && hostOf(a.remote) === hostOf(b.remote)

const hostOf = (remote: string): string => remote.slice(0, remote.lastIndexOf(':'))
