import { describe, expect, it } from 'vitest'
import { decodeMessage, ExchangeType } from '../../../src/ike/codec/index.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import type { VirtualDatagram } from '../../../src/testing/virtual-network.ts'
import { establishedPair, leftConnection, makePair, type Pair, rightConnection } from '../support.ts'

const nets = (side: 1 | 2) => ({
  name: 'many',
  localTs: Array.from({ length: 60 }, (_, i) => `10.${side}${side}.${i}.0/24`),
  remoteTs: Array.from({ length: 60 }, (_, i) => `10.${3 - side}${3 - side}.${i}.0/24`),
  espProposals: ['aes128gcm16'],
})

/** Two peers with a child whose selectors take 2 KB each way. */
const withMany = (ofA: object = {}, ofB: object = ofA) => ({
  a: { ...ofA, children: [nets(1), ...leftConnection.children] },
  b: { ...ofB, children: [nets(2), ...rightConnection.children] },
})

const messageOf = ({ payload, to, from }: VirtualDatagram) =>
  decodeMessage(to.port === 4500 || from.port === 4500 ? payload.subarray(4) : payload)

const fragmentOf = (datagram: VirtualDatagram) => {
  const last = messageOf(datagram).payloads.at(-1)
  return last?.kind === 'SKF' ? last : undefined
}

const fragmentsOf = ({ network }: Pair) => network.sent.flatMap((datagram) => fragmentOf(datagram) ?? [])

function connect(pair: Pair, ms = 1000): void {
  pair.a.initiate('office', 'many')
  pair.clock.advance(ms)
}

function expectBothEstablished(pair: Pair): void {
  const { a, b, xfrmA, xfrmB } = pair
  expect([a.ike.status(), b.ike.status()]).toMatchObject([
    [{ state: 'established', children: [{ name: 'many' }] }],
    [{ state: 'established', children: [{ name: 'many' }] }],
  ])
  expect([xfrmA.states.size, xfrmB.states.size]).toEqual([2, 2])
}

describe('IKEV2_FRAGMENTATION_SUPPORTED', () => {
  it.each(['yes', 'force', 'no'] as const)('is told with mode %s unless that is no', (mode) => {
    const pair = makePair(withMany({ fragmentation: { mode } }))
    connect(pair)
    const init = pair.a.eventsOf('message').filter(({ exchange }) => exchange === 'IKE_SA_INIT')
    const told = init.map(({ payloads }) => payloads.includes('N(IKEV2_FRAGMENTATION_SUPPORTED)'))
    expect(told).toEqual([mode !== 'no', mode !== 'no'])
    expect(fragmentsOf(pair).length > 0).toBe(mode !== 'no')
    expectBothEstablished(pair)
  })

  it.each([
    ['no', 'force'],
    ['force', 'no'],
  ] as const)('without it on both sides (%s, %s) nothing is cut', (ofA, ofB) => {
    const pair = makePair(withMany({ fragmentation: { mode: ofA } }, { fragmentation: { mode: ofB } }))
    connect(pair)
    expect(fragmentsOf(pair)).toEqual([])
    expectBothEstablished(pair)
  })
})

