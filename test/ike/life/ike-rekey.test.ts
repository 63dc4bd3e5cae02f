import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { establishedPair, leftConnection, type Pair, rightConnection } from '../support.ts'

const sides = ['a', 'b'] as const
const otherOf = { a: 'b', b: 'a' } as const

/** Suits both ends of a pair. */
const withProposals = (ofA: string, ofB = ofA) => ({
  a: { proposals: [ofA] },
  b: { proposals: [ofB] },
  crypto: nodeProvider,
})

function rekey(pair: Pair, side: 'a' | 'b'): void {
  const peer = pair[side]
  peer.perform(peer.ike.rekeyIke(peer.ikeSa.sa.id, peer.now))
}

/** One IKE_SA on each side, the same one, with the same CHILD_SAs, which are all that xfrm has. */
function expectAgreement(pair: Pair): void {
  const [a, b] = [pair.a.status(), pair.b.status()]
  expect(a.map(({ state }) => state)).toEqual(['established'])
  expect(b.map(({ SPIi, SPIr, state }) => [SPIi, SPIr, state])).toEqual(
    a.map(({ SPIi, SPIr, state }) => [SPIi, SPIr, state]),
  )
  const spisOf = (sas: typeof a) => sas.flatMap(({ children }) => children.map(({ spiIn, spiOut }) => [spiIn, spiOut]))
  expect(spisOf(b)).toEqual(spisOf(a).map(([spiIn, spiOut]) => [spiOut, spiIn]))
  for (const xfrm of [pair.xfrmA, pair.xfrmB]) {
    expect([xfrm.larval.size, xfrm.states.size]).toEqual([0, 2 * spisOf(a).length])
  }
}

