import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { IkeSa } from '../../../src/ike/ike-sa.ts'
import { Timers } from '../../../src/ike/time/timers.ts'
import { WakeQueue } from '../../../src/ike/time/wake-queue.ts'
import { seededRandom } from '../../../src/testing/index.ts'
import { leftConnection, makePair, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

describe('the wake queue', () => {
  it('says what a scan of all says', () => {
    const items = Array.from({ length: 20 }, (_, n) => ({ n }))
    const time = fc.oneof(fc.integer({ min: 0, max: 30 }), fc.constant(Number.POSITIVE_INFINITY))
    const step = fc.tuple(fc.constantFrom(...items), time)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 0, max: 30 }), (steps, now) => {
        const queue = new WakeQueue<{ n: number }>()
        const times = new Map<{ n: number }, number>()
        for (const [item, at] of steps) {
          queue.set(item, at)
          times.set(item, at)
          expect(queue.nextAt()).toBe(Math.min(Number.POSITIVE_INFINITY, ...times.values()))
        }
        const due = queue.due(now)
        expect(new Set(due)).toEqual(new Set(items.filter((item) => (times.get(item) ?? 99) <= now)))
        expect(due.map((item) => times.get(item))).toEqual(due.map((item) => times.get(item)!).sort((a, b) => a - b))
        expect(queue.due(now)).toEqual(due)
      }),
    )
  })

  it('gives those of one moment in the order in which they came', () => {
    const queue = new WakeQueue<{ n: number }>()
    const items = Array.from({ length: 30 }, (_, n) => ({ n }))
    for (const item of items) queue.set(item, 5)
    expect(queue.due(5)).toEqual(items)
  })
})

describe('the next timeout of an endpoint', () => {
  it('is what a scan of its IKE_SAs gives, through losses, retransmissions, liveness and deletes', () => {
    const seen = new Set<IkeSa>()
    const set = WakeQueue.prototype.set
    vi.spyOn(WakeQueue.prototype, 'set').mockImplementation(function (this: WakeQueue<object>, item, at) {
      seen.add(item as IkeSa)
      set.call(this, item, at)
    })
    const scan = () => {
      const earliest = new Map<unknown, number>()
      for (const { runtime, state, timers, window } of seen) {
        const at =
          state === 'closed'
            ? Number.POSITIVE_INFINITY
            : Math.min(timers.next(), ...[...window.pending].map(({ nextAt }) => nextAt))
        earliest.set(runtime, Math.min(earliest.get(runtime) ?? Number.POSITIVE_INFINITY, at))
      }
      return [...earliest.values()].filter(Number.isFinite).sort((a, b) => a - b)
    }
    const often = { livenessDelayMs: 700, keepaliveMs: 400, retransmit: { baseMs: 150, factor: 1.3, tries: 4 } }
    const pair = makePair({ a: often, b: often, limits: { cookieThreshold: 1 } })
    const dice = seededRandom('losses')
    pair.network.path = (datagram) => (dice(1)[0]! < 40 ? [] : [datagram])
    const moments = new Set<string>()
    for (let step = 0; step < 600; step++) {
      const [what] = dice(1)
      if (what! < 20) pair.a.initiate(leftConnection.name)
      else if (what! < 30) pair.b.initiate(rightConnection.name)
      else if (what! < 31) pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
      pair.clock.advance(131)
      const told = [pair.a, pair.b].map(({ ike }) => ike.nextTimeoutAt()).filter(Number.isFinite)
      expect(told.sort((a, b) => a - b)).toEqual(scan())
      moments.add(told.join())
    }
    expect(moments.size).toBeGreaterThan(100)
  })

  it('asks no IKE_SA, and serving what is due asks those alone', () => {
    const pair = makePair({ a: { retransmit: { baseMs: 1000, factor: 1, tries: 50 } } })
    pair.network.path = () => []
    pair.a.initiate('office')
    pair.b.initiate('branch')
    const asked = vi.spyOn(Timers.prototype, 'next')
    const served = vi.spyOn(Timers.prototype, 'due')
    for (let n = 0; n < 100; n++) pair.a.ike.nextTimeoutAt()
    pair.a.ike.handleTimeouts(pair.a.ike.nextTimeoutAt() - 1)
    expect(asked).not.toHaveBeenCalled()
    expect(served).not.toHaveBeenCalled()
    pair.a.ike.handleTimeouts(pair.a.ike.nextTimeoutAt())
    expect(served).toHaveBeenCalledTimes(1)
  })
})
