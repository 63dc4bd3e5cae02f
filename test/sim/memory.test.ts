import { expect, it } from 'vitest'
import { createPair, simulationProvider } from '../../src/testing/index.ts'
import { DAY, HOUR, heapInUse } from './long-run.ts'

it('nothing of a rekeyed SA is kept: the heap after 12 days is that after 6', () => {
  const { a, clock, connect } = createPair({
    crypto: simulationProvider,
    remember: 0,
    both: { livenessDelayMs: 0, keepaliveMs: 0, lifetime: { rekeyMs: 2 * HOUR, jitterMs: 0 } },
    child: { lifetime: { softMs: HOUR, hardMs: 1.2 * HOUR }, jitter: { ms: 0 } },
  })
  connect()
  clock.advance(6 * DAY)
  const before = heapInUse()
  clock.advance(6 * DAY)
  // 72 IKE_SAs and 144 CHILD_SAs on either side, which would be 3 MB; compiled code and its caches come and go.
  expect(heapInUse() - before).toBeLessThan(700_000)
  expect(a.status()).toHaveLength(1)
}, 120_000)