describe('messages in fragments', () => {
  it.each([
    ['IPv4', '192.0.2.1', '198.51.100.2', 28],
    ['IPv6', '2001:db8::1', '2001:db8::2', 48],
  ])('over %s fill packets of the size that is set, and no more', (_family, ofA, ofB, headers) => {
    const bytes = 600
    const settings = { fragmentation: { bytes } }
    const changes = withMany({ ...settings, localAddress: ofA, remoteAddress: ofB }, settings)
    const pair = makePair({ ...changes, b: { ...changes.b, localAddress: ofB, remoteAddress: ofA } })
    connect(pair)
    expectBothEstablished(pair)
    const lengths = pair.network.sent.filter(fragmentOf).map(({ payload }) => payload.length + headers)
    expect(Math.max(...lengths)).toBe(bytes)
  })

  it('name the first payload in the first fragment only, and count from one', () => {
    const pair = makePair(withMany())
    connect(pair)
    const request = fragmentsOf(pair).filter(
      ({ totalFragments }, i, all) => totalFragments === all[0]!.totalFragments && i < totalFragments,
    )
    expect(request.map(({ fragmentNumber }) => fragmentNumber)).toEqual(request.map((_, i) => i + 1))
    expect(request.map(({ firstPayload }) => firstPayload)).toEqual([35, ...request.slice(1).map(() => 0)])
  })

  it('are of every encrypted exchange with force, but not of an INFORMATIONAL that fits one packet: some peers drop those', () => {
    const pair = establishedPair({ a: { fragmentation: { mode: 'force' } }, b: { fragmentation: { mode: 'force' } } })
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    pair.clock.advance(1000)
    pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1000)
    const kinds = pair.network.sent.map((datagram) => {
      const { header } = messageOf(datagram)
      return `${header.exchangeType}${header.flags.response ? ' answer' : ''}${fragmentOf(datagram) ? ' cut' : ''}`
    })
    expect([...new Set(kinds)]).toEqual([
      `${ExchangeType.IKE_SA_INIT}`,
      `${ExchangeType.IKE_SA_INIT} answer`,
      `${ExchangeType.IKE_AUTH} cut`,
      `${ExchangeType.IKE_AUTH} answer cut`,
      `${ExchangeType.CREATE_CHILD_SA} cut`,
      `${ExchangeType.CREATE_CHILD_SA} answer cut`,
      `${ExchangeType.INFORMATIONAL}`,
      `${ExchangeType.INFORMATIONAL} answer`,
    ])
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
  })

  it('are the same message to the other side: it is told once, with all its octets', () => {
    const pair = makePair(withMany())
    connect(pair)
    const requests = pair.b.eventsOf('message').filter((event) => event.exchange === 'IKE_AUTH' && !event.response)
    expect(requests).toHaveLength(1)
    expect(requests[0]!.payloads).toContain('TSi')
    expect(requests[0]!.bytes).toBeGreaterThan(2000)
  })
})

describe('lost, doubled and disordered fragments', () => {
  it('a lost fragment is made up by the retransmission; those that are there are not needed again', () => {
    const pair = makePair(withMany({ fragmentation: { bytes: 576 } }))
    const lost = new Set<number>()
    pair.network.path = (datagram) => {
      const fragment = fragmentOf(datagram)
      if (fragment === undefined || datagram.to.address.join() !== '198,51,100,2') return [datagram]
      // First only the even ones arrive, then only the odd ones.
      const isSecond = pair.clock.now > 3000
      if (fragment.fragmentNumber % 2 === (isSecond ? 0 : 1)) {
        lost.add(fragment.fragmentNumber)
        return []
      }
      return [datagram]
    }
    connect(pair, 6000)
    expect(lost.size).toBeGreaterThan(3)
    expectBothEstablished(pair)
  })

  it('of a retransmitted request only the first fragment is answered, with the whole answer', () => {
    const pair = makePair(withMany({ fragmentation: { bytes: 576 } }))
    connect(pair)
    const isRequest = (datagram: VirtualDatagram) =>
      fragmentOf(datagram) !== undefined && !messageOf(datagram).header.flags.response
    const request = pair.network.sent.filter(isRequest)
    const answers = pair.network.sent.filter((datagram) => fragmentOf(datagram) !== undefined && !isRequest(datagram))
    const before = pair.network.sent.length
    for (const { from, to, payload } of request.slice(1))
      pair.b.perform(
        pair.b.ike.handleDatagram({ local: to, remote: from, message: payload.subarray(4) }, pair.clock.now),
      )
    expect(pair.network.sent.length).toBe(before)
    const { from, to, payload } = request[0]!
    pair.b.perform(pair.b.ike.handleDatagram({ local: to, remote: from, message: payload.subarray(4) }, pair.clock.now))
    const again = pair.network.sent.slice(before)
    expect(again.map((one) => one.payload)).toEqual(answers.map((one) => one.payload))
  })

  it('come to the same SAs whatever happens to them, and nothing is left', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = seededRandom(`fragments ${seed}`)
      const dice = () => random(1)[0]! / 256
      const pair = makePair(withMany({ fragmentation: { bytes: 400 } }))
      pair.network.path = (datagram) =>
        dice() < 0.1
          ? []
          : [datagram, ...(dice() < 0.3 ? [datagram] : [])].map((one) => ({ ...one, delayMs: dice() * 300 }))
      connect(pair, 100_000)
      expectBothEstablished(pair)
      pair.network.path = (datagram) => [datagram]
      for (const peer of [pair.a, pair.b]) peer.perform(peer.ike.shutdown(pair.clock.now))
      pair.clock.advance(60_000)
      for (const { ike } of [pair.a, pair.b])
        expect([ike.isIdle(), ike.nextTimeoutAt()]).toEqual([true, Number.POSITIVE_INFINITY])
    }
  })

  it('a message that never becomes whole is forgotten', () => {
    const quiet = { livenessDelayMs: 0, keepaliveMs: 0 }
    const pair = establishedPair({
      a: { ...quiet, children: [...leftConnection.children, nets(1)] },
      b: { ...quiet, children: [...rightConnection.children, nets(2)] },
    })
    pair.network.path = (datagram) => (fragmentOf(datagram)?.fragmentNumber === 1 ? [] : [datagram])
    pair.a.perform(pair.a.ike.createChild(1, 'many', pair.clock.now))
    pair.clock.advance(100)
    pair.network.path = () => []
    expect(pair.b.ike.nextTimeoutAt()).toBeLessThan(pair.clock.now + 30_000)
    const before = pair.b.ike.nextTimeoutAt()
    pair.clock.advance(30_000)
    expect(pair.b.ike.nextTimeoutAt()).toBeGreaterThan(before + 60_000)
  })
})

