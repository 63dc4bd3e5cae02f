import { toHex } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'

/** As long as a peer with usual timing asks again for a response that was lost. */
const KEPT_MS = 30_000
const MOST_KEPT = 256

interface LastWord {
  readonly response: readonly Uint8Array[]
  readonly until: number
}

/**
 * Responses that ended an IKE_SA (to its DELETE, to a wrong AUTH), by the digest of their request: the peer may not have
 * got them, and nobody else is left to answer. RFC 7296 §2.1.
 */
export class LastWords {
  readonly #crypto: CryptoProvider
  readonly #kept = new Map<string, LastWord>()

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto
  }

  /** `response`, in one datagram or more, is kept, `request` is not. */
  keep(request: Uint8Array, response: readonly Uint8Array[], now: number): void {
    this.#forget(now)
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size >= MOST_KEPT) this.#kept.delete(oldest)
    this.#kept.set(this.#keyOf(request), { response, until: now + KEPT_MS })
  }

  /** The response to exactly this request, if it is still kept. */
  repeat(request: Uint8Array, now: number): readonly Uint8Array[] | undefined {
    this.#forget(now)
    return this.#kept.size === 0 ? undefined : this.#kept.get(this.#keyOf(request))?.response
  }

  #forget(now: number): void {
    for (const [key, { until }] of this.#kept) {
      if (until > now) break
      this.#kept.delete(key)
    }
  }

  #keyOf(request: Uint8Array): string {
    return toHex(this.#crypto.hash('sha256', request))
  }
}
