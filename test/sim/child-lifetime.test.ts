import { afterEach, describe, expect, it, vi } from 'vitest'
import { lifetimeOf } from '../../src/ike/child/child-lifetime.ts'
import { ExchangeType, NotifyType } from '../../src/ike/codec/index.ts'
import { notify } from '../../src/ike/message/notifies.ts'
import { seededRandom, simulationProvider, VirtualTraffic } from '../../src/testing/index.ts'
import { alterPayloads } from '../ike/alter.ts'
import { leftConnection, rightConnection } from '../ike/support.ts'
import { makeGateways } from '../testing/gateways.ts'
import { Duel } from './child-duel.ts'

afterEach(() => vi.restoreAllMocks())

const hour = 3_600_000

/** Two gateways with these lifetimes, and traffic. */
function gateways(lifetime: object, everyMs = 1000) {
  const children = (side: typeof leftConnection) => side.children.map((child) => ({ ...child, ...lifetime }))
  const world = makeGateways({
    crypto: simulationProvider,
    a: { children: children(leftConnection) },
    b: { children: children(rightConnection) },
  })
  world.a.initiate('office')
  world.clock.advance(1000)
  const traffic = new VirtualTraffic(world.a, world.b, { everyMs })
  traffic.start()
  return { ...world, traffic }
}

function expectNothingLost({ aToB, bToA }: ReturnType<VirtualTraffic['report']>): void {
  for (const flow of [aToB, bToA]) expect(flow).toMatchObject({ lostByVpn: 0, duplicated: 0, waiting: 0 })
}

describe('lifetimes of a CHILD_SA', () => {
  it('by default it is rekeyed every hour or a little earlier, and no packet is lost', () => {
    const { clock, a, b, traffic } = gateways({}, 20_000)
    clock.advance(12 * hour)
    const times = a.eventsOf('child-rekeyed').length
    expect(times).toBeGreaterThanOrEqual(12)
    expect(times).toBeLessThanOrEqual(13)
    expect(b.eventsOf('child-rekeyed')).toHaveLength(times)
    expect(a.eventsOf('child-closed')).toEqual([])
    expectNothingLost(traffic.report())
    expect([...a.databases.states()]).toHaveLength(2)
  })

  it.each([
    ['packets', { lifetime: { softPackets: 50, hardPackets: 1000 } }],
    ['octets', { lifetime: { softBytes: 5000, hardBytes: 100_000 } }],
    [
      'packets, at both ends nearly at once',
      { lifetime: { softPackets: 50, hardPackets: 1000 }, jitter: { packets: 3 } },
    ],
  ])('it is rekeyed by its %s', (_, lifetime) => {
    const { clock, a, b, traffic } = gateways(lifetime, 10)
    clock.advance(6_000)
    expect(a.eventsOf('child-rekeyed').length).toBeGreaterThan(6)
    expect(a.eventsOf('child-closed').concat(b.eventsOf('child-closed'))).toEqual([])
    expectNothingLost(traffic.report())
  })

  it('the soft limits come earlier by chance, the hard ones do not', () => {
    const { children } = leftConnection
    const [child] = children
    const config = {
      ...child,
      lifetime: { softMs: hour, hardMs: 2 * hour },
      jitter: { ms: 600_000, bytes: 5, packets: 5 },
    }
    const random = seededRandom('jitter')
    const soft = Array.from({ length: 100 }, () => {
      const none = Number.POSITIVE_INFINITY
      const lifetime = { ...config.lifetime, softBytes: 10, hardBytes: none, softPackets: none, hardPackets: none }
      const made = lifetimeOf({ ...(config as object), lifetime, jitter: config.jitter } as never, true, random)
      expect([made.hardMs, made.softPackets]).toEqual([2 * hour, none])
      expect(made.softBytes).toBeGreaterThan(4)
      return made.softMs
    })
    expect(Math.min(...soft)).toBeGreaterThanOrEqual(hour - 600_000)
    expect(Math.max(...soft)).toBeLessThanOrEqual(hour)
    expect(new Set(soft).size).toBeGreaterThan(90)
  })

  it('without ESN it is rekeyed before its sequence numbers run out', () => {
    const { a } = gateways({})
    for (const { lifetime } of a.databases.states()) expect(lifetime.softPackets).toBe(0xf000_0000)
  })
})

