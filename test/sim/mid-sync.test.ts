import { afterEach, describe, expect, it, vi } from 'vitest'
import { LINGER_MS } from '../../src/ike/child/child-sa.ts'
import { NotifyType } from '../../src/ike/codec/index.ts'
import { notify } from '../../src/ike/message/notifies.ts'
import { simulationProvider } from '../../src/testing/simulation-provider.ts'
import type { VirtualPeer } from '../../src/testing/virtual-peer.ts'
import { alterPayloads } from '../ike/alter.ts'
import { establishedPair, left, leftConnection, type Pair, right, rightConnection } from '../ike/support.ts'

/**
 * The situations in which a cluster member takes an IKE_SA over, from RFC 6311 §5.1: `a` is the cluster, whose new member knows
 * message ids that are behind, right or ahead; `b` is its peer. What follows is asked of both: further exchanges by either.
 */

afterEach(() => vi.restoreAllMocks())

/** Before the failover: the id of the next request of each. */
const NEXT = { ofA: 5, ofB: 3 }
/** What the new member believes, less what is true. */
const errors = [-1, 0, 1]
const nine = errors.flatMap((sent) => errors.map((received) => [sent, received] as const))

const bothWays = (pair: Pair) => [
  [pair.a, pair.b],
  [pair.b, pair.a],
]

/** An IKE_SA with some exchanges of each behind it. */
function established(changes: Parameters<typeof establishedPair>[0] = {}): Pair {
  const pair = establishedPair(changes)
  for (let i = 0; i < 3; i++) {
    ask(pair, pair.a)
    ask(pair, pair.b)
  }
  expect([nextOf(pair.a), nextOf(pair.b)]).toEqual([NEXT.ofA, NEXT.ofB])
  return pair
}

const childrenOf = (peer: VirtualPeer) => peer.ike.status()[0]!.children.length
const nameOf = ({ ike }: VirtualPeer) => ike.status()[0]!.children[0]!.name

/** One exchange of `peer` that comes to its end: a further CHILD_SA, and the same number of them at both ends. */
function ask(pair: Pair, peer: VirtualPeer): void {
  const before = childrenOf(peer)
  peer.perform(peer.ike.createChild(1, nameOf(peer), pair.clock.now))
  pair.clock.advance(100)
  expect([childrenOf(pair.a), childrenOf(pair.b)]).toEqual([before + 1, before + 1])
}

/** The id of the next request, from the last one that got its response. */
function nextOf(peer: VirtualPeer): number {
  const requests = peer.eventsOf('message').filter(({ direction, response }) => direction === 'out' && !response)
  return Math.max(-1, ...requests.map(({ messageId }) => messageId)) + 1
}

const agreedOf = (peer: VirtualPeer) =>
  peer.eventsOf('message-ids-agreed').map(({ nextSent, nextReceived }) => [nextSent, nextReceived])

function takeOver(pair: Pair, [sent, received]: readonly [number, number], replayDelta = 0): void {
  const known = { sent: NEXT.ofA + sent, received: NEXT.ofB + received }
  pair.a.perform(pair.a.ike.tookOver(1, pair.clock.now, { known, replayDelta }))
}

/** Both ends count alike, and above what either has used. */
function expectInStep(pair: Pair): void {
  const [ofA, ofB] = [agreedOf(pair.a).at(-1)!, agreedOf(pair.b).at(-1)!]
  expect(ofA).toEqual([...ofB].reverse())
  expect(ofA[0]).toBeGreaterThanOrEqual(NEXT.ofA)
  expect(ofA[1]).toBeGreaterThanOrEqual(NEXT.ofB)
  const counts = [pair.a.eventsOf('retransmit').length, pair.b.eventsOf('retransmit').length]
  for (const [peer] of bothWays(pair)) for (let i = 0; i < 2; i++) ask(pair, peer!)
  expect([pair.a.eventsOf('retransmit').length, pair.b.eventsOf('retransmit').length]).toEqual(counts)
  // One that was deleted beside others takes packets a little longer.
  pair.clock.advance(LINGER_MS)
  const inbound = [pair.xfrmA, pair.xfrmB].map(({ states }) =>
    [...states.values()].filter(({ direction }) => direction === 'in'),
  )
  expect(inbound.map(({ length }) => length)).toEqual([childrenOf(pair.a), childrenOf(pair.b)])
}

const isFrom = (datagram: { from: { address: Uint8Array } }, text: string) => datagram.from.address.join('.') === text

