import { describe, expect, it } from 'vitest'
import { leftConnection, makePair, type Pair } from '../support.ts'

const trapped = leftConnection.children.map((child) => ({ ...child, startAction: 'trap' as const }))
const narrow = (name: string, localTs: string) => ({
  name,
  localTs: [localTs],
  remoteTs: ['10.1.0.0/16'],
  espProposals: ['aes128gcm16'],
})

function trapPair(changes: Parameters<typeof makePair>[0] = {}): Pair & { acquire: () => void; reqid: number } {
  const pair = makePair({ ...changes, a: { children: trapped, ...changes.a } })
  pair.a.begin()
  const [trap] = [...pair.xfrmA.policies.values()]
  const { reqid } = trap!.templates[0]!
  const acquire = () =>
    pair.a.perform(pair.a.ike.acquire({ policyIndex: trap!.index, reqid, packet: trap!.selector }, pair.clock.now))
  return { ...pair, acquire, reqid }
}

const childrenOf = (pair: Pair) => pair.a.ike.status().flatMap(({ children }) => children)
const actionsOf = (pair: Pair) =>
  [...pair.xfrmA.policies.values()].map(({ direction, action }) => `${direction} ${action}`)

describe('a trap', () => {
  it('whose peer agrees to less makes one CHILD_SA, however often packets for the rest come', () => {
    const pair = trapPair({ b: { children: [narrow('net', '10.2.3.0/24')] } })
    for (let i = 0; i < 5; i++) {
      pair.acquire()
      pair.clock.advance(30_000)
    }
    expect(childrenOf(pair)).toMatchObject([{ reqid: pair.reqid, remoteTs: ['10.2.3.0/24'] }])
    expect(pair.xfrmB.states.size).toBe(2)
  })

  it('blocks while a CHILD_SA has its reqid: what the peer did not agree to must not leave through it', () => {
    const pair = trapPair({ b: { children: [narrow('net', '10.2.3.0/24')] } })
    const before = [...pair.xfrmA.policies.values()]
    pair.acquire()
    pair.clock.advance(1000)
    expect(actionsOf(pair)).toEqual(['out block', 'out allow', 'in allow', 'fwd allow'])
    pair.a.perform(pair.a.ike.deleteChild(1, childrenOf(pair)[0]!.spiIn, pair.clock.now))
    pair.clock.advance(1000)
    expect([...pair.xfrmA.policies.values()]).toEqual(before)
  })

  it('whose peer is slow to answer makes one CHILD_SA', () => {
    const pair = trapPair()
    pair.network.path = () => []
    for (let i = 0; i < 3; i++) {
      pair.acquire()
      pair.clock.advance(3_000)
    }
    pair.network.path = (datagram) => [datagram]
    pair.clock.advance(60_000)
    expect(childrenOf(pair)).toHaveLength(1)
  })

  it('asks once on an IKE_SA that stands, too', () => {
    const pair = trapPair()
    pair.b.initiate('branch')
    pair.clock.advance(1000)
    pair.a.perform(pair.a.ike.deleteChild(1, childrenOf(pair)[0]!.spiIn, pair.clock.now))
    pair.clock.advance(1000)
    for (let i = 0; i < 3; i++) pair.acquire()
    pair.clock.advance(1000)
    expect(childrenOf(pair)).toHaveLength(1)
  })

  it.each(['%any', '*.example.org'])('of a peer that may be %s gives its CHILD_SA its reqid', (remoteId) => {
    const pair = trapPair({ a: { remoteId } })
    pair.acquire()
    pair.clock.advance(1000)
    expect(childrenOf(pair)).toMatchObject([{ reqid: pair.reqid }])
  })

  it('gives its reqid to one set of selectors at a time', () => {
    const pair = trapPair({ b: { children: [narrow('net', '10.2.3.0/24'), narrow('more', '10.2.4.0/24')] } })
    pair.acquire()
    pair.clock.advance(1000)
    pair.b.initiate('branch', 'more')
    pair.clock.advance(1000)
    const [first, second] = childrenOf(pair)
    expect([first!.name, second!.name]).toEqual(['net', 'net'])
    expect([first!.remoteTs, second!.remoteTs]).toEqual([['10.2.3.0/24'], ['10.2.4.0/24']])
    expect(first!.reqid).toBe(pair.reqid)
    expect(second!.reqid).not.toBe(pair.reqid)
  })

  it('is installed once', () => {
    const pair = trapPair()
    pair.a.begin()
    expect(pair.xfrmA.policies.size).toBe(1)
    pair.acquire()
    pair.clock.advance(1000)
    expect(childrenOf(pair)).toMatchObject([{ reqid: pair.reqid }])
  })
})
