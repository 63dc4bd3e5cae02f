interface Entry<Item> {
  readonly item: Item
  readonly order: number
  at: number
  /** Its index in the heap. */
  place: number
}

/** When each of many objects wants to be woken: a binary heap that knows the place of each. Times are absolute ms. */
export class WakeQueue<Item extends object> {
  /** No entry is before its parent, which stands at half its place. */
  readonly #heap: Entry<Item>[] = []
  readonly #entries = new Map<Item, Entry<Item>>()
  #nextOrder = 0

  /** Sets or moves the time of `item`; `Infinity` takes it out. O(log n). */
  set(item: Item, at: number): void {
    const entry = this.#entries.get(item)
    if (at === Number.POSITIVE_INFINITY) {
      if (entry !== undefined) this.#remove(entry)
    } else if (entry === undefined) {
      const added = { item, order: this.#nextOrder++, at, place: this.#heap.length }
      this.#entries.set(item, added)
      this.#heap.push(added)
      this.#settle(added)
    } else if (entry.at !== at) {
      entry.at = at
      this.#settle(entry)
    }
  }

  /** The earliest time, `Infinity` when nobody waits. */
  nextAt(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** All whose time has come, earliest first. They stay until they are set anew. Looks at them and their neighbours only. */
  due(now: number): Item[] {
    const due: Entry<Item>[] = []
    const places = [0]
    for (let place = places.pop(); place !== undefined; place = places.pop()) {
      const entry = this.#heap[place]
      if (entry === undefined || entry.at > now) continue
      due.push(entry)
      places.push(2 * place + 1, 2 * place + 2)
    }
    return due.sort((a, b) => a.at - b.at || a.order - b.order).map(({ item }) => item)
  }

  #remove(entry: Entry<Item>): void {
    this.#entries.delete(entry.item)
    const last = this.#heap.pop()!
    if (last === entry) return
    this.#put(last, entry.place)
    this.#settle(last)
  }

  /** Moves an entry up or down until the heap is in order again. */
  #settle(entry: Entry<Item>): void {
    for (
      let parent = this.#parentOf(entry);
      parent !== undefined && parent.at > entry.at;
      parent = this.#parentOf(entry)
    )
      this.#swap(entry, parent)
    for (
      let child = this.#firstChildOf(entry);
      child !== undefined && child.at < entry.at;
      child = this.#firstChildOf(entry)
    )
      this.#swap(entry, child)
  }

  #parentOf({ place }: Entry<Item>): Entry<Item> | undefined {
    return place === 0 ? undefined : this.#heap[(place - 1) >> 1]
  }

  #firstChildOf({ place }: Entry<Item>): Entry<Item> | undefined {
    const left = this.#heap[2 * place + 1]
    const right = this.#heap[2 * place + 2]
    return left !== undefined && right !== undefined && right.at < left.at ? right : left
  }

  #swap(a: Entry<Item>, b: Entry<Item>): void {
    const { place } = a
    this.#put(a, b.place)
    this.#put(b, place)
  }

  #put(entry: Entry<Item>, place: number): void {
    this.#heap[place] = entry
    entry.place = place
  }
}
