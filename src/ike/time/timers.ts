/** Who has timers is told whenever `next()` may have changed. */
export interface TimerOwner {
  timesChanged(): void
}

/** Timers by name, or by what they are for: setting one again moves it. Times are absolute, in the caller's monotonic ms. */
export class Timers<Name> {
  /** Made with the first timer: most IKE_SAs never have one of some kinds. */
  #at: Map<Name, number> | undefined
  readonly #owner: TimerOwner

  constructor(owner: TimerOwner) {
    this.#owner = owner
  }

  set(name: Name, at: number): void {
    this.#at ??= new Map()
    this.#at.set(name, at)
    this.#owner.timesChanged()
  }

  clear(name: Name): void {
    if (this.#at?.delete(name)) this.#owner.timesChanged()
  }

  /** What is set, in the order in which it was set first. */
  names(): Name[] {
    return [...(this.#at?.keys() ?? [])]
  }

  clearAll(): void {
    this.#at = undefined
    this.#owner.timesChanged()
  }

  /** When it is due; undefined when it is not set. */
  at(name: Name): number | undefined {
    return this.#at?.get(name)
  }

  /** The earliest of them, `Infinity` when none is set. */
  next(): number {
    let earliest = Number.POSITIVE_INFINITY
    if (this.#at === undefined) return earliest
    for (const at of this.#at.values()) if (at < earliest) earliest = at
    return earliest
  }

  /** Takes out the names whose time has come, earliest first. */
  due(now: number): Name[] {
    if (this.#at === undefined) return []
    const due = [...this.#at].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1])
    for (const [name] of due) this.clear(name)
    return due.map(([name]) => name)
  }
}
