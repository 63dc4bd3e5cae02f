import type { Companion } from '../credentials/companion.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { Log } from './log.ts'
import { SessionTrafficBook, type States } from './session-traffic.ts'

/** Those beside the endpoint who follow its IKE_SAs. Without any, nothing is counted or kept. */
export class Companions {
  readonly #all: readonly Companion[]
  readonly #log: Log
  readonly #traffic: SessionTrafficBook

  constructor(all: readonly Companion[], xfrm: States, log: Log) {
    this.#all = all
    this.#log = log
    this.#traffic = new SessionTrafficBook(xfrm)
  }

  /** `end` deletes an IKE_SA. Rejects with the first `PlatformError`; `close` then closes all. */
  async open(end: (ikeSaId: number) => void): Promise<void> {
    const world = {
      traffic: (ikeSaId: number) => this.#traffic.of(ikeSaId),
      end,
      log: (level: 'error' | 'warn' | 'info' | 'debug', subject: string, text: string) =>
        this.#log.write(level, subject, text),
    }
    for (const companion of this.#all) await companion.open(world)
  }

  /** Told of every event. */
  notice(event: IkeEvent): void {
    if (this.#all.length === 0) return
    this.#traffic.notice(event)
    for (const companion of this.#all) companion.notice(event)
    if (event.kind === 'ike-closed') this.#traffic.forget(event.sa.id)
  }

  closing(): void {
    for (const companion of this.#all) companion.closing?.()
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((companion) => companion.close()))
  }
}
