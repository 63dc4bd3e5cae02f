import type { XfrmState } from './state.ts'

/** In place of a worker's number: packets of none, and states for the packets of all. */
export const NO_WORKER = -1

/** What one policy remembers for each worker, so that its next packets need no look-up. RFC 9611. */
export class WorkerStates {
  readonly #states: (XfrmState | undefined)[] = []
  readonly #generations: number[] = []
  readonly #askedUntil: number[] = []

  /** True when `state` is what the SAD of this generation has for the worker. */
  knows(worker: number, generation: number): boolean {
    return this.#generations[worker] === generation
  }

  state(worker: number): XfrmState | undefined {
    return this.#states[worker]
  }

  remember(worker: number, state: XfrmState | undefined, generation: number): void {
    this.#makeRoom(worker)
    this.#states[worker] = state
    this.#generations[worker] = generation
    // Should it go, another one is asked for at once.
    if (state?.worker === worker) this.#askedUntil[worker] = 0
  }

  /** ms; when an unanswered acquire for the worker is given up, 0 when there is none. */
  askedUntil(worker: number): number {
    return this.#askedUntil[worker] ?? 0
  }

  asked(worker: number, until: number): void {
    this.#makeRoom(worker)
    this.#askedUntil[worker] = until
  }

  /** No holes: those make arrays slow. */
  #makeRoom(worker: number): void {
    while (this.#generations.length <= worker) {
      this.#states.push(undefined)
      this.#generations.push(0)
      this.#askedUntil.push(0)
    }
  }
}

/** True when `state` is only for the packets of another worker. */
export const isOfOther = (state: XfrmState, worker: number): boolean =>
  state.worker !== NO_WORKER && state.worker !== worker
