/** Timers by name, or by what they are for: setting one again moves it. Times are absolute, in the caller's monotonic ms. */
export class Timers<Name> {
  readonly #at = new Map<Name, number>()
  readonly #onChange: () => void

  /** `onChange` runs whenever `next()` may have changed. */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  set(name: Name, at: number): void {
    this.#at.set(name, at)
    this.#onChange()
  }

  clear(name: Name): void {
    if (this.#at.delete(name)) this.#onChange()
  }

  /** What is set, in the order in which it was set first. */
  names(): Name[] {
    return [...this.#at.keys()]
  }

  clearAll(): void {
    this.#at.clear()
    this.#onChange()
  }

  /** When it is due; undefined when it is not set. */
  at(name: Name): number | undefined {
    return this.#at.get(name)
  }

  /** The earliest of them, `Infinity` when none is set. */
  next(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const at of this.#at.values()) if (at < earliest) earliest = at
    return earliest
  }

  /** Takes out the names whose time has come, earliest first. */
  due(now: number): Name[] {
    const due = [...this.#at].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1])
    for (const [name] of due) this.clear(name)
    return due.map(([name]) => name)
  }
}
