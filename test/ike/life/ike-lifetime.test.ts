import { afterEach, describe, expect, it, vi } from 'vitest'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { ExchangeType, NotifyType, type Proposal } from '../../../src/ike/codec/index.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, type Pair } from '../support.ts'

const HOUR = 3_600_000
const never = Number.POSITIVE_INFINITY
const quiet = { livenessDelayMs: 0, keepaliveMs: 0, crypto: nodeProvider }

const withLifetime = (ofA: object, ofB: object = { rekeyMs: never }) =>
  establishedPair({ a: { ...quiet, lifetime: ofA }, b: { ...quiet, lifetime: ofB }, crypto: nodeProvider })

/** When A and B were told of a rekeying, in ms. */
function rekeyTimes(pair: Pair): number[] {
  const times: number[] = []
  pair.a.onEvent(({ kind }, now) => {
    if (kind === 'ike-rekeyed') times.push(now)
  })
  return times
}

/** The peer answers each CREATE_CHILD_SA with this notify: it does not take the proposal, and says something else. */
function refuseRekeying(type: number): void {
  alterPayloads(({ flags, exchangeType }, payloads) => {
    if (exchangeType !== ExchangeType.CREATE_CHILD_SA) return payloads
    return flags.response
      ? [notify(type)]
      : payloads.map((one) => (one.kind === 'SA' ? { ...one, proposals: one.proposals.map(unknownCipher) } : one))
  })
}

const unknownCipher = (proposal: Proposal): Proposal => ({
  ...proposal,
  transforms: proposal.transforms.map((one) => (one.type === 1 ? { ...one, id: 999 } : one)),
})

afterEach(() => vi.restoreAllMocks())

describe('the lifetime of an IKE_SA', () => {
  it('is renewed within its jitter, again and again', () => {
    const pair = withLifetime({ rekeyMs: HOUR, jitterMs: HOUR / 10, overMs: HOUR / 10 })
    const times = rekeyTimes(pair)
    pair.clock.advance(24 * HOUR)
    expect(times.length).toBeGreaterThanOrEqual(24)
    expect(times.length).toBeLessThanOrEqual(26)
    const gaps = times.slice(1).map((time, at) => time - times[at]!)
    for (const gap of gaps) {
      expect(gap).toBeGreaterThan(0.9 * HOUR - 1000)
      expect(gap).toBeLessThanOrEqual(HOUR + 1000)
    }
    expect(new Set(gaps).size).toBe(gaps.length)
    expect(pair.a.eventsOf('ike-closed')).toEqual([])
  })

  it('is renewed once when both ends have the same', () => {
    const lifetime = { rekeyMs: HOUR, jitterMs: 0, overMs: HOUR / 10 }
    const pair = withLifetime(lifetime, lifetime)
    const times = rekeyTimes(pair)
    pair.clock.advance(3.5 * HOUR)
    expect(times).toHaveLength(3)
    expect(pair.a.status()).toHaveLength(1)
  })

  it('ends hard when the peer never has time for a rekeying', () => {
    refuseRekeying(NotifyType.TEMPORARY_FAILURE)
    const pair = withLifetime({ rekeyMs: HOUR / 4, jitterMs: 0, overMs: 600_000 })
    pair.clock.advance(HOUR / 4 + 599_000)
    const tries = pair.a
      .eventsOf('message')
      .filter(({ direction, response, exchange }) => direction === 'out' && !response && exchange === 'CREATE_CHILD_SA')
    expect(tries.length).toBeGreaterThanOrEqual(10)
    expect(tries.length).toBeLessThan(30)
    expect(pair.a.status()).toMatchObject([{ state: 'established' }])
    pair.clock.advance(5_000)
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([{ reason: 'expired' }])
    expect([pair.a.status(), pair.b.status()]).toEqual([[], []])
  })

  it('goes on with a whole new IKE_SA when the peer does not rekey', () => {
    refuseRekeying(NotifyType.NO_ADDITIONAL_SAS)
    const pair = withLifetime({ rekeyMs: HOUR / 2, jitterMs: 0, overMs: 600_000 })
    pair.clock.advance(HOUR / 2 + 60_000)
    expect(pair.a.eventsOf('refused')).toMatchObject([
      { renewal: true, refusal: { kind: 'peer-error', detail: 'NO_ADDITIONAL_SAS' } },
    ])
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([{ sa: { id: 1 }, reason: 'replaced', by: { id: 2 } }])
    expect(pair.a.status()).toMatchObject([{ sa: { id: 2 }, children: [{ name: 'net' }] }])
    expect(pair.b.status()).toHaveLength(1)
  })

  it('is renewed after all when the one that was to take its place is gone', () => {
    const pair = withLifetime({ rekeyMs: 60_000, jitterMs: 0, overMs: 60_000 })
    const [old] = pair.a.status()
    pair.clock.advance(55_000)
    pair.b.perform(pair.b.ike.reauthenticate(pair.b.ikeSa.sa.id, pair.b.now))
    pair.clock.advance(100)
    pair.b.perform(pair.b.ike.deleteIke(2, pair.b.now))
    pair.clock.advance(100_000)
    expect(pair.a.status()).toMatchObject([{ sa: old!.sa, state: 'established', children: [{ name: 'net' }] }])
    expect(pair.a.eventsOf('ike-rekeyed').length).toBeGreaterThan(0)
  })

  it('is renewed with authentication where that is configured', () => {
    const pair = withLifetime({ rekeyMs: never, reauthMs: HOUR, jitterMs: HOUR / 10, overMs: HOUR / 10 })
    pair.clock.advance(10 * HOUR)
    expect(pair.a.eventsOf('ike-established').length).toBeGreaterThanOrEqual(10)
    expect(pair.a.eventsOf('ike-rekeyed')).toEqual([])
    expect([pair.a.status().length, pair.b.status().length]).toEqual([1, 1])
  })

  it('is renewed with authentication by who called, so that IKE_SAs that may stand side by side do not multiply', () => {
    const settings = { ...quiet, uniqueness: 'never' as const }
    const lifetime = { rekeyMs: never, reauthMs: HOUR, jitterMs: 0, overMs: HOUR / 10 }
    const pair = establishedPair({ a: { ...settings, lifetime }, b: { ...settings, lifetime }, crypto: nodeProvider })
    pair.clock.advance(5.5 * HOUR)
    expect([pair.a.status().length, pair.b.status().length]).toEqual([1, 1])
    expect(pair.a.eventsOf('ike-established')).toHaveLength(6)
  })

  it('with authentication counts from the last one, whatever was rekeyed since', () => {
    const pair = withLifetime({ rekeyMs: HOUR, reauthMs: 2.5 * HOUR, jitterMs: 0, overMs: HOUR / 10 })
    pair.clock.advance(3 * HOUR)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(2)
    expect(pair.a.eventsOf('ike-established')).toHaveLength(2)
    expect(pair.a.status()).toMatchObject([{ sa: { id: 2 } }])
  })

  it('ends hard when the peer is not there for a reauthentication', () => {
    const pair = withLifetime({ rekeyMs: never, reauthMs: HOUR, jitterMs: 0, overMs: 1_200_000 })
    pair.clock.advance(HOUR - 5_000)
    pair.network.path = () => []
    pair.clock.advance(2 * HOUR)
    expect(pair.a.status()).toEqual([])
    expect(pair.a.eventsOf('ike-closed').find(({ sa }) => sa.id === 1)).toMatchObject({ reason: 'timeout' })
  })
})
