/** Something that will happen. */
export interface Scheduled {
  readonly at: number
  /** Takes it back; nothing happens when it has happened already. */
  cancel(): void
}

/** Time that passes only when it is told to, in ms. Events of one moment happen in the order in which they were scheduled. */
export class VirtualClock {
  #now = 0
  #order = 0
  #cancelled = 0
  /** A binary heap: no entry is before its parent, which stands at half its place. */
  readonly #heap: Entry[] = []

  get now(): number {
    return this.#now
  }

  /** When the next event is due, `Infinity` when there is none. */
  get nextAt(): number {
    return this.#first()?.at ?? Number.POSITIVE_INFINITY
  }

  /** How many events are to come. */
  get pending(): number {
    return this.#heap.length - this.#cancelled
  }

  /** Runs `run` at `at`, or at once when that is past, during the next `advance`. */
  schedule(at: number, run: (now: number) => void): Scheduled {
    const entry = new Entry(Math.max(at, this.#now), this.#order++, run, () => this.#cancelled++)
    this.#rise(this.#heap.push(entry) - 1, entry)
    return entry
  }

  /** Lets `ms` pass and runs everything that falls due on the way. */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms)
  }

  /** Lets time pass until `at`; the past is left alone. */
  advanceTo(at: number): void {
    for (let first = this.#first(); first !== undefined && first.at <= at; first = this.#first()) this.#runFirst(first)
    if (at > this.#now) this.#now = at
  }

  /** Goes to the next event and runs it alone. False when there is none. */
  step(): boolean {
    const first = this.#first()
    if (first === undefined) return false
    this.#runFirst(first)
    return true
  }

  #runFirst(first: Entry): void {
    this.#takeFirst()
    this.#now = first.at
    const { run } = first
    first.run = undefined
    run?.(first.at)
  }

  /** The next event that was not taken back; those that were and come before it are removed. */
  #first(): Entry | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.run !== undefined) return first
      this.#takeFirst()
      this.#cancelled--
    }
  }

  #takeFirst(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length > 0) this.#sink(last)
  }

  #rise(from: number, entry: Entry): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#heap[above]!
      if (!entry.isBefore(parent)) break
      this.#heap[place] = parent
      place = above
    }
    this.#heap[place] = entry
  }

  #sink(entry: Entry): void {
    const heap = this.#heap
    let place = 0
    for (let below = 1; below < heap.length; below = 2 * place + 1) {
      const right = heap[below + 1]
      if (right?.isBefore(heap[below]!) === true) below++
      const child = heap[below]!
      if (!child.isBefore(entry)) break
      heap[place] = child
      place = below
    }
    heap[place] = entry
  }
}

class Entry implements Scheduled {
  readonly at: number
  readonly order: number
  run: ((now: number) => void) | undefined
  readonly #onCancel: () => void

  constructor(at: number, order: number, run: (now: number) => void, onCancel: () => void) {
    this.at = at
    this.order = order
    this.run = run
    this.#onCancel = onCancel
  }

  cancel(): void {
    if (this.run === undefined) return
    this.run = undefined
    this.#onCancel()
  }

  isBefore(other: Entry): boolean {
    return this.at < other.at || (this.at === other.at && this.order < other.order)
  }
}
