import type { Log } from './log.ts'

interface Closable {
  close(): Promise<void>
}

/** What was opened so far, to be closed again in the other order. */
export class Opened {
  readonly #parts: Closable[] = []
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** Takes charge of `part`, and gives it back. */
  add<T extends Closable>(part: T): T {
    this.#parts.push(part)
    return part
  }

  /** Closes everything, the last one first. Never rejects: what one part refuses is logged, and must not keep the others open. */
  async close(): Promise<void> {
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      try {
        await part.close()
      } catch (error) {
        this.#log.write('error', 'endpoint', error instanceof Error ? error.message : String(error))
      }
    }
  }
}