describe('a member that takes over', () => {
  it.each(nine)('and is wrong by %i in what was sent, by %i in what was received, agrees with its peer', (...wrong) => {
    const pair = established()
    takeOver(pair, wrong)
    pair.clock.advance(100)
    expect(agreedOf(pair.a)).toEqual([[NEXT.ofA + wrong[0] + 1, NEXT.ofB + Math.max(0, wrong[1])]])
    expectInStep(pair)
  })

  it.each(nine)('and is wrong by %i and %i, asks again when the answer is lost', (...wrong) => {
    const pair = established()
    let count = 0
    pair.network.path = (datagram) => (isFrom(datagram, right) && count++ === 0 ? [] : [datagram])
    takeOver(pair, wrong)
    pair.clock.advance(5000)
    expect(pair.a.eventsOf('retransmit')).toHaveLength(1)
    expect([agreedOf(pair.a).length, agreedOf(pair.b).length]).toEqual([1, 2])
    expectInStep(pair)
  })

  it.each(nine)('and is wrong by %i and %i: what it sent, repeated by others, changes nothing', (...wrong) => {
    const pair = established()
    const from = pair.network.sent.length
    takeOver(pair, wrong)
    pair.clock.advance(100)
    const [request, response] = pair.network.sent.slice(from) as [never, never]
    const replay = () => {
      pair.network.send(request)
      pair.network.send(response)
      pair.clock.advance(100)
    }
    // At once the response may have been lost: it is given again, and still nothing changes.
    replay()
    expect(pair.network.sent.length).toBe(from + 2 + 2 + 1)
    ask(pair, pair.a)
    const before = pair.network.sent.length
    replay()
    expect(pair.network.sent.length).toBe(before + 2)
    expect([agreedOf(pair.a).length, agreedOf(pair.b).length]).toEqual([1, 1])
    expectInStep(pair)
  })

  it.each(nine)('and is wrong by %i and %i, gets no answer of a peer that does not do this', (...wrong) => {
    // The peer's support is invented on the way: it is not known to the peer itself.
    alterPayloads((header, payloads) =>
      header.exchangeType === 35 && header.flags.response
        ? [...payloads, notify(NotifyType.IKEV2_MESSAGE_ID_SYNC_SUPPORTED)]
        : payloads,
    )
    const pair = established({ b: { messageIdSync: false, livenessDelayMs: 0 } })
    takeOver(pair, wrong)
    pair.clock.advance(100)
    expect([agreedOf(pair.a), agreedOf(pair.b)]).toEqual([[], []])
    expect(pair.b.eventsOf('dropped').at(-1)).toMatchObject({ reason: 'bad-message-id', detail: 'message id 0' })
    pair.clock.advance(400_000)
    expect(pair.a.ike.status()).toEqual([])
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([{ reason: 'timeout' }])
    expect(pair.b.ike.status()).toHaveLength(1)
  })

  it.each([2, 3, 6])('and knows %i requests too few, is not heard until it asks with a higher id', (few) => {
    const pair = established()
    takeOver(pair, [-few, 0])
    pair.clock.advance(100)
    expect([agreedOf(pair.a), agreedOf(pair.b)]).toEqual([[], []])
    expect(pair.b.eventsOf('dropped').at(-1)).toMatchObject({ reason: 'bad-message-id' })
    pair.clock.advance(100_000)
    expectInStep(pair)
  })

  it.each([-3, -1, 0, 1, 4])('and expects a request that is %i from the next, hears the higher of the two', (wrong) => {
    const pair = established()
    takeOver(pair, [0, wrong])
    pair.clock.advance(100)
    expect(agreedOf(pair.b)).toEqual([[NEXT.ofB + Math.max(0, wrong), NEXT.ofA + 1]])
    expectInStep(pair)
  })
})