describe('fragments that nobody authenticated or asked for', () => {
  it('change nothing: those of the peer still make the message', () => {
    const pair = makePair(withMany())
    pair.network.path = (datagram) => {
      const fragment = fragmentOf(datagram)
      if (fragment === undefined) return [datagram]
      const forged = datagram.payload.slice()
      forged[forged.length - 20]! ^= 1
      const finer = forged.slice()
      // Total Fragments of a finer cut, which would take the place of all.
      finer[4 + 28 + 7] = 200
      return [{ ...datagram, payload: finer }, { ...datagram, payload: forged }, datagram]
    }
    connect(pair)
    expectBothEstablished(pair)
    expect(pair.b.eventsOf('dropped').filter(({ reason }) => reason === 'bad-integrity').length).toBeGreaterThan(3)
  })

  it('are dropped where fragments were not agreed on', () => {
    const pair = establishedPair({ a: { fragmentation: { mode: 'no' } } })
    const SPIi = pair.b.ike.status()[0]!
    const header = [
      ...Buffer.from(SPIi.SPIi, 'hex'),
      ...Buffer.from(SPIi.SPIr, 'hex'),
      ...[53, 0x20, 36, 0x08, 0, 0, 0, 2, 0, 0, 0, 28 + 60],
    ]
    const message = Uint8Array.from([...header, 35, 0, 0, 60, 0, 1, 0, 2, ...new Uint8Array(52)])
    const { local, remote } = SPIi
    pair.b.perform(pair.b.ike.handleDatagram({ local, remote, message }, pair.clock.now))
    expect(pair.b.eventsOf('dropped').at(-1)).toMatchObject({ reason: 'bad-fragment' })
  })

  it('of a message in too many are dropped without opening them', () => {
    const pair = establishedPair()
    const status = pair.b.ike.status()[0]!
    const header = [
      ...Buffer.from(status.SPIi, 'hex'),
      ...Buffer.from(status.SPIr, 'hex'),
      ...[53, 0x20, 36, 0x08, 0, 0, 0, 2, 0, 0, 0, 28 + 60],
    ]
    const message = Uint8Array.from([...header, 35, 0, 0, 60, 0, 1, 0x10, 0, ...new Uint8Array(52)])
    const { local, remote } = status
    pair.b.perform(pair.b.ike.handleDatagram({ local, remote, message }, pair.clock.now))
    expect(pair.b.eventsOf('dropped').at(-1)).toMatchObject({
      reason: 'bad-fragment',
      detail: 'a message in 4096 fragments',
    })
  })
})

describe('a path that carries less than the size that is set', () => {
  it('is met with fragments of 576 octets after some retransmissions, and later messages begin with those', () => {
    const pair = makePair(withMany())
    pair.network.path = (datagram) => (datagram.payload.length + 28 > 800 ? [] : [datagram])
    connect(pair, 60_000)
    expectBothEstablished(pair)
    expect(pair.a.eventsOf('retransmit').length).toBeGreaterThanOrEqual(2)
    const before = pair.a.eventsOf('retransmit').length
    pair.a.perform(pair.a.ike.createChild(1, 'many', pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('retransmit').length).toBe(before)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(2)
  })
})
