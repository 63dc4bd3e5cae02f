import { afterEach, describe, expect, it, vi } from 'vitest'
import { type PskChild, type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { ExchangeType, NotifyType, type Payload } from '../../../src/ike/codec/index.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { knownTrafficSelectors } from '../../../src/ike/negotiation/traffic-selector.ts'
import { formatIp, parseIp } from '../../../src/ip/address.ts'
import { RecordingXfrm, VirtualClock, VirtualNetwork, VirtualPeer } from '../../../src/testing/index.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, leftConnection, makePair, type Pair, rightConnection } from '../support.ts'

const withChild = (of: PskConnection, settings: Partial<PskChild>) => ({
  children: of.children.map((child) => ({ ...child, ...settings })),
})

/** A pair of which the left side waits for a packet from 10.1.0.5:40000 to 10.2.0.9, TCP port 80. */
function trapPair(a: Partial<PskChild>, b: Partial<PskChild>, more: Partial<PskConnection> = {}): Pair {
  const pair = makePair({
    a: { ...withChild(leftConnection, { startAction: 'trap', ...a }), ...more },
    b: withChild(rightConnection, b),
  })
  pair.a.begin()
  const [trap] = [...pair.xfrmA.policies.values()]
  const host = (text: string) => ({ start: parseIp(text), end: parseIp(text) })
  const packet = {
    source: host('10.1.0.5'),
    destination: host('10.2.0.9'),
    protocol: 6,
    sourcePort: { first: 40_000, last: 40_000 },
    destinationPort: { first: 80, last: 80 },
  }
  pair.a.perform(
    pair.a.ike.acquire({ policyIndex: trap!.index, reqid: trap!.templates[0]!.reqid, packet }, pair.clock.now),
  )
  pair.clock.advance(1_000)
  return pair
}

/** The first addresses of the selectors in each TSi that is offered; `answer` takes the place of what answers IKE_AUTH. */
function offersSeen(answer?: (payloads: readonly Payload[]) => readonly Payload[]): string[][] {
  const offers: string[][] = []
  alterPayloads(({ exchangeType, flags }, payloads) => {
    if (flags.response)
      return exchangeType === ExchangeType.IKE_AUTH && answer !== undefined ? answer(payloads) : payloads
    for (const one of payloads) {
      if (one.kind === 'TSi') offers.push(knownTrafficSelectors(one.selectors).map((ts) => formatIp(ts.startAddress)))
    }
    return payloads
  })
  return offers
}

const onlyChild = (pair: Pair, side: 'a' | 'b') => pair[side].ikeSa.children[0]!

afterEach(() => vi.restoreAllMocks())

describe('the packet that asks for a CHILD_SA', () => {
  it('is named first, and the whole configured range is agreed on', () => {
    const offers = offersSeen()
    const pair = trapPair({}, {})
    expect(offers[0]).toEqual(['10.1.0.5', '10.1.0.0'])
    expect(onlyChild(pair, 'a')).toMatchObject({ localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], moreTs: false })
  })

  it('decides which of two children of the responder is meant', () => {
    const pair = makePair({
      a: withChild(leftConnection, { startAction: 'trap' }),
      b: {
        children: [
          { ...rightConnection.children[0]!, name: 'web', localTs: ['10.2.0.9/32[tcp/80]'] },
          { ...rightConnection.children[0]!, name: 'rest', localTs: ['10.2.8.0/24'] },
        ],
      },
    })
    pair.a.begin()
    const [trap] = [...pair.xfrmA.policies.values()]
    pair.a.perform(
      pair.a.ike.acquire({ policyIndex: trap!.index, reqid: trap!.templates[0]!.reqid, packet: trap!.selector }, 0),
    )
    pair.clock.advance(1_000)
    // What of the offer the other child would take, the initiator may ask for.
    expect(onlyChild(pair, 'a').moreTs).toBe(true)
    expect(onlyChild(pair, 'b').moreTs).toBe(true)
  })

  it('gets a CHILD_SA of its own where the responder takes single pairs only', () => {
    const pair = trapPair({}, { singlePair: true })
    for (const side of ['a', 'b'] as const) {
      const [ours, theirs] = side === 'a' ? ['localTs', 'remoteTs'] : ['remoteTs', 'localTs']
      expect(onlyChild(pair, side)).toMatchObject({
        [ours!]: ['10.1.0.5/32[tcp/40000]'],
        [theirs!]: ['10.2.0.9/32[tcp/80]'],
      })
    }
  })

  it('is asked for alone when the peer wants a single pair after all', () => {
    const offers = offersSeen((payloads) => [
      ...payloads.filter(({ kind }) => kind === 'IDr' || kind === 'AUTH'),
      notify(NotifyType.SINGLE_PAIR_REQUIRED),
    ])
    const pair = trapPair({}, {})
    expect(offers).toEqual([['10.1.0.5', '10.1.0.0'], ['10.1.0.5']])
    expect(onlyChild(pair, 'a').localTs).toEqual(['10.1.0.5/32[tcp/40000]'])
  })

  it('stands alone when the responder of an offer without it asks for a single pair', () => {
    const pair = trapPair({ triggerTs: false }, { singlePair: true })
    expect(pair.b.eventsOf('refused')[0]!.refusal).toMatchObject({ by: 'local', kind: 'ts-unacceptable' })
    expect(pair.b.eventsOf('refused')[0]!.refusal.message).toContain('SINGLE_PAIR_REQUIRED')
    expect(pair.a.eventsOf('refused')[0]!.refusal.message).toContain('SINGLE_PAIR_REQUIRED')
    expect(pair.a.eventsOf('refused')[0]!.refusal.hint).toContain('connections.office.children.net.start')
  })
})

