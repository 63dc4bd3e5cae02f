import type { RandomPurpose, RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import { seededRandom } from './seeded-random.ts'

/** Octets from a seed, with a hand on what comes next: nonces decide who wins a collision (RFC 7296 §2.8.1), SPIs name what is looked for. */
export class SeededEntropy {
  readonly #source: RandomSource
  readonly #wanted = new Map<RandomPurpose, Uint8Array[]>()

  constructor(seed: string) {
    this.#source = seededRandom(seed)
  }

  /** The source to hand to whoever needs one. */
  readonly random: RandomSource = (length, purpose) => {
    const octets = this.#source(length)
    const wanted = purpose === undefined ? undefined : this.#wanted.get(purpose)?.shift()
    if (wanted === undefined) return octets
    if (wanted.length > length)
      throw new UsageError('octets', `${wanted.length} were set for a ${purpose} of ${length}`)
    octets.set(wanted)
    return octets
  }

  /** The next octets that are drawn for `purpose` begin with `octets` (copied). Called again, they are for the draw after that. */
  next(purpose: RandomPurpose, octets: Uint8Array): void {
    const queue = this.#wanted.get(purpose) ?? []
    queue.push(octets.slice())
    this.#wanted.set(purpose, queue)
  }

  /** The next nonce begins with `octet`: among two sides that rekey at the same time the lowest of the four nonces loses. */
  nextNonceFirstByte(octet: number): void {
    this.next('nonce', Uint8Array.of(octet))
  }
}
