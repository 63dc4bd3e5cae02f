import { describe, expect, it } from 'vitest'
import { type PskChild, type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { VirtualClock, VirtualNetwork, VirtualPeer } from '../../../src/testing/index.ts'
import { establishedPair, left, leftConnection, makePair, type Pair, right, rightConnection } from '../support.ts'

const childrenWith = (of: PskConnection, settings: Partial<PskChild>) =>
  of.children.map((child) => ({ ...child, ...settings }))

/** A pair that stands, with these settings of the left child. */
function pairWith(settings: Partial<PskChild>, more: Partial<PskConnection> = {}): Pair {
  const quick = { livenessDelayMs: 10_000, retransmit: { baseMs: 1_000, factor: 1, tries: 3 } }
  return establishedPair({
    a: { ...quick, children: childrenWith(leftConnection, settings), ...more },
    b: { livenessDelayMs: 0 },
  })
}

const up = (pair: Pair) =>
  pair.a.ike.status().flatMap(({ state, children }) => (state === 'established' ? children : []))
const traps = (pair: Pair) =>
  [...pair.xfrmA.policies.values()].filter(({ direction, action, templates }) => {
    return direction === 'out' && action === 'allow' && templates.length === 1
  })

/** The peer is away for `ms` and comes back without any memory. */
function loseMemory(pair: Pair, ms: number): void {
  pair.b.crash()
  pair.clock.advance(ms)
  pair.b.restart()
}

describe('a peer that is given up', () => {
  it.each([
    ['clear', 0, 0],
    ['trap', 0, 1],
  ] as const)('with dpdAction %s leaves %i CHILD_SAs and %i traps', (dpdAction, children, waiting) => {
    const pair = pairWith({ dpdAction })
    loseMemory(pair, 60_000)
    pair.clock.advance(60_000)
    expect(up(pair)).toHaveLength(children)
    expect(traps(pair)).toHaveLength(waiting)
  })

  it('with dpdAction restart is called again until it answers', () => {
    const pair = pairWith({ dpdAction: 'restart' }, { keyingTries: 0 })
    loseMemory(pair, 120_000)
    expect(pair.a.eventsOf('next-try').map(({ inMs }) => inMs)).toEqual([5_000, 10_000, 20_000, 40_000, 80_000])
    pair.clock.advance(120_000)
    expect(up(pair)).toHaveLength(1)
    expect(pair.b.ike.status()).toHaveLength(1)
  })

  it('with dpdAction restart is given up after keyingTries', () => {
    const pair = pairWith({ dpdAction: 'restart' }, { keyingTries: 3 })
    pair.b.crash()
    pair.clock.advance(900_000)
    expect(pair.a.eventsOf('next-try')).toHaveLength(2)
    expect(pair.a.eventsOf('ike-closed')).toHaveLength(1 + 3)
    expect(pair.a.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('lives as long as its ESP comes, although IKE is silent', () => {
    const pair = pairWith({ dpdAction: 'clear' })
    const asked = () => pair.a.eventsOf('message').filter((one) => one.direction === 'out' && !one.response).length
    const before = asked()
    pair.xfrmA.lastUsed = () => pair.clock.now - 1_000
    pair.clock.advance(60_000)
    expect(asked()).toBe(before)
    pair.xfrmA.lastUsed = () => -1
    pair.clock.advance(20_000)
    expect(asked()).toBeGreaterThan(before)
  })
})

describe('a CHILD_SA that the peer deletes', () => {
  it.each([
    ['none', 0, 0],
    ['trap', 0, 1],
    ['start', 1, 1],
  ] as const)('with closeAction %s leaves %i CHILD_SAs and %i outbound policies', (closeAction, children, policies) => {
    const pair = pairWith({ closeAction })
    const [sa] = pair.b.ike.status()
    pair.b.perform(pair.b.ike.deleteChild(sa!.sa.id, sa!.children[0]!.spiIn, pair.clock.now))
    pair.clock.advance(5_000)
    expect(up(pair)).toHaveLength(children)
    expect(traps(pair)).toHaveLength(policies)
  })

  it('together with its IKE_SA comes back on a new one', () => {
    const pair = pairWith({ closeAction: 'start' })
    pair.b.perform(pair.b.ike.deleteIke(pair.b.ikeSa.sa.id, pair.clock.now))
    pair.clock.advance(5_000)
    expect(up(pair)).toHaveLength(1)
  })

  it.each([['deleteChild'], ['deleteIke']] as const)(
    'again and again, with %s, as soon as it is up comes back after longer and longer',
    (how) => {
      const pair = pairWith({ closeAction: 'start' })
      const remove = () => {
        const [sa] = pair.b.ike.status().filter(({ children }) => children.length > 0)
        if (sa === undefined) return
        const id = sa.sa.id
        const end =
          how === 'deleteIke'
            ? pair.b.ike.deleteIke(id, pair.b.now)
            : pair.b.ike.deleteChild(id, sa.children[0]!.spiIn, pair.b.now)
        pair.b.perform(end)
      }
      for (let second = 0; second < 600; second++) {
        remove()
        pair.clock.advance(1_000)
      }
      expect(pair.a.eventsOf('next-try').map(({ inMs }) => inMs)).toEqual([
        5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000,
      ])
      expect(pair.a.eventsOf('child-established').length).toBeLessThan(12)
      pair.clock.advance(300_000)
      expect(up(pair)).toHaveLength(1)
    },
  )

  it('after it has stood for a while comes back at once, whatever was before', () => {
    const pair = pairWith({ closeAction: 'start' })
    for (let times = 0; times < 5; times++) {
      pair.b.perform(pair.b.ike.deleteIke(pair.b.ikeSa.sa.id, pair.b.now))
      // The second time it has to wait, because it ended soon twice.
      if (times !== 1) {
        pair.clock.advance(1_000)
        expect(up(pair)).toHaveLength(1)
      }
      if (times > 0) pair.clock.advance(70_000)
    }
  })

  it('stays down when we deleted it ourselves', () => {
    const pair = pairWith({ closeAction: 'start', dpdAction: 'restart' })
    pair.a.perform(pair.a.ike.deleteIke(pair.a.ikeSa.sa.id, pair.clock.now))
    pair.clock.advance(300_000)
    expect(up(pair)).toHaveLength(0)
    expect(pair.a.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('children that start by themselves', () => {
  const starting = (of: PskConnection) => childrenWith(of, { startAction: 'start' })

  it('are set up at the beginning', () => {
    const pair = makePair({ a: { children: starting(leftConnection) } })
    pair.a.begin()
    pair.clock.advance(1_000)
    expect(up(pair)).toHaveLength(1)
  })

  it('are tried for ever by default while the peer is away', () => {
    const pair = makePair({ a: { children: starting(leftConnection) } })
    pair.b.crash()
    pair.a.begin()
    pair.clock.advance(86_400_000)
    pair.b.restart()
    pair.clock.advance(700_000)
    expect(up(pair)).toHaveLength(1)
  })

  it('are not tried again when the peer refuses: it would refuse again', () => {
    const pair = makePair({ a: { children: starting(leftConnection) }, b: { psk: 'another' } })
    pair.a.begin()
    pair.clock.advance(3_600_000)
    expect(pair.a.eventsOf('ike-closed')).toHaveLength(1)
    expect(pair.a.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('wait for an address from which the peer is reached', () => {
    const { localAddress: _, ...anywhere } = leftConnection
    const network = new VirtualNetwork(new VirtualClock())
    const connections = [pskConnection({ ...anywhere, children: starting(leftConnection) })]
    const a = new VirtualPeer(network, { address: left, connections })
    const b = new VirtualPeer(network, { address: right, connections: [pskConnection(rightConnection)] })
    a.removeAddress(left)
    a.begin()
    network.clock.advance(60_000)
    expect(a.eventsOf('message')).toHaveLength(0)
    a.addAddress(left)
    network.clock.advance(100)
    expect(a.ikeSa.children).toHaveLength(1)
    expect(b.ikeSa.children).toHaveLength(1)
  })

  it('at both ends at once end with what carries the traffic, and quiet', () => {
    const pair = makePair({
      a: { children: starting(leftConnection), livenessDelayMs: 0 },
      b: { children: starting(rightConnection), livenessDelayMs: 0 },
    })
    pair.a.begin()
    pair.b.begin()
    pair.clock.advance(60_000)
    expect(up(pair).length).toBeGreaterThan(0)
    const messages = pair.a.eventsOf('message').length
    pair.clock.advance(20_000)
    expect(pair.a.eventsOf('message').length).toBe(messages)
  })
})

describe('a peer without an address', () => {
  it('is not called again when it was given up while a child was wanted of it', () => {
    const quick = { livenessDelayMs: 10_000, retransmit: { baseMs: 1_000, factor: 1, tries: 3 } }
    const { remoteAddress: _, ...waits } = rightConnection
    const pair = establishedPair({ bConnections: [{ ...waits, ...quick, keyingTries: 3 }] })
    pair.b.perform(pair.b.ike.initiate('branch', pair.b.now))
    pair.a.crash()
    pair.clock.advance(120_000)
    expect(pair.b.eventsOf('ike-closed')).toMatchObject([{ reason: 'timeout' }])
    expect(pair.b.eventsOf('next-try')).toEqual([])
    expect(pair.b.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('what we end ourselves', () => {
  it.each(['shut down', 'deleted'])('is not set up again when it is %s and the peer does not answer', (how) => {
    const pair = pairWith({ dpdAction: 'restart' }, { keyingTries: 0 })
    pair.b.crash()
    // The DELETE waits for the answer to this one, which does not come.
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.a.now))
    pair.a.perform(how === 'deleted' ? pair.a.ike.deleteIke(1, pair.a.now) : pair.a.ike.shutdown(pair.a.now))
    pair.clock.advance(600_000)
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([{ reason: 'local' }])
    expect([pair.a.ike.isIdle(), pair.a.ike.nextTimeoutAt()]).toEqual([true, Number.POSITIVE_INFINITY])
  })
})
