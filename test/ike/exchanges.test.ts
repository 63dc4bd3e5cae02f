import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/address.ts'
import { RecordingXfrm } from '../../src/testing/recording-xfrm.ts'
import { establishedPair, left, leftConnection, makePair, right, rightConnection } from './support.ts'

const second = (config: typeof leftConnection, local: string, remote: string, proposal = 'aes128gcm16') => [
  ...config.children,
  { name: 'second', localTs: [local], remoteTs: [remote], espProposals: [proposal] },
]

const withSecond = (ofA = 'aes128gcm16', ofB = ofA) => ({
  a: { children: second(leftConnection, '10.3.0.0/16', '10.4.0.0/16', ofA) },
  b: { children: second(rightConnection, '10.4.0.0/16', '10.3.0.0/16', ofB) },
})

describe('CREATE_CHILD_SA', () => {
  it('makes a further CHILD_SA with its own reqid and keys', () => {
    const pair = establishedPair(withSecond())
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1000)
    const [sa] = pair.a.ike.status()
    expect(sa!.children.map(({ name }) => name)).toEqual(['net', 'second'])
    expect(new Set(sa!.children.map(({ reqid }) => reqid)).size).toBe(2)
    const keys = [...pair.xfrmA.states.values()].map(({ encr }) => encr.key.join())
    expect(new Set(keys).size).toBe(4)
  })

  it('works in the other direction, on the same IKE_SA', () => {
    const pair = establishedPair(withSecond())
    pair.b.initiate('branch', 'second')
    pair.clock.advance(1000)
    expect(pair.b.ike.status()).toHaveLength(1)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(2)
  })

  it('waits for the IKE_SA that is being set up, instead of making another', () => {
    const pair = makePair(withSecond())
    pair.a.initiate('office', 'net')
    pair.a.initiate('office', 'second')
    pair.clock.advance(1000)
    expect(pair.a.ike.status().map(({ children }) => children.map(({ name }) => name))).toEqual([['net', 'second']])
    expect(pair.b.ike.status()).toHaveLength(1)
  })

  it('makes a fresh key exchange, with a retry when the peer wants another group', () => {
    const pair = establishedPair(withSecond('aes128gcm16-x25519-ecp256', 'aes128gcm16-ecp256'))
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children[1]!.suite).toBe('aes128gcm16-ecp256')
    const [inbound] = [...pair.xfrmB.states.values()].slice(-2)
    expect(pair.xfrmA.states.get(RecordingXfrm.keyOf(inbound!))!.encr).toEqual(inbound!.encr)
  })

  it('does not come up when its DELETE overtook the answer', () => {
    const pair = establishedPair(withSecond())
    // The answer to CREATE_CHILD_SA is lost; the peer deletes the new CHILD_SA before it is asked again.
    pair.network.path = (datagram) => (datagram.from.address.join() === parseIp(right).join() ? [] : [datagram])
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(100)
    pair.network.path = (datagram) => [datagram]
    const child = pair.b.ike.status()[0]!.children[1]!
    pair.b.perform(pair.b.ike.deleteChild(1, child.spiIn, pair.clock.now))
    pair.clock.advance(10_000)
    for (const peer of [pair.a, pair.b]) expect(peer.ike.status()[0]!.children.map(({ name }) => name)).toEqual(['net'])
    expect([pair.xfrmA.states.size, pair.xfrmA.larval.size, pair.xfrmB.states.size]).toEqual([2, 0, 2])
  })

  it('that is refused leaves the IKE_SA and its other CHILD_SA alone', () => {
    const pair = establishedPair(withSecond('aes128gcm16', 'chacha20poly1305'))
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('refused')[0]!.refusal).toMatchObject({
      kind: 'no-proposal-chosen',
      by: 'peer',
      what: 'CHILD',
    })
    expect(pair.b.eventsOf('refused')[0]!.refusal).toMatchObject({ kind: 'no-proposal-chosen', by: 'local' })
    expect(pair.a.ike.status()[0]).toMatchObject({ state: 'established' })
    expect(pair.xfrmA.states.size).toBe(2)
    expect(pair.xfrmA.larval.size).toBe(0)
  })
})

