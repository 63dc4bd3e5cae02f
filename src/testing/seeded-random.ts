import { concat } from '../bytes/index.ts'
import { nobleProvider } from '../crypto/noble.ts'
import type { RandomSource } from '../crypto/provider.ts'

/**
 * Octets that look random and depend on nothing but `seed`: SHA-256 over seed and a counter. For tests and replays only:
 * whoever knows the seed knows every key.
 */
export function seededRandom(seed: string): RandomSource {
  const prefix = new TextEncoder().encode(seed)
  let counter = 0
  let pool = new Uint8Array(0)
  return (length) => {
    while (pool.length < length) {
      counter++
      const block = concat(prefix, Uint8Array.of(counter >>> 24, counter >>> 16, counter >>> 8, counter))
      pool = new Uint8Array(concat(pool, nobleProvider.hash('sha256', block)))
    }
    const taken = pool.slice(0, length)
    pool = pool.slice(length)
    return taken
  }
}