describe('transport mode', () => {
  const hosts = { localTs: ['192.0.2.1/32'], remoteTs: ['198.51.100.2/32'] }
  const swapped = { localTs: hosts.remoteTs, remoteTs: hosts.localTs }

  it.each([
    ['transport', 'transport', 'transport'],
    ['transport', 'tunnel', 'tunnel'],
    ['tunnel', 'transport', 'tunnel'],
  ] as const)('%s and %s make %s', (a, b, mode) => {
    const pair = establishedPair({
      a: withChild(leftConnection, { ...hosts, mode: a }),
      b: withChild(rightConnection, { ...swapped, mode: b }),
    })
    for (const side of ['a', 'b'] as const) expect(onlyChild(pair, side).mode).toBe(mode)
    for (const xfrm of [pair.xfrmA, pair.xfrmB]) {
      expect([...xfrm.states.values()].map((state) => state.mode)).toEqual([mode, mode])
      expect([...xfrm.policies.values()].map(({ templates }) => templates[0]!.mode)).toEqual([mode, mode, mode])
    }
  })

  it('stays with a further and with a rekeyed CHILD_SA', () => {
    const pair = establishedPair({
      a: withChild(leftConnection, { ...hosts, mode: 'transport' }),
      b: withChild(rightConnection, { ...swapped, mode: 'transport' }),
    })
    pair.a.perform(pair.a.ike.rekeyChild(pair.a.ikeSa.sa.id, onlyChild(pair, 'a').spiIn, pair.clock.now))
    pair.clock.advance(1_000)
    expect(onlyChild(pair, 'a').mode).toBe('transport')
  })

  it('is refused at the start where it cannot be carried', () => {
    const network = new VirtualNetwork(new VirtualClock())
    const xfrm = Object.assign(new RecordingXfrm(), { carriesTransport: false })
    const settings = { ...leftConnection, ...withChild(leftConnection, { mode: 'transport' }) }
    const start = () => new VirtualPeer(network, { address: '192.0.2.1', connections: [pskConnection(settings)], xfrm })
    expect(start).toThrow(/connections.office.children.net is to use transport mode/)
  })
})

describe('single pairs', () => {
  it('are refused with the setting to change when the offer has ranges only', () => {
    const pair = makePair({ b: withChild(rightConnection, { singlePair: true }) })
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(pair.b.eventsOf('refused')[0]!.refusal.hint).toContain('singlePair')
  })

  it('a pair that is outside of what is configured is refused as any other', () => {
    const pair = makePair({
      a: withChild(leftConnection, { localTs: ['10.9.0.1/32'] }),
      b: withChild(rightConnection, { singlePair: true }),
    })
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(pair.b.eventsOf('refused')[0]!.refusal.message).not.toContain('SINGLE_PAIR')
  })

  it('of the configuration are read', () => {
    expect(
      pskConnection({ ...leftConnection, ...withChild(leftConnection, { singlePair: true }) }).children[0],
    ).toMatchObject({
      singlePair: true,
      triggerTs: true,
      mode: 'tunnel',
    })
  })
})
