import { describe, expect, it } from 'vitest'
import type { IkeSa } from '../../../src/ike/ike-sa.ts'
import { KEPT_MS, Leftovers } from '../../../src/ike/life/leftovers.ts'
import { establishedPair, type Pair } from '../support.ts'

/** Everything about time is turned off, so that nothing but the handshake is said. */
const quiet = { livenessDelayMs: 0, keepaliveMs: 0 }

/** Sends the `at`-th datagram of the handshake to B once more; the number of datagrams that come of it. */
function repeat(pair: Pair, at: number): number {
  const before = pair.network.sent.length
  pair.network.inject(pair.network.sent[at]!)
  pair.clock.advance(100)
  return pair.network.sent.length - before
}

describe('what is kept for late and repeated messages', () => {
  it('answers a repeated IKE_AUTH request for ten minutes', () => {
    const pair = establishedPair({ a: quiet, b: quiet })
    expect(repeat(pair, 2)).toBe(1)
    pair.clock.advance(KEPT_MS - 1000)
    expect(repeat(pair, 2)).toBe(1)
  })

  it('is let go after that: the request is neither answered nor taken again', () => {
    const pair = establishedPair({ a: quiet, b: quiet })
    pair.clock.advance(KEPT_MS + 1000)
    pair.b.perform(pair.b.ike.handleTimeouts(pair.clock.now))
    expect(repeat(pair, 2)).toBe(0)
    expect(pair.b.ike.status()).toMatchObject([{ state: 'established' }])
  })

  it('is not needed for anything else: keys are renewed, CHILD_SAs made and all is deleted', () => {
    const pair = establishedPair({ a: quiet, b: quiet })
    pair.clock.advance(KEPT_MS + 1000)
    for (const peer of [pair.a, pair.b]) peer.perform(peer.ike.handleTimeouts(pair.clock.now))
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.b.ike.status()).toMatchObject([{ children: [{}, {}] }])
    pair.a.perform(pair.a.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
    pair.b.perform(pair.b.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1000)
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
  })
})

describe('Leftovers', () => {
  const [first, second] = [{ id: 1 }, { id: 2 }] as unknown as [IkeSa, IkeSa]

  it('gives back each when its time has come, in order', () => {
    const leftovers = new Leftovers()
    leftovers.add(first, 0)
    leftovers.add(second, 10)
    leftovers.add(first, 20)
    expect(leftovers.take(KEPT_MS - 1)).toEqual([])
    expect(leftovers.take(KEPT_MS)).toEqual([first])
    expect(leftovers.take(KEPT_MS + 20)).toEqual([second])
  })

  it('forgets what has ended', () => {
    const leftovers = new Leftovers()
    leftovers.add(first, 0)
    leftovers.delete(first)
    expect(leftovers.take(KEPT_MS)).toEqual([])
  })
})