describe('rekeying the IKE_SA', () => {
  it.each(sides)('from side %s replaces SPIs and keys, and leaves id and CHILD_SAs as they are', (side) => {
    const pair = establishedPair()
    const [before] = pair[side].status()
    const calls = [pair.xfrmA.calls.length, pair.xfrmB.calls.length]
    rekey(pair, side)
    pair.clock.advance(1000)
    expectAgreement(pair)
    const after = pair[side].ikeSa
    expect(after).toMatchObject({ sa: before!.sa, role: 'initiator', children: before!.children })
    expect(pair[otherOf[side]].ikeSa.role).toBe('responder')
    expect([after.SPIi, after.SPIr]).not.toContain(before!.SPIi)
    expect([pair.xfrmA.calls.length, pair.xfrmB.calls.length]).toEqual(calls)
  })

  it.each(sides)('from side %s is told on both sides, and nothing is told to end', (side) => {
    const pair = establishedPair()
    const { SPIi, SPIr } = pair[side].ikeSa
    rekey(pair, side)
    pair.clock.advance(1000)
    for (const peer of [pair.a, pair.b]) {
      expect(peer.eventsOf('ike-rekeyed')).toMatchObject([{ sa: { id: 1 }, old: { SPIi, SPIr } }])
      expect(peer.eventsOf('ike-rekeyed')[0]!.details).toEqual({ ...peer.ikeSa, children: expect.any(Array) })
      expect([...peer.eventsOf('ike-closed'), ...peer.eventsOf('child-closed'), ...peer.eventsOf('refused')]).toEqual(
        [],
      )
      expect(peer.eventsOf('ike-established')).toHaveLength(1)
    }
  })

  it('begins the message ids anew, and the one who asked deletes the old one', () => {
    const pair = establishedPair()
    rekey(pair, 'b')
    pair.clock.advance(1000)
    pair.b.perform(pair.b.ike.deleteChild(1, pair.b.ikeSa.children[0]!.spiIn, pair.b.now))
    pair.clock.advance(1000)
    const requests = [...pair.a.eventsOf('message'), ...pair.b.eventsOf('message')]
      .filter(({ direction, response, exchange }) => direction === 'out' && !response && exchange !== 'IKE_SA_INIT')
      .map(({ exchange, messageId, payloads }) => [exchange, messageId, payloads.join()])
    expect(requests).toEqual([
      ['IKE_AUTH', 1, expect.any(String)],
      ['CREATE_CHILD_SA', 0, 'SA,Ni,KE'],
      ['INFORMATIONAL', 1, 'D'],
      ['INFORMATIONAL', 0, 'D'],
    ])
  })

  it('goes on for generations, from either side', () => {
    const pair = establishedPair()
    for (let generation = 0; generation < 6; generation++) {
      rekey(pair, sides[generation % 2]!)
      pair.clock.advance(1000)
      expectAgreement(pair)
    }
    for (const peer of [pair.a, pair.b]) expect(peer.eventsOf('ike-rekeyed')).toHaveLength(6)
    pair.a.perform(pair.a.ike.shutdown(pair.a.now))
    pair.clock.advance(1000)
    for (const peer of [pair.a, pair.b]) expect([peer.status(), peer.ike.nextTimeoutAt()]).toEqual([[], Infinity])
  })

  it.each([
    'aes128gcm16-prfsha256-modp2048',
    'aes256gcm16-prfsha384-ecp384',
    'aes256-sha512-prfsha512-ecp521',
    'aes128-sha256-prfsha256-ecp256',
    'chacha20poly1305-prfsha256-curve25519',
  ])('with %s', (proposal) => {
    const pair = establishedPair(withProposals(proposal))
    rekey(pair, 'a')
    pair.clock.advance(1000)
    expectAgreement(pair)
    rekey(pair, 'b')
    pair.clock.advance(1000)
    expectAgreement(pair)
    expect(pair.a.ikeSa.suite).toBe(pair.b.ikeSa.suite)
  })

  it('begins with the group that the peer took before', () => {
    const pair = establishedPair(withProposals('aes128gcm16-prfsha256-x25519-ecp256', 'aes128gcm16-prfsha256-ecp256'))
    rekey(pair, 'a')
    pair.clock.advance(1000)
    expectAgreement(pair)
    const answers = pair.a.eventsOf('message').filter(({ payloads }) => payloads.includes('N(INVALID_KE_PAYLOAD)'))
    expect(answers.map(({ exchange }) => exchange)).toEqual(['IKE_SA_INIT'])
  })

  it('keeps what waited: a CHILD_SA asked for meanwhile comes up on the new one', () => {
    const second = { name: 'second', espProposals: ['aes128gcm16-x25519'] }
    const pair = establishedPair({
      a: { children: [...leftConnection.children, { ...second, localTs: ['10.3.0.0/16'], remoteTs: ['10.4.0.0/16'] }] },
      b: {
        children: [...rightConnection.children, { ...second, localTs: ['10.4.0.0/16'], remoteTs: ['10.3.0.0/16'] }],
      },
    })
    rekey(pair, 'a')
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.a.now))
    pair.clock.advance(1000)
    expectAgreement(pair)
    expect(pair.a.ikeSa.children.map(({ name }) => name)).toEqual(['net', 'second'])
  })

  it.each(sides)('from side %s again and again without a DELETE leaves no more than some of the old ones', (side) => {
    const pair = establishedPair()
    pair.network.drop({ from: pair[side], exchange: 'INFORMATIONAL', payload: 'D' })
    for (let times = 0; times < 40; times++) {
      rekey(pair, side)
      pair.clock.advance(1_000)
    }
    expect(pair[side].eventsOf('ike-rekeyed')).toHaveLength(40)
    expect(pair[otherOf[side]].status()).toHaveLength(17)
    expect(pair[side].status()).toHaveLength(17)
  })

  it('asked for twice happens once', () => {
    const pair = establishedPair()
    rekey(pair, 'a')
    rekey(pair, 'a')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
  })

  it.each(['a', 'b', 'both'])(
    'asked for by both ends at once, with %s shut down before it is decided, ends everything',
    (who) => {
      const pair = establishedPair()
      rekey(pair, 'a')
      rekey(pair, 'b')
      // Of a way that takes 5 ms: the requests have crossed, the answers are under way.
      pair.clock.advance(6)
      for (const side of sides) {
        if (who === side || who === 'both') pair[side].perform(pair[side].ike.shutdown(pair[side].now))
      }
      pair.clock.advance(120_000)
      for (const peer of [pair.a, pair.b]) expect([peer.status(), peer.ike.nextTimeoutAt()]).toEqual([[], Infinity])
      for (const xfrm of [pair.xfrmA, pair.xfrmB]) expect([xfrm.larval.size, xfrm.states.size]).toEqual([0, 0])
    },
  )
})
