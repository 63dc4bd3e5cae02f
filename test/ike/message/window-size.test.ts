import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { establishedPair, leftConnection, makePair, type Pair, rightConnection } from '../support.ts'

const names = ['second', 'third', 'fourth', 'fifth']
const nets = (side: 1 | 2) =>
  names.map((name, i) => ({
    name,
    localTs: [`10.${side}${i}.0.0/16`],
    remoteTs: [`10.${3 - side}${i}.0.0/16`],
    espProposals: ['aes128gcm16'],
  }))
const withWindows = (ofA: number, ofB: number) => ({
  a: { windowSize: ofA, children: [...leftConnection.children, ...nets(1)] },
  b: { windowSize: ofB, children: [...rightConnection.children, ...nets(2)] },
})

const childrenOf = (peer: Pair['a']) => peer.ike.status().flatMap(({ children }) => children.map(({ name }) => name))
const all = ['net', ...names].sort()

function createAll({ a, clock }: Pair): void {
  for (const name of names) a.perform(a.ike.createChild(1, name, clock.now))
}

/** Requests that were sent at this moment of the clock. */
const requestIdsOf = (peer: Pair['a'], exchange = 'CREATE_CHILD_SA') =>
  peer
    .eventsOf('message')
    .filter((event) => event.direction === 'out' && !event.response && event.exchange === exchange)
    .map(({ messageId }) => messageId)

describe('SET_WINDOW_SIZE', () => {
  it('is told in IKE_AUTH by either side that has a window above one', () => {
    const pair = establishedPair(withWindows(3, 5))
    const told = pair.a
      .eventsOf('message')
      .filter(({ exchange }) => exchange === 'IKE_AUTH')
      .map(({ payloads }) => payloads.includes('N(SET_WINDOW_SIZE)'))
    expect(told).toEqual([true, true])
  })

  it('is not told with a window of one, and exchanges go one after the other', () => {
    const pair = establishedPair(withWindows(1, 1))
    createAll(pair)
    expect(requestIdsOf(pair.a)).toEqual([2])
    pair.clock.advance(1000)
    expect([childrenOf(pair.a).sort(), childrenOf(pair.b).sort()]).toEqual([all, all])
    const payloads = [...pair.a.eventsOf('message'), ...pair.b.eventsOf('message')].flatMap((event) => event.payloads)
    expect(payloads).not.toContain('N(SET_WINDOW_SIZE)')
  })

  it("lets as many requests go side by side as the peer's window takes", () => {
    const pair = establishedPair(withWindows(1, 3))
    createAll(pair)
    expect(requestIdsOf(pair.a)).toEqual([2, 3, 4])
    pair.clock.advance(1000)
    expect(requestIdsOf(pair.a)).toEqual([2, 3, 4, 5])
    expect([childrenOf(pair.a).sort(), childrenOf(pair.b).sort()]).toEqual([all, all])
  })

  it('requests that arrive in the opposite order are each answered at once', () => {
    const pair = establishedPair(withWindows(1, 4))
    let delayMs = 100
    pair.network.path = (datagram) => {
      delayMs -= 10
      return [{ ...datagram, delayMs: Math.max(0, delayMs) }]
    }
    createAll(pair)
    pair.clock.advance(150)
    expect([childrenOf(pair.a).sort(), childrenOf(pair.b).sort()]).toEqual([all, all])
    expect(pair.a.eventsOf('retransmit')).toEqual([])
  })

  it('of several requests only the lost one is sent again', () => {
    const pair = establishedPair(withWindows(1, 4))
    let count = 0
    pair.network.path = (datagram) => (count++ === 1 ? [] : [datagram])
    createAll(pair)
    pair.clock.advance(1000)
    expect(childrenOf(pair.a)).toHaveLength(4)
    pair.clock.advance(4000)
    expect(pair.a.eventsOf('retransmit').map(({ messageId }) => messageId)).toEqual([3])
    expect([childrenOf(pair.a).sort(), childrenOf(pair.b).sort()]).toEqual([all, all])
  })

  it('a lost response inside the window is given again', () => {
    const pair = establishedPair(withWindows(1, 4))
    let count = 0
    pair.network.path = (datagram) => (count++ === 4 ? [] : [datagram])
    createAll(pair)
    pair.clock.advance(5000)
    expect([childrenOf(pair.a).sort(), childrenOf(pair.b).sort()]).toEqual([all, all])
    expect(pair.xfrmB.states.size).toBe(10)
  })

  it('the DELETE of the IKE_SA waits for all that is under way', () => {
    const pair = establishedPair(withWindows(1, 4))
    createAll(pair)
    pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
    expect(requestIdsOf(pair.a, 'INFORMATIONAL')).toEqual([])
    pair.clock.advance(1000)
    expect(requestIdsOf(pair.a, 'INFORMATIONAL')).toEqual([6])
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
    expect([pair.xfrmA.states.size, pair.xfrmB.states.size]).toEqual([0, 0])
  })

  it('comes to the same SAs under loss, doubling and disorder as without', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const pair = makePair(withWindows(4, 4))
      pair.a.initiate('office')
      pair.clock.advance(1000)
      const random = seededRandom(`disorder ${seed}`)
      const dice = () => random(1)[0]! / 256
      pair.network.path = (datagram) =>
        dice() < 0.2
          ? []
          : [datagram, ...(dice() < 0.2 ? [datagram] : [])].map((one) => ({ ...one, delayMs: dice() * 500 }))
      createAll(pair)
      pair.clock.advance(120_000)
      expect([seed, childrenOf(pair.a).sort(), childrenOf(pair.b).sort()]).toEqual([seed, all, all])
      expect([pair.xfrmA.states.size, pair.xfrmB.states.size]).toEqual([10, 10])
    }
  })
})
