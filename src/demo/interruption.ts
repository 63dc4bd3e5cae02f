/** Turns SIGINT and SIGTERM into a failure of the work that is under way, so that its cleaning up runs. */
export class Interruption {
  readonly #signalled: Promise<never>
  readonly #listener: (signal: NodeJS.Signals) => void

  constructor() {
    let fail: (error: Error) => void = () => {}
    this.#signalled = new Promise<never>((_resolve, reject) => {
      fail = reject
    })
    this.#signalled.catch(() => {})
    this.#listener = (signal) => fail(new Error(`interrupted by ${signal}`))
    process.on('SIGINT', this.#listener)
    process.on('SIGTERM', this.#listener)
  }

  /** Settles as `work` does, or rejects at the first signal. */
  race<T>(work: Promise<T>): Promise<T> {
    // The work may fail later on, when what it stands on is taken away; nobody is interested then.
    work.catch(() => {})
    return Promise.race([work, this.#signalled])
  }

  /** Gives the signals back their usual effect. */
  end(): void {
    process.off('SIGINT', this.#listener)
    process.off('SIGTERM', this.#listener)
  }
}
