import type { RandomSource } from '../crypto/provider.ts'
import type { RetransmitConfig } from './config.ts'

/**
 * Milliseconds from the transmission number `attempt` (from 0) to the next. `random` is asked only where the configuration
 * has a jitter. RFC 7296 §2.1.
 */
export function retransmitDelay(config: RetransmitConfig, attempt: number, random: RandomSource): number {
  const whole = Math.min(config.baseMs * config.factor ** attempt, config.limitMs)
  return config.jitter === 0 ? whole : whole * (1 - config.jitter * share(random))
}

/** From 0 to below 1. */
function share(random: RandomSource): number {
  const [high = 0, low = 0] = random(2)
  return ((high << 8) | low) / 0x1_0000
}
