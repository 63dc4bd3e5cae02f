import { UsageError } from '../errors.ts'

/** A lifecycle as data: which states may follow each state. */
export type StateTable<State extends string> = Readonly<Record<State, readonly State[]>>

/** Holds one object's state; a change that its table does not allow is a bug of ours and throws. */
export class Lifecycle<State extends string> {
  readonly #table: StateTable<State>
  #state: State

  constructor(table: StateTable<State>, initial: State) {
    this.#table = table
    this.#state = initial
  }

  get state(): State {
    return this.#state
  }

  to(next: State): void {
    if (!this.#table[this.#state].includes(next))
      throw new UsageError('state', `${this.#state} -> ${next} is not a step`)
    this.#state = next
  }
}
