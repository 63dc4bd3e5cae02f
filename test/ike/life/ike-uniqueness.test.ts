import { describe, expect, it } from 'vitest'
import { pskConnection } from '../../../src/config/connection.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { LINGER_MS } from '../../../src/ike/child/child-sa.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { VirtualNetwork } from '../../../src/testing/virtual-network.ts'
import { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import { establishedPair, left, leftConnection, makePair, type Pair, right, rightConnection } from '../support.ts'

const elsewhere = '203.0.113.7'
const quiet = { livenessDelayMs: 0, keepaliveMs: 0, mobike: false }
type Policy = 'replace' | 'keep' | 'never'

const { remoteAddress: _, ...waiting } = rightConnection

/** A gateway and two machines of one identity, each at its own address; only the first is set up. */
function twoOfOneName(gateway: Policy, client: Policy) {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const xfrm = new RecordingXfrm()
  const peer = (address: string, settings: typeof waiting | typeof leftConnection, uniqueness: Policy) =>
    new VirtualPeer(network, {
      address,
      crypto: nodeProvider,
      connections: [pskConnection({ ...settings, ...quiet, localAddress: address, uniqueness })],
      ...(address === right ? { xfrm } : {}),
    })
  const b = peer(right, waiting, gateway)
  const [first, second] = [peer(left, leftConnection, client), peer(elsewhere, leftConnection, client)]
  first!.initiate('office')
  clock.advance(20_000)
  return { clock, network, b, first: first!, second: second!, xfrm }
}

const hasInitialContact = (peer: VirtualPeer): boolean[] =>
  peer
    .eventsOf('message')
    .filter(({ direction, exchange, response }) => direction === 'out' && exchange === 'IKE_AUTH' && !response)
    .map(({ payloads }) => payloads.includes('N(INITIAL_CONTACT)'))

describe('INITIAL_CONTACT', () => {
  it('is sent with the first IKE_SA, and not with the one that takes its place', () => {
    const pair = establishedPair()
    pair.a.perform(pair.a.ike.reauthenticate(1, pair.a.now))
    pair.clock.advance(10_000)
    expect(hasInitialContact(pair.a)).toEqual([true, false])
  })

  it('is sent again once the first one is gone', () => {
    const pair = establishedPair()
    pair.a.perform(pair.a.ike.deleteIke(1, pair.a.now))
    pair.clock.advance(1_000)
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(hasInitialContact(pair.a)).toEqual([true, true])
  })

  it.each([
    ['where several IKE_SAs may stand', { uniqueness: 'never' as const }],
    ['to a peer of any identity', { remoteId: '%any' }],
  ])('is not sent %s', (_name, settings) => {
    expect(hasInitialContact(establishedPair({ a: settings }).a)).toEqual([false])
  })

  it('of a peer that came back after a crash ends what it has forgotten, without a word', () => {
    const pair = establishedPair({ a: quiet, b: quiet })
    pair.a.restart()
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(pair.b.eventsOf('ike-closed')).toMatchObject([{ sa: { id: 1 }, reason: 'replaced', by: { id: 2 } }])
    expect(pair.b.status()).toMatchObject([{ sa: { id: 2 }, children: [{ name: 'net' }] }])
    pair.clock.advance(LINGER_MS)
    expect([pair.xfrmB.states.size, pair.xfrmB.policies.size]).toEqual([2, 3])
    const deletes = pair.b.eventsOf('message').filter(({ payloads }) => payloads.includes('D'))
    expect(deletes).toEqual([])
  })

  it('is not heeded where several IKE_SAs may stand', () => {
    const { clock, b, second } = twoOfOneName('never', 'replace')
    second.initiate('office')
    clock.advance(100_000)
    expect(b.status()).toHaveLength(2)
  })

  it('of an attempt that was under way does not end what came about meanwhile', () => {
    const { clock, network, b, first, second } = twoOfOneName('replace', 'replace')
    first.perform(first.ike.shutdown(first.now))
    clock.advance(1_000)
    // The request of the one that begins first is answered last.
    const lost = network.drop({ from: second, exchange: 'IKE_AUTH' }, { times: 1 })
    second.initiate('office')
    clock.advance(100)
    first.initiate('office')
    clock.advance(1_000)
    expect([lost.hits, b.status().length]).toEqual([1, 2])
    clock.advance(4_000)
    expect(b.eventsOf('ike-closed').filter(({ reason }) => reason === 'replaced')).toEqual([])
    clock.advance(60_000)
    expect(b.status()).toHaveLength(1)
  })
})

describe('of two that were begun by either end', () => {
  /** Which end began the IKE_SAs that stand. */
  const begunBy = (pair: Pair) =>
    (['a', 'b'] as const).map((name) =>
      pair[name].ike
        .status()
        .filter(({ state }) => state === 'established')
        .map(({ role }) => (role === 'initiator' ? name : name === 'a' ? 'b' : 'a')),
    )

  it('the newer one is kept by both when one end heard of the other before its own request arrived', () => {
    const pair = makePair({ a: { ...quiet }, b: { ...quiet } })
    pair.a.entropy.nextNonceFirstByte(0)
    pair.network.drop({ from: pair.a, exchange: 'IKE_SA_INIT', response: false }, { times: 1 })
    pair.a.initiate('office')
    pair.b.initiate('branch')
    pair.clock.advance(100)
    expect(begunBy(pair)).toEqual([['b'], ['b']])
    pair.clock.advance(60_000)
    expect(begunBy(pair)).toEqual([['a'], ['a']])
    const closed = [pair.a, pair.b].map((peer) => peer.eventsOf('ike-closed').length)
    expect(closed).toEqual([1, 1])
  })

  it('both keep the same one when the other was rekeyed before the decision', () => {
    const pair = makePair({ a: { ...quiet, retransmit: { baseMs: 1_000 } }, b: { ...quiet } })
    for (const octet of [0x80, 0x90, 0xff]) pair.a.entropy.nextNonceFirstByte(octet)
    for (const octet of [0x10, 0x90, 0xff]) pair.b.entropy.nextNonceFirstByte(octet)
    const lost = pair.network.drop({ from: pair.b, exchange: 'IKE_AUTH', response: true }, { times: 1 })
    pair.a.initiate('office')
    pair.b.initiate('branch')
    pair.clock.advance(100)
    expect([lost.hits, pair.b.ike.status().length]).toEqual([1, 2])
    const older = pair.a.ike.status().find(({ state }) => state === 'established')!
    pair.a.perform(pair.a.ike.rekeyIke(older.sa.id, pair.clock.now))
    pair.network.drop({ from: pair.b, exchange: 'INFORMATIONAL', response: false }, { times: 1 })
    pair.clock.advance(60_000)
    expect(begunBy(pair)).toEqual([['a'], ['a']])
  })
})

describe('a second IKE_SA of one peer, from another address', () => {
  it('takes the place of the first', () => {
    const { clock, b, second, xfrm } = twoOfOneName('replace', 'replace')
    second.initiate('office')
    clock.advance(100)
    expect(b.eventsOf('ike-closed')).toMatchObject([{ sa: { id: 1 }, reason: 'replaced', by: { id: 2 } }])
    clock.advance(LINGER_MS)
    expect([b.status().length, xfrm.states.size, xfrm.policies.size]).toEqual([1, 2, 3])
  })

  it('takes the place of the first after a while, and with a DELETE, when it does not say that it is the only one', () => {
    const { clock, b, first, second, xfrm } = twoOfOneName('replace', 'never')
    second.initiate('office')
    clock.advance(9_000)
    expect(b.status()).toHaveLength(2)
    clock.advance(3_000)
    expect(b.eventsOf('ike-closed')).toMatchObject([{ sa: { id: 1 }, reason: 'replaced' }])
    expect(first.eventsOf('ike-closed')).toMatchObject([{ reason: 'peer' }])
    clock.advance(LINGER_MS)
    expect([b.status().length, xfrm.states.size, xfrm.policies.size]).toEqual([1, 2, 3])
  })

  it('is refused where the first is kept, and both sides say why', () => {
    const { clock, b, first, second } = twoOfOneName('keep', 'never')
    second.initiate('office')
    clock.advance(100_000)
    expect(b.eventsOf('refused')[0]!.refusal).toMatchObject({
      kind: 'authentication-failed',
      by: 'local',
      message: expect.stringContaining('branch[1] from 192.0.2.1:4500, which is kept'),
      hint: expect.stringContaining('connections.branch.unique'),
    })
    expect(second.eventsOf('refused')[0]!.refusal).toMatchObject({ kind: 'authentication-failed', by: 'peer' })
    expect(second.status()).toEqual([])
    expect(first.status()).toMatchObject([{ state: 'established' }])
  })

  it('stands beside the first where that is allowed', () => {
    const { clock, b, second } = twoOfOneName('never', 'never')
    second.initiate('office')
    clock.advance(100_000)
    expect(b.status()).toHaveLength(2)
  })
})

describe('a peer that restarts while we set it up', () => {
  const restartAt = (pair: Pair, exchange: string) => {
    pair.network.drop({ from: pair.b, exchange, response: true }, { times: 1 })
    pair.a.initiate('office')
    pair.clock.advance(100)
    pair.b.restart()
  }

  it.each(['IKE_SA_INIT', 'IKE_AUTH'])('before its answer to %s is reached again once it is back', (exchange) => {
    const pair = establishedPair({ a: { ...quiet, keyingTries: 0 }, b: quiet })
    pair.a.perform(pair.a.ike.shutdown(pair.a.now))
    pair.clock.advance(1_000)
    restartAt(pair, exchange)
    pair.clock.advance(400_000)
    expect(pair.a.status()).toMatchObject([{ state: 'established', children: [{ name: 'net' }] }])
    expect(pair.b.status()).toMatchObject([{ state: 'established', children: [{ name: 'net' }] }])
  })
})