describe('an exchange that is under way when a member takes over', () => {
  const eight = (['cluster', 'peer'] as const).flatMap((asks) =>
    (['request', 'response'] as const).flatMap((lost) => [0, 1].map((behind) => [asks, lost, behind] as const)),
  )

  it.each(eight)('begun by the %s, its %s lost, the member %i behind: comes to its end', (asks, lost, behind) => {
    const pair = established()
    const peer = asks === 'cluster' ? pair.a : pair.b
    const loser = (asks === 'cluster') === (lost === 'request') ? left : right
    pair.network.path = (datagram) => (isFrom(datagram, loser) ? [] : [datagram])
    const before = childrenOf(pair.a)
    peer.perform(peer.ike.deleteChild(1, peer.ike.status()[0]!.children[0]!.spiIn, pair.clock.now))
    pair.clock.advance(100)
    pair.network.path = (datagram) => [datagram]
    takeOver(pair, [asks === 'cluster' ? 1 - behind : 0, -behind])
    pair.clock.advance(100)
    expect([childrenOf(pair.a), childrenOf(pair.b)]).toEqual([before - 1, before - 1])
    const ids = peer.eventsOf('message').filter(({ direction, response }) => direction === 'out' && !response)
    expect(ids.at(-1)!.messageId).toBeGreaterThan(peer === pair.a ? NEXT.ofA - 1 : NEXT.ofB - 1)
    expectInStep(pair)
  })
})

describe('both ends that take over at once', () => {
  it('agree on what is the higher of both', () => {
    const pair = established()
    takeOver(pair, [0, -1])
    const known = { sent: NEXT.ofB - 1, received: NEXT.ofA }
    pair.b.perform(pair.b.ike.tookOver(1, pair.clock.now, { known }))
    pair.clock.advance(10_000)
    for (const [peer] of bothWays(pair)) for (let i = 0; i < 2; i++) ask(pair, peer!)
  })
})

describe('a peer that names the last message ids of all', () => {
  // Ours would wrap before a rekeying and its DELETE are through. RFC 7296 §2.2.
  it.each([4, 8])('in octet %i is not followed', (at) => {
    const pair = established()
    alterPayloads((_, payloads) =>
      payloads.map((payload) => {
        if (payload.kind !== 'N' || payload.notify !== NotifyType.IKEV2_MESSAGE_ID_SYNC) return payload
        const data = payload.data.slice()
        data.fill(0xff, at, at + 4)
        return { ...payload, data }
      }),
    )
    takeOver(pair, [0, 0])
    pair.clock.advance(1_000)
    expect([agreedOf(pair.a), agreedOf(pair.b)]).toEqual([[], []])
    expect(pair.b.eventsOf('dropped').at(-1)?.reason).toBe('bad-message-id')
  })
})

describe('requests while message ids are being agreed on', () => {
  it('wait', () => {
    const pair = established()
    takeOver(pair, [0, 0])
    const sent = pair.network.sent.length
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    expect(pair.network.sent.length).toBe(sent)
    pair.clock.advance(100)
    expect(childrenOf(pair.b)).toBe(childrenOf(pair.a))
    expectInStep(pair)
  })
})

describe('an IKE_SA that is replaced while message ids are being agreed on', () => {
  const isSync = { payload: 'N(IKEV2_MESSAGE_ID_SYNC)' }

  function expectReplaced(pair: Pair): void {
    for (const peer of [pair.a, pair.b]) {
      expect(peer.eventsOf('ike-rekeyed')).toHaveLength(1)
      expect(peer.ike.status().map(({ state }) => state)).toEqual(['established'])
      expect(childrenOf(peer)).toBe(1)
      expect(peer.eventsOf('refused')).toEqual([])
    }
  }

  it('is deleted when they are, though the question was lost once', () => {
    const pair = establishedPair()
    pair.a.perform(pair.a.ike.rekeyIke(1, pair.clock.now))
    const lost = pair.network.drop(isSync, { times: 1 })
    pair.a.perform(pair.a.ike.tookOver(1, pair.clock.now))
    pair.clock.advance(10_000)
    expect(lost.hits).toBe(1)
    expectReplaced(pair)
  })

  it('is given up when nobody answers and the DELETE does not come', () => {
    const pair = establishedPair()
    pair.b.perform(pair.b.ike.rekeyIke(1, pair.clock.now))
    pair.network.drop(isSync)
    pair.network.drop({ from: pair.b, payload: 'D' })
    pair.a.perform(pair.a.ike.tookOver(1, pair.clock.now))
    pair.clock.advance(600_000)
    expectReplaced(pair)
  })
})

