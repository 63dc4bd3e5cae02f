import { type MessageFilter, matches } from './message-filter.ts'
import type { VirtualDatagram } from './virtual-datagram.ts'

/** Which of the datagrams that fit a rule it is for, counted from 1. */
export interface RuleSpan {
  /** The first one; default 1. */
  readonly nth?: number
  /** How many from there on; default 1 when `nth` is given, else all. */
  readonly times?: number
}

/** A standing order of a test about datagrams. */
export interface MessageRule {
  /** Datagrams that fitted so far, whether or not the rule was for them. */
  readonly seen: number
  /** Datagrams that the rule was carried out on. */
  readonly hits: number
  /** Ends it. */
  remove(): void
}

/** What takes the place of a datagram; none to lose it. */
export type Replacement = (datagram: VirtualDatagram) => readonly VirtualDatagram[]

/** The rules of one network, in the order in which they were made: each works on what those before it left. */
export class MessageRules {
  readonly #rules = new Set<Rule>()

  add(filter: MessageFilter, replace: Replacement, span: RuleSpan): MessageRule {
    const rule = new Rule(filter, replace, span, () => this.#rules.delete(rule))
    this.#rules.add(rule)
    return rule
  }

  apply(datagram: VirtualDatagram): readonly VirtualDatagram[] {
    let left: readonly VirtualDatagram[] = [datagram]
    for (const rule of this.#rules) left = left.flatMap((one) => rule.apply(one))
    return left
  }
}

class Rule implements MessageRule {
  seen = 0
  hits = 0
  readonly remove: () => void
  readonly #filter: MessageFilter
  readonly #replace: Replacement
  readonly #from: number
  readonly #until: number

  constructor(filter: MessageFilter, replace: Replacement, { nth, times }: RuleSpan, remove: () => void) {
    this.#filter = filter
    this.#replace = replace
    this.#from = nth ?? 1
    this.#until = this.#from + (times ?? (nth === undefined ? Number.POSITIVE_INFINITY : 1))
    this.remove = remove
  }

  apply(datagram: VirtualDatagram): readonly VirtualDatagram[] {
    if (!matches(this.#filter, datagram)) return [datagram]
    this.seen++
    if (this.seen < this.#from || this.seen >= this.#until) return [datagram]
    this.hits++
    return this.#replace(datagram)
  }
}
