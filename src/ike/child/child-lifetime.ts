import type { RandomSource } from '../../crypto/provider.ts'
import type { XfrmLifetime } from '../../xfrm/port.ts'
import type { ChildConfig } from '../config.ts'
import { randomShare } from '../life/ike-lifetime.ts'

/** Without ESN a state has 2^32 - 1 packets: it is replaced while a sixteenth of them is left. RFC 4303 §3.3.3. */
const MOST_PACKETS_BEFORE_REKEY = 0xf000_0000

/**
 * The limits of one CHILD_SA: as configured, the soft ones earlier by a random share of the jitter (at most by half), so that two ends with the
 * same configuration seldom rekey at once. RFC 7296 §2.8.
 */
export function lifetimeOf({ lifetime, jitter }: ChildConfig, esn: boolean, random: RandomSource): XfrmLifetime {
  const softPackets = earlier(lifetime.softPackets, jitter.packets, random)
  return {
    ...lifetime,
    softMs: earlier(lifetime.softMs, jitter.ms, random),
    softBytes: earlier(lifetime.softBytes, jitter.bytes, random),
    softPackets: esn ? softPackets : Math.min(softPackets, MOST_PACKETS_BEFORE_REKEY),
  }
}

function earlier(limit: number, most: number, random: RandomSource): number {
  if (limit === Number.POSITIVE_INFINITY || most <= 0) return limit
  return limit - Math.floor(Math.min(most, limit / 2) * randomShare(random))
}