/** The next answer to CREATE_CHILD_SA is an error. */
function refuse(type: number): void {
  let refused = false
  alterPayloads(({ exchangeType, flags }, payloads) => {
    if (exchangeType !== ExchangeType.CREATE_CHILD_SA || !flags.response || refused) return payloads
    refused = true
    return [notify(type)]
  })
}

describe('a peer that does not rekey', () => {
  it('for the moment is asked again, and told so', () => {
    const duel = new Duel()
    for (const step of ['b rekeys ike', 'a rekeys', 'a asks']) duel.step(step)
    expect(duel.answerOf('b')).toEqual(['N(TEMPORARY_FAILURE)'])
    duel.play('b answers, b asks, a answers')
    duel.expectAtRest(1)
    duel.expectNoLoss()
    expect(duel.toldOf('a')).toEqual(['refused', 'child-rekeyed'])
    expect(duel.a.eventsOf('refused')).toMatchObject([{ child: 'net', refusal: { detail: 'TEMPORARY_FAILURE' } }])
  })

  it.each([
    [NotifyType.NO_PROPOSAL_CHOSEN, { kind: 'no-proposal-chosen', by: 'peer' }],
    [NotifyType.TS_UNACCEPTABLE, { kind: 'ts-unacceptable', by: 'peer' }],
  ])('for want of something in common is asked again later, with an explanation: %i', (type, refusal) => {
    const duel = new Duel()
    refuse(type)
    duel.step('a rekeys')
    duel.rest()
    expect(duel.a.eventsOf('refused')).toMatchObject([{ child: 'net', refusal }])
    expect(duel.a.ike.nextTimeoutAt() - duel.clock.now).toBeLessThanOrEqual(60_000)
    duel.clock.advance(61_000)
    expect(duel.waiting).toContain('a asks CREATE_CHILD_SA')
  })

  it('that takes no further SA is asked for a whole new IKE_SA, which it has to take', () => {
    const duel = new Duel()
    refuse(NotifyType.NO_ADDITIONAL_SAS)
    duel.step('a rekeys')
    duel.rest()
    expect(duel.a.eventsOf('refused')).toMatchObject([{ child: 'net', refusal: { detail: 'NO_ADDITIONAL_SAS' } }])
    expect(duel.a.status()[0]!.children).toMatchObject([{ state: 'installed' }])
    expect(duel.a.eventsOf('ike-established')).toHaveLength(2)
    duel.rest()
    duel.clock.advance(2_000)
    duel.rest()
    duel.expectNoLoss()
  })

  it('ends with the hard limit', () => {
    const { clock, a, b, traffic } = gateways({ lifetime: { softMs: 60_000, hardMs: 120_000 }, jitter: { ms: 0 } })
    traffic.stop()
    // Nobody takes what the other offers.
    alterPayloads((_, payloads) =>
      payloads.map((one) =>
        one.kind === 'SA' ? { ...one, proposals: one.proposals.map((offer) => ({ ...offer, transforms: [] })) } : one,
      ),
    )
    clock.advance(130_000)
    expect(a.eventsOf('child-closed')[0]).toMatchObject({ reason: 'expired' })
    // Both were at it, and both know why it ended.
    expect(b.eventsOf('child-closed')[0]).toMatchObject({ reason: 'expired' })
  })

  it('for less traffic than is carried does not replace what carries it', () => {
    const duel = new Duel()
    const before = duel.spisOf('a')
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) =>
        flags.response && one.kind === 'TSi'
          ? { ...one, selectors: one.selectors.map((selector) => ({ ...selector, startPort: 1 })) }
          : one,
      ),
    )
    duel.step('a rekeys')
    duel.rest()
    vi.restoreAllMocks()
    expect(duel.a.eventsOf('refused')).toMatchObject([
      { child: 'net', refusal: { kind: 'ts-unacceptable', by: 'local' } },
    ])
    expect(duel.spisOf('a')).toEqual(before)
    duel.play('rest')
    duel.expectAtRest(1)
    duel.expectNoLoss()
    expect(duel.spisOf('a')).not.toEqual(before)
  })
})