describe('INFORMATIONAL', () => {
  it('deletes one CHILD_SA on both sides', () => {
    const pair = establishedPair(withSecond())
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1000)
    const [first] = pair.a.ike.status()[0]!.children
    pair.a.perform(pair.a.ike.deleteChild(1, first!.spiIn, pair.clock.now))
    pair.clock.advance(1000)
    for (const peer of [pair.a, pair.b])
      expect(peer.ike.status()[0]!.children.map(({ name }) => name)).toEqual(['second'])
    expect([pair.xfrmA.states.size, pair.xfrmB.states.size]).toEqual([2, 2])
    expect(pair.xfrmA.policies.size).toBe(3)
  })

  it.each([
    ['a', 'b'],
    ['b', 'a'],
  ] as const)('deletes the IKE_SA from either side (%s)', (by, other) => {
    const pair = establishedPair()
    pair[by].perform(pair[by].ike.shutdown(pair.clock.now))
    pair.clock.advance(1000)
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
    expect(pair[by].eventsOf('ike-closed')[0]!.reason).toBe('local')
    expect(pair[other].eventsOf('ike-closed')[0]!.reason).toBe('peer')
    for (const xfrm of [pair.xfrmA, pair.xfrmB]) expect([xfrm.states.size, xfrm.policies.size]).toEqual([0, 0])
  })

  it('both sides deleting the same CHILD_SA at once end with none and keep the IKE_SA', () => {
    const pair = establishedPair()
    for (const peer of [pair.a, pair.b]) {
      peer.perform(peer.ike.deleteChild(1, peer.ike.status()[0]!.children[0]!.spiIn, pair.clock.now))
    }
    pair.clock.advance(1000)
    for (const peer of [pair.a, pair.b])
      expect(peer.ike.status()[0]).toMatchObject({ state: 'established', children: [] })
  })

  it('both sides deleting the IKE_SA at once end', () => {
    const pair = establishedPair()
    for (const peer of [pair.a, pair.b]) peer.perform(peer.ike.shutdown(pair.clock.now))
    pair.clock.advance(1000)
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
  })

  it('asks a silent peer whether it lives, in both directions, and ends when it does not', () => {
    const pair = establishedPair({ a: { livenessDelayMs: 10_000 }, b: { livenessDelayMs: 15_000 } })
    pair.clock.advance(60_000)
    expect(pair.a.ike.status()[0]!.state).toBe('established')
    const asked = (peer: typeof pair.a) =>
      peer
        .eventsOf('message')
        .filter((one) => one.direction === 'out' && one.exchange === 'INFORMATIONAL' && !one.response)
    expect(asked(pair.a).length).toBeGreaterThan(3)
    pair.network.path = () => []
    pair.clock.advance(200_000)
    for (const peer of [pair.a, pair.b]) {
      expect(peer.ike.isIdle()).toBe(true)
      expect(peer.eventsOf('ike-closed')[0]!.reason).toBe('timeout')
    }
  })

  it('a responder asks too', () => {
    const pair = establishedPair({ a: { livenessDelayMs: 0 }, b: { livenessDelayMs: 5_000 } })
    pair.clock.advance(20_000)
    const asked = pair.a
      .eventsOf('message')
      .filter((one) => one.direction === 'in' && one.exchange === 'INFORMATIONAL' && !one.response)
    expect(asked.length).toBeGreaterThan(2)
  })
})

