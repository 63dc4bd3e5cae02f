/** Limits of `Conversations`. */
export interface ConversationLimits {
  /** Monotonic, ms. */
  readonly now?: () => number
  /** How long one may rest, ms. */
  readonly idleMs?: number
  readonly maxConversations?: number
}

/** Conversations by number, in a bounded count; those that rest too long end when another one begins. */
export class Conversations<T extends { destroy(): void }> {
  readonly #now: () => number
  readonly #idleMs: number
  readonly #max: number
  /** In order of their last use. */
  readonly #byId = new Map<number, { readonly conversation: T; usedAt: number }>()

  constructor({ now = () => performance.now(), idleMs = 300_000, maxConversations = 10_000 }: ConversationLimits) {
    this.#now = now
    this.#idleMs = idleMs
    this.#max = maxConversations
  }

  get size(): number {
    return this.#byId.size
  }

  /** The one of this number, in use from now on. */
  find(id: number): T | undefined {
    const found = this.#byId.get(id)
    if (found === undefined) return undefined
    this.#byId.delete(id)
    this.#byId.set(id, { ...found, usedAt: this.#now() })
    return found.conversation
  }

  /** Keeps a new one in place of an older one of the same number. False, and nothing is kept, when there are too many. */
  add(id: number, conversation: T): boolean {
    this.end(id)
    this.#sweep()
    if (this.#byId.size >= this.#max) return false
    this.#byId.set(id, { conversation, usedAt: this.#now() })
    return true
  }

  end(id: number): void {
    this.#byId.get(id)?.conversation.destroy()
    this.#byId.delete(id)
  }

  #sweep(): void {
    const oldest = this.#now() - this.#idleMs
    for (const [id, { usedAt }] of this.#byId) {
      if (usedAt > oldest) return
      this.end(id)
    }
  }
}
