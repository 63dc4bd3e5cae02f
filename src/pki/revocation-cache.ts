import type { Crl } from './crl.ts'
import type { OcspAnswer } from './ocsp.ts'

/** More than a server's peers and authorities have; the oldest entries make room. */
const MOST_ENTRIES = 1000
/** A server that could not be reached is left in peace this long. */
const FAILURE_MS = 60_000
/** What does not say until when it holds is asked for again after this time. */
const DEFAULT_MS = 3_600_000

/** What was fetched and found good: lists by URL, answers by certificate, and what could not be had. All times are ms since 1970. */
export class RevocationCache {
  readonly #crls = new Map<string, { readonly crl: Crl; readonly until: number }>()
  readonly #answers = new Map<string, { readonly answer: OcspAnswer; readonly until: number }>()
  readonly #failures = new Map<string, { readonly problem: string; readonly until: number }>()

  crl(url: string, now: number): Crl | undefined {
    return fresh(this.#crls.get(url), now)?.crl
  }

  keepCrl(url: string, crl: Crl, now: number): void {
    put(this.#crls, url, { crl, until: crl.nextUpdate ?? now + DEFAULT_MS })
  }

  /** `id`: the CertId, and the rules by which the answer was judged. */
  answer(id: string, now: number): OcspAnswer | undefined {
    return fresh(this.#answers.get(id), now)?.answer
  }

  keepAnswer(id: string, answer: OcspAnswer, now: number): void {
    put(this.#answers, id, { answer, until: answer.nextUpdate ?? now + DEFAULT_MS })
  }

  failure(url: string, now: number): string | undefined {
    return fresh(this.#failures.get(url), now)?.problem
  }

  keepFailure(url: string, problem: string, now: number): void {
    put(this.#failures, url, { problem, until: now + FAILURE_MS })
  }

  clear(): void {
    for (const map of [this.#crls, this.#answers, this.#failures]) map.clear()
  }
}

const fresh = <T extends { readonly until: number }>(entry: T | undefined, now: number): T | undefined =>
  entry !== undefined && now < entry.until ? entry : undefined

function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST_ENTRIES) map.delete(map.keys().next().value!)
}
