import type { IkeSa } from '../ike-sa.ts'

/**
 * So long an IKE_SA keeps what only late and repeated messages need: longer than a peer with usual timing takes for a whole
 * handshake. RFC 7296 §2.1 asks for several minutes.
 */
export const KEPT_MS = 600_000

/**
 * Which IKE_SAs keep something that is to be let go, and when. There is no timer for it: a caller that never calls again has
 * no use for the memory either.
 */
export class Leftovers {
  /** Absolute ms. As all are kept equally long, the next one is the first. */
  readonly #until = new Map<IkeSa, number>()

  /** Does nothing for an IKE_SA that is here: what it keeps besides is let go in a second turn. */
  add(sa: IkeSa, now: number): void {
    if (!this.#until.has(sa)) this.#until.set(sa, now + KEPT_MS)
  }

  delete(sa: IkeSa): void {
    this.#until.delete(sa)
  }

  /** Takes out those whose time has come. */
  take(now: number): IkeSa[] {
    const due: IkeSa[] = []
    for (const [sa, until] of this.#until) {
      if (until > now) break
      this.#until.delete(sa)
      due.push(sa)
    }
    return due
  }
}