describe('a peer behind a NAT', () => {
  it('is followed after an authenticated ESP packet from its new mapping', () => {
    const pair = establishedPair({ b: { mobike: false } })
    const child = pair.b.ike.status()[0]!.children[0]!
    pair.b.perform(
      pair.b.ike.mapping(
        {
          daddr: parseIp(right),
          spi: child.spiIn,
          proto: 50,
          reqid: child.reqid,
          oldAddress: parseIp(left),
          oldPort: 4500,
          newAddress: parseIp('203.0.113.9'),
          newPort: 61234,
        },
        pair.clock.now,
      ),
    )
    expect(pair.b.eventsOf('remote-moved')).toHaveLength(1)
    const outbound = [...pair.xfrmB.states.values()].find(({ direction }) => direction === 'out')!
    expect(outbound).toMatchObject({ daddr: parseIp('203.0.113.9'), encap: { sport: 4500, dport: 61234 } })
    for (const policy of pair.xfrmB.policies.values()) {
      const [template] = policy.templates
      expect(policy.direction === 'out' ? template!.daddr : template!.saddr).toEqual(parseIp('203.0.113.9'))
    }
  })

  it('is followed after a fresh IKE message from its new mapping', () => {
    const pair = establishedPair({ a: { livenessDelayMs: 10_000 }, b: { livenessDelayMs: 0, mobike: false } })
    const moved = { address: parseIp('203.0.113.9'), port: 61234 }
    pair.network.path = (datagram) =>
      datagram.from.address.join() === parseIp(left).join() ? [{ ...datagram, from: moved }] : [datagram]
    pair.clock.advance(11_000)
    expect(pair.b.ike.status()[0]!.remote).toEqual(moved)
  })

  it('sends keepalives when it is behind one, and not otherwise', () => {
    const keepalives = (pair: ReturnType<typeof makePair>) => {
      pair.a.initiate('office')
      pair.clock.advance(70_000)
      expect(pair.a.eventsOf('ike-established')).toHaveLength(1)
      return pair.network.sent.filter(({ payload }) => payload.length === 1).length
    }
    const settings = { livenessDelayMs: 0, keepaliveMs: 20_000 }
    const direct = makePair({ a: { ...settings, encap: 'auto' }, b: settings })
    expect(keepalives(direct)).toBe(0)

    const behindNat = makePair({
      a: { ...settings, encap: 'auto' },
      b: { ...settings, encap: 'auto', remoteAddress: '203.0.113.9' },
    })
    const outside = parseIp('203.0.113.9')
    behindNat.network.path = (datagram) =>
      datagram.from.address.join() === parseIp(left).join()
        ? [{ ...datagram, from: { address: outside, port: 60_000 + datagram.from.port } }]
        : [{ ...datagram, to: { address: parseIp(left), port: datagram.to.port - 60_000 } }]
    expect(keepalives(behindNat)).toBe(3)
    expect(behindNat.a.ike.status()[0]).toMatchObject({ natLocal: true, natRemote: false })
    expect(behindNat.b.ike.status()[0]).toMatchObject({ natLocal: false, natRemote: true })
  })

  it('leaves ESP without UDP where there is none and it can be carried', () => {
    const pair = makePair({ a: { encap: 'auto' }, b: { encap: 'never' } })
    for (const xfrm of [pair.xfrmA, pair.xfrmB]) xfrm.carriesPlainEsp = true
    pair.a.initiate('office')
    pair.clock.advance(1000)
    const states = [...pair.xfrmA.states.values(), ...pair.xfrmB.states.values()]
    expect(states.map(({ encap }) => encap)).toEqual([undefined, undefined, undefined, undefined])
    expect(pair.a.ike.status()[0]).toMatchObject({ encap: false })
  })

  it('brings UDP about for a peer that asks for it, where plain ESP can be carried too', () => {
    const pair = makePair({ a: { encap: 'auto' }, b: { encap: 'force' } })
    for (const xfrm of [pair.xfrmA, pair.xfrmB]) xfrm.carriesPlainEsp = true
    pair.a.initiate('office')
    pair.clock.advance(1000)
    const states = [...pair.xfrmA.states.values(), ...pair.xfrmB.states.values()]
    expect(states.map(({ encap }) => encap)).toEqual(Array(4).fill({ sport: 4500, dport: 4500 }))
  })

  it('is refused, and explained, where ESP is never to go in UDP', () => {
    const pair = makePair({ a: { encap: 'never' }, b: { encap: 'force' } })
    for (const xfrm of [pair.xfrmA, pair.xfrmB]) xfrm.carriesPlainEsp = true
    pair.a.initiate('office')
    pair.clock.advance(10_000)
    expect(pair.a.eventsOf('refused')[0]!.refusal).toMatchObject({
      detail: 'NAT_FOUND',
      hint: expect.stringContaining('connections.office.encap'),
    })
    expect([...pair.xfrmA.states.values()]).toEqual([])
  })

  it('is explained where there is none, and none is pretended, because plain ESP is not carried', () => {
    const pair = makePair({ a: { encap: 'auto' }, b: { encap: 'auto' } })
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.eventsOf('refused')[0]!.refusal).toMatchObject({
      detail: 'NO_UDP_ENCAPSULATION',
      hint: expect.stringContaining('connections.branch.encap'),
    })
  })
})

describe('traps', () => {
  it('bring their CHILD_SA up with the reqid of their policy', () => {
    const pair = makePair({
      a: { children: leftConnection.children.map((child) => ({ ...child, startAction: 'trap' as const })) },
    })
    pair.a.begin()
    const [trap] = [...pair.xfrmA.policies.values()]
    const reqid = trap!.templates[0]!.reqid
    pair.a.perform(pair.a.ike.acquire({ policyIndex: trap!.index, reqid, packet: trap!.selector }, 0))
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children[0]!.reqid).toBe(reqid)
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    pair.clock.advance(1000)
    expect([...pair.xfrmA.policies.values()]).toEqual([trap])
  })
})

describe('limits and misuse', () => {
  it('forgets half-open IKE_SAs after 30 s', () => {
    const pair = makePair()
    pair.network.path = (datagram) => (datagram.to.port === 4500 ? [] : [datagram])
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.ike.status()).toHaveLength(1)
    pair.clock.advance(30_000)
    expect(pair.b.ike.isIdle()).toBe(true)
  })

  it('drops new requests at the half-open limit', () => {
    const pair = makePair({ limits: { halfOpenLimit: 0 } })
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.eventsOf('dropped')[0]!.reason).toBe('half-open-limit')
  })

  it('tells a caller what is not there', () => {
    const pair = makePair()
    expect(() => pair.a.ike.initiate('nothing', 0, { localAddress: parseIp(left) })).toThrow(UsageError)
    expect(() => pair.a.ike.initiate('office', 0, { localAddress: parseIp(left), child: 'nothing' })).toThrow(
      /no child "nothing"/,
    )
    expect(() => pair.a.ike.deleteIke(7, 0)).toThrow(/no IKE_SA 7/)
  })
})
