import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/testing/index.ts'

describe('the virtual clock', () => {
  it('runs events in the order of their times, those of one moment in the order of scheduling', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(20), cancel: fc.boolean() })),
        fc.array(fc.nat(8), { minLength: 1 }),
        (events, pauses) => {
          const clock = new VirtualClock()
          const ran: number[] = []
          const scheduled = events.map(({ at }, i) =>
            clock.schedule(at, (now) => {
              expect(now).toBe(clock.now)
              expect(now).toBe(at)
              ran.push(i)
            }),
          )
          for (const [i, { cancel }] of events.entries()) if (cancel) scheduled[i]!.cancel()
          for (const pause of pauses) clock.advance(pause)
          const end = pauses.reduce((sum, pause) => sum + pause, 0)
          expect(clock.now).toBe(end)
          const alive = events.map(({ at, cancel }, i) => ({ at, cancel, i })).filter(({ cancel }) => !cancel)
          const due = alive.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.i - b.i)
          expect(ran).toEqual(due.map(({ i }) => i))
          expect(clock.pending).toBe(alive.length - due.length)
          expect(clock.nextAt).toBe(Math.min(...alive.filter(({ at }) => at > end).map(({ at }) => at)))
        },
      ),
    )
  })

  it('runs what is past at once, and what an event schedules for its own moment in the same advance', () => {
    const clock = new VirtualClock()
    clock.advance(10)
    const ran: string[] = []
    clock.schedule(3, (now) => {
      ran.push(`late ${now}`)
      clock.schedule(now, () => ran.push('nested'))
    })
    clock.advance(0)
    expect(ran).toEqual(['late 10', 'nested'])
  })

  it('steps to one event at a time', () => {
    const clock = new VirtualClock()
    const ran: number[] = []
    for (const at of [30, 10]) clock.schedule(at, (now) => ran.push(now))
    clock.schedule(20, () => ran.push(-1)).cancel()
    expect([clock.step(), clock.now, clock.step(), clock.now, clock.step()]).toEqual([true, 10, true, 30, false])
    expect(ran).toEqual([10, 30])
  })

  it('does nothing when an event is taken back after it ran, or twice', () => {
    const clock = new VirtualClock()
    const one = clock.schedule(1, () => {})
    const other = clock.schedule(5, () => {})
    clock.advance(2)
    one.cancel()
    expect(clock.pending).toBe(1)
    other.cancel()
    other.cancel()
    expect(clock.pending).toBe(0)
  })

  it('carries a million events within seconds', () => {
    const clock = new VirtualClock()
    let ran = 0
    const again = (every: number) => {
      ran++
      if (ran < 1_000_000) clock.schedule(clock.now + every, () => again(every))
    }
    for (let i = 1; i <= 1000; i++) again(i)
    clock.advance(Number.MAX_SAFE_INTEGER)
    expect(ran).toBeGreaterThanOrEqual(1_000_000)
  })
})
