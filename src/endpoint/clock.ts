import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { RandomSource } from '../crypto/provider.ts'

/** A monotonic clock in ms: what the core means by `now`. */
export type Clock = () => number

/** Milliseconds since the process started; never goes back when the wall clock is set. */
export const monotonicClock: Clock = () => performance.now()

/** The operating system's entropy, as plain arrays. */
export const systemRandom: RandomSource = (length) => new Uint8Array(randomBytes(length))
