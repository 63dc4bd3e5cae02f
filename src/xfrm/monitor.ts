import type { XfrmPolicy } from './policy.ts'
import type { MigrateRequest, XfrmAcquire, XfrmExpire, XfrmMapping } from './port.ts'
import type { XfrmState } from './state.ts'

/**
 * What happened in the databases, by the names of the kernel's messages. States and policies are those of the databases, not copies: they
 * are as they were only during the call of a listener.
 */
export type XfrmEvent =
  | { readonly type: 'acquire'; readonly acquire: XfrmAcquire; readonly policy: XfrmPolicy; readonly larval: XfrmState }
  | { readonly type: 'expire'; readonly expire: XfrmExpire; readonly state: XfrmState }
  | { readonly type: 'newsa' | 'updsa' | 'delsa'; readonly state: XfrmState }
  | { readonly type: 'newpolicy' | 'updpolicy' | 'delpolicy'; readonly policy: XfrmPolicy }
  | { readonly type: 'migrate'; readonly migrate: MigrateRequest }
  | { readonly type: 'mapping'; readonly mapping: XfrmMapping; readonly state: XfrmState }

export type XfrmEventListener = (event: XfrmEvent) => void

/** Events that wait for a reader at most; the oldest are dropped and counted. */
export const MAX_WAITING_EVENTS = 1024

/** Who watches the databases. No event is made while nobody does, and packets alone make none. */
export class XfrmMonitor {
  readonly #listeners = new Set<XfrmEventListener>()

  /** False when an event would be heard by nobody. */
  get isWatched(): boolean {
    return this.#listeners.size > 0
  }

  /** Calls `listener` for each event, within the call that brings it about; it must not throw. Returns how to end it. */
  listen(listener: XfrmEventListener): () => void {
    // A listener of its own, so that one that listens twice can end each.
    const own: XfrmEventListener = (event) => listener(event)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  tell(event: XfrmEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  /** The events from here on, one after the other, until the loop over it ends. A reader that is too slow misses the oldest. */
  events(): XfrmEventStream {
    return new XfrmEventStream(this)
  }
}

/** An asynchronous iteration over events. It begins when it is made. */
export class XfrmEventStream implements AsyncIterableIterator<XfrmEvent, undefined> {
  /** Events that were dropped because nobody read them. */
  missed = 0
  readonly #waiting: XfrmEvent[] = []
  readonly #stop: () => void
  #readers: ((result: IteratorResult<XfrmEvent, undefined>) => void)[] = []
  #isOver = false

  constructor(monitor: XfrmMonitor) {
    this.#stop = monitor.listen((event) => this.#take(event))
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<XfrmEvent, undefined>> {
    const value = this.#waiting.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => this.#readers.push(resolve))
  }

  return(): Promise<IteratorResult<XfrmEvent, undefined>> {
    this.#isOver = true
    this.#stop()
    this.#waiting.length = 0
    const readers = this.#readers
    this.#readers = []
    for (const resolve of readers) resolve({ done: true, value: undefined })
    return Promise.resolve({ done: true, value: undefined })
  }

  #take(event: XfrmEvent): void {
    const reader = this.#readers.shift()
    if (reader !== undefined) return reader({ done: false, value: event })
    if (this.#waiting.length >= MAX_WAITING_EVENTS) {
      this.#waiting.shift()
      this.missed++
    }
    this.#waiting.push(event)
  }
}
