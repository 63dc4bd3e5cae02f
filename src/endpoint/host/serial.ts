/** Steps that run one after the other. A step that fails is told to `onError`, and hinders none after it. */
export class Serial {
  readonly #onError: (error: unknown) => void
  #last: Promise<void> = Promise.resolve()

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  /** Puts a step at the end, and returns at once. */
  add(step: () => Promise<void>): void {
    this.#last = this.#last.then(step).catch(this.#onError)
  }

  /** Resolves when all steps that were added so far were tried. */
  settled(): Promise<void> {
    return this.#last
  }
}