describe('a failover at any moment', () => {
  const ends = ['a', 'b'] as const
  type Who = readonly ('a' | 'b')[]
  const whos: readonly Who[] = [['a'], ['b'], ends]
  const moments = [0, 6, 10]
  const cases = whos.flatMap((askers) =>
    whos.map((takers) => [askers.join('+'), takers.join('+'), askers, takers] as const),
  )

  /** `what` is begun by the one, the other or both; some ms later one of them or both take over. */
  function play(askers: Who, takers: Who, at: number, what: (peer: VirtualPeer) => void): Pair {
    const pair = establishedPair({ crypto: simulationProvider })
    for (const end of askers) what(pair[end])
    pair.clock.advance(at)
    for (const end of takers) pair[end].perform(pair[end].ike.tookOver(1, pair.clock.now))
    pair.clock.advance(400_000)
    return pair
  }

  function expectOne(pair: Pair, children: number): void {
    const status = ends.map((end) => pair[end].ike.status().map(({ state, SPIi }) => [state, SPIi]))
    expect(status[0]).toMatchObject([['established', expect.anything()]])
    expect(status[1]).toEqual(status[0])
    expect([childrenOf(pair.a), childrenOf(pair.b)]).toEqual([children, children])
    for (const end of ends) ask(pair, pair[end])
  }

  it.each(cases)('while %s rekeys the IKE_SA and %s takes over: both go on with one', (_a, _t, askers, takers) => {
    for (const at of moments) {
      expectOne(
        play(askers, takers, at, (peer) => peer.perform(peer.ike.rekeyIke(1, peer.now))),
        1,
      )
    }
  })

  it.each(cases)('while %s makes a CHILD_SA and %s takes over: each stands at both', (_a, _t, askers, takers) => {
    for (const at of moments) {
      expectOne(
        play(askers, takers, at, (peer) => peer.perform(peer.ike.createChild(1, nameOf(peer), peer.now))),
        1 + askers.length,
      )
    }
  })

  it.each(cases)('while %s rekeys a CHILD_SA and %s takes over: both have the same one', (_a, _t, askers, takers) => {
    for (const at of moments) {
      const rekey = (peer: VirtualPeer) =>
        peer.perform(peer.ike.rekeyChild(1, peer.ike.status()[0]!.children[0]!.spiIn, peer.now))
      expectOne(play(askers, takers, at, rekey), 1)
    }
  })
})

describe('sequence numbers of ESP', () => {
  it.each([5, 0x1_0000_0005])('are left out as many as the member asks for: %i', (delta) => {
    const suite = delta > 0xffff_ffff ? 'aes128gcm16-esn' : 'aes128gcm16'
    const [ofA, ofB] = [leftConnection, rightConnection].map((settings) => ({
      children: settings.children.map((child) => ({ ...child, espProposals: [suite] })),
    }))
    const pair = establishedPair({ a: ofA!, b: ofB! })
    pair.a.perform(pair.a.ike.tookOver(1, pair.clock.now, { replayDelta: delta }))
    pair.clock.advance(100)
    const { spiOut } = pair.b.ike.status()[0]!.children[0]!
    expect([...pair.xfrmB.skipped]).toEqual([[spiOut, delta]])
    expect(pair.xfrmA.skipped.size).toBe(0)
  })
})

describe('an endpoint whose peer cannot', () => {
  it('is told so when it takes over', () => {
    const pair = establishedPair({ b: { messageIdSync: false } })
    expect(() => pair.a.ike.tookOver(1, pair.clock.now)).toThrow('cannot synchronise')
  })
})

describe('message ids that come to their end', () => {
  const jumpTo = (pair: Pair, sent: number) => {
    pair.a.perform(pair.a.ike.tookOver(1, pair.clock.now, { known: { sent, received: 0 } }))
    pair.clock.advance(1000)
  }

  it('have the IKE_SA rekeyed while some are left, and count from 0 again', () => {
    const pair = establishedPair()
    jumpTo(pair, 0xff00_0000)
    expect([pair.a.eventsOf('ike-rekeyed').length, pair.b.eventsOf('ike-rekeyed').length]).toEqual([1, 1])
    ask(pair, pair.a)
    expect(pair.a.eventsOf('message').at(-1)!.messageId).toBeLessThan(5)
  })

  it('end it when the peer does not rekey', () => {
    const pair = establishedPair()
    alterPayloads(({ exchangeType, flags }, payloads) =>
      exchangeType === 36 && !flags.response
        ? [...payloads, { kind: 'unknown', critical: true, type: 200, data: new Uint8Array(0) }]
        : payloads,
    )
    jumpTo(pair, 0xffff_ff00)
    const reasons = [pair.a, pair.b].flatMap((peer) => peer.eventsOf('ike-closed').map(({ reason }) => reason))
    // Both see it coming, and their DELETEs cross.
    expect(reasons).toEqual(['peer', 'peer'])
  })
})
