import { MOST_REDIRECTS, REDIRECT_PERIOD_MS } from '../explain/explain-redirect.ts'

/** When each connection was sent elsewhere lately, so that it does not go round for ever. RFC 5685 §3. */
export class RedirectLimit {
  readonly #times = new Map<string, number[]>()

  /** Counts a redirection of a connection, and tells whether it is still one to follow. */
  admit(connection: string, now: number): boolean {
    const recent = (this.#times.get(connection) ?? []).filter((at) => at > now - REDIRECT_PERIOD_MS)
    this.#times.set(connection, recent)
    if (recent.length >= MOST_REDIRECTS) return false
    recent.push(now)
    return true
  }
}
