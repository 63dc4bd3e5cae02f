import type { RandomSource } from '../../crypto/provider.ts'
import type { RetransmitConfig } from '../config.ts'
import { randomShare } from '../life/ike-lifetime.ts'

/**
 * Milliseconds from the transmission number `attempt` (from 0) to the next. `random` is asked only where the configuration
 * has a jitter. RFC 7296 §2.1.
 */
export function retransmitDelay(config: RetransmitConfig, attempt: number, random: RandomSource): number {
  const whole = Math.min(config.baseMs * config.factor ** attempt, config.limitMs)
  return config.jitter === 0 ? whole : whole * (1 - config.jitter * randomShare(random))
}
