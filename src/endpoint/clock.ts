import { randomFillSync } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { RandomSource } from '../crypto/provider.ts'

/** A monotonic clock in ms: what the core means by `now`. */
export type Clock = () => number

/** Milliseconds since the process started; never goes back when the wall clock is set. */
export const monotonicClock: Clock = () => performance.now()

const pool = new Uint8Array(1024)
let poolAt = pool.length

/**
 * The operating system's entropy, as plain arrays. Drawn some octets ahead, because asking for each SPI and nonce by itself costs more than
 * they do; what was given out is not kept.
 */
export const systemRandom: RandomSource = (length) => {
  if (length > pool.length) return randomFillSync(new Uint8Array(length))
  if (poolAt + length > pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  const octets = pool.slice(poolAt, poolAt + length)
  pool.fill(0, poolAt, poolAt + length)
  poolAt += length
  return octets
}
