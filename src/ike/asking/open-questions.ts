import type { IkeSa } from '../ike-sa.ts'
import type { Answer, Question } from '../questions.ts'

/** A question that has no answer yet. */
export interface OpenQuestion {
  readonly sa: IkeSa
  readonly question: Question
  readonly resume: (answer: Answer) => void
  /** The IKE_SA ended: what waits gives back what it took. */
  readonly cancel: () => void
}

/** The questions of one endpoint that wait for answers, by token. */
export class OpenQuestions {
  readonly #open = new Map<number, OpenQuestion>()
  readonly #tokens = new Map<IkeSa, Set<number>>()
  #nextToken = 1

  /** Returns the token. */
  add(open: OpenQuestion): number {
    const token = this.#nextToken++
    this.#open.set(token, open)
    const tokens = this.#tokens.get(open.sa) ?? new Set()
    this.#tokens.set(open.sa, tokens.add(token))
    return token
  }

  /** What waits for the answer with this token; undefined when nothing does any more. */
  find(token: number): OpenQuestion | undefined {
    return this.#open.get(token)
  }

  /** The question that an IKE_SA asked first of those that are open. */
  ofSa(sa: IkeSa): Question | undefined {
    const [token] = this.#tokens.get(sa) ?? []
    return token === undefined ? undefined : this.#open.get(token)?.question
  }

  /** It waits no longer. Does nothing for a token that is not here. */
  take(token: number): void {
    const open = this.#open.get(token)
    if (open === undefined) return
    this.#open.delete(token)
    const tokens = this.#tokens.get(open.sa)
    tokens?.delete(token)
    if (tokens?.size === 0) this.#tokens.delete(open.sa)
  }

  /** Cancels what waits for an IKE_SA that ends. */
  cancelAll(sa: IkeSa): void {
    for (const token of [...(this.#tokens.get(sa) ?? [])]) {
      const open = this.#open.get(token)
      this.take(token)
      open?.cancel()
    }
  }
}
