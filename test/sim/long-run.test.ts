import { describe, expect, it } from 'vitest'
import { createPair, simulationProvider } from '../../src/testing/index.ts'
import { cpuMs, DAY, HOUR, type LongRun, type LongRunReport, lossesOfVpn, MINUTE, runLong } from './long-run.ts'

/** `npm run test:sim` runs them at their whole length. */
const isFull = process.env.MODE === 'full'
if (!isFull) process.stderr.write('skipped: a whole month of two gateways is in `npm run test:sim`\n')

/** 1-hour CHILD_SAs and 4-hour IKE_SAs, each rekeyed a little before its end. */
const lifetimes = {
  both: { lifetime: { rekeyMs: 4 * HOUR - 20 * MINUTE, overMs: 20 * MINUTE, jitterMs: 10 * MINUTE } },
  child: { lifetime: { softMs: 55 * MINUTE, hardMs: HOUR }, jitter: { ms: 5 * MINUTE } },
}

/** Behind a NAT that forgets everything every ten minutes, on a network that loses every twentieth datagram. */
const bad: Omit<LongRun, 'days'> = {
  options: { ...lifetimes, nat: {}, network: { loss: 0.05 } },
  traffic: { everyMs: 5_000 },
  rebindEveryMs: 10 * MINUTE,
}

function expectNothingLost(report: LongRunReport, days: number): void {
  expect(lossesOfVpn(report)).toEqual([])
  for (const flow of [report.aToB, report.bToA]) {
    expect(flow.sent).toBeGreaterThan(days * 17_000)
    expect(flow.delivered + flow.lostByNetwork).toBe(flow.sent)
  }
  // One of each is left, in use, with both of its states.
  expect(report.end).toEqual([
    { ikeSas: 1, children: 1, states: 2 },
    { ikeSas: 1, children: 1, states: 2 },
  ])
  expect(report.childSas).toBeGreaterThanOrEqual(days * 23)
  expect(report.ikeSas).toBeGreaterThanOrEqual(days * 6)
  expect(report.events.get('ike-closed') ?? 0).toBe(0)
}

describe('two gateways', () => {
  it('lose nothing in a day on a good network', () => {
    const report = runLong({ days: 1, options: lifetimes, traffic: { everyMs: 5_000 } })
    expectNothingLost(report, 1)
    expect(report.aToB.lostByNetwork + report.bToA.lostByNetwork).toBe(0)
  }, 60_000)

  it('lose in a day nothing beyond what the network dropped, behind a NAT that rebinds every ten minutes', () => {
    const report = runLong({ days: 1, ...bad })
    expectNothingLost(report, 1)
    expect(report.aToB.networkReasons.loss).toBeGreaterThan(700)
    expect(report.bToA.networkReasons['nat-no-mapping']).toBeGreaterThan(0)
  }, 60_000)

  it.runIf(isFull)(
    'lose in a month nothing beyond what the network dropped, and hold no more memory at its end',
    () => {
      const report = runLong({ days: 31, ...bad })
      expectNothingLost(report, 31)
      // From the second week on: compiled code, and the names of the last losses. A twentieth of what is made in the rekeyings
      // after it would be more.
      expect(report.heap.at(-1)! - report.heap[7]!).toBeLessThan(1_500_000)
    },
    1_800_000,
  )

  it('rekey for a week of the clock in less than a second', () => {
    const week = () => {
      const startedAt = cpuMs()
      const options = { ...lifetimes, both: { ...lifetimes.both, livenessDelayMs: 0 } }
      const { a, clock, connect } = createPair({ crypto: simulationProvider, remember: 0, ...options })
      let rekeyings = 0
      a.onEvent(({ kind }) => {
        if (kind === 'child-rekeyed' || kind === 'ike-rekeyed') rekeyings++
      })
      connect()
      clock.advance(7 * DAY)
      expect(rekeyings).toBeGreaterThan(7 * 29)
      return cpuMs() - startedAt
    }
    // The second time everything is compiled.
    expect(Math.min(week(), week())).toBeLessThan(1_000)
  }, 60_000)
})
