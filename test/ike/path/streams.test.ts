import { afterEach, describe, expect, it, vi } from 'vitest'
import { type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { formatSocketAddress, parseIp } from '../../../src/ip/address.ts'
import { RecordingXfrm, VirtualClock, VirtualNetwork, VirtualPeer, VirtualStreams } from '../../../src/testing/index.ts'
import { left, leftConnection, right, rightConnection } from '../support.ts'

const elsewhere = '192.0.2.77'
/** Where nobody listens. */
const blocked = { port: 999, natPort: 998 }

/** A client that may use TCP and a gateway that takes it, without traffic of their own. */
function makePair(
  tcp: PskConnection['tcp'],
  a: Partial<PskConnection> = {},
  options: { b?: Partial<PskConnection>; limits?: VirtualPeer['options']['limits']; latencyMs?: number } = {},
) {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const streams = new VirtualStreams(clock, options.latencyMs)
  const { localAddress: _, ...client } = leftConnection
  const { localAddress: __, remoteAddress: ___, ...gateway } = rightConnection
  const quiet = { livenessDelayMs: 0, keepaliveMs: 0 }
  const [xfrmA, xfrmB] = [new RecordingXfrm(), new RecordingXfrm()]
  const peerA = new VirtualPeer(network, {
    address: left,
    connections: [pskConnection({ ...client, ...quiet, ...(tcp === undefined ? {} : { tcp }), ...a })],
    ...{ xfrm: xfrmA, streams },
  })
  const peerB = new VirtualPeer(network, {
    address: right,
    connections: [pskConnection({ ...gateway, ...quiet, ...options.b })],
    ...{ xfrm: xfrmB, streams },
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  })
  streams.listen(peerB)
  return { clock, streams, a: peerA, b: peerB, xfrmA, xfrmB }
}

/** The same with an IKE_SA in TCP. */
function established(...settings: Parameters<typeof makePair>) {
  const pair = makePair(...settings)
  pair.a.initiate('office')
  pair.clock.advance(1_000)
  expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  return pair
}

const always = { mode: 'always' } as const
const fallback = { mode: 'fallback', afterMs: 5_000 } as const

const remoteOf = (peer: VirtualPeer) => formatSocketAddress(peer.ikeSa.remote)

/** Of a side's states. */
const encapOf = (xfrm: RecordingXfrm) => [
  ...new Set([...xfrm.states.values()].map(({ encap }) => (encap === undefined ? 'none' : (encap.type ?? 'udp')))),
]

const sentBy = (peer: VirtualPeer, exchange: string) =>
  peer.eventsOf('message').filter((one) => one.direction === 'out' && one.exchange === exchange)

const spisOf = (xfrm: RecordingXfrm) => [...xfrm.states.values()].map(({ spi }) => spi).sort()

afterEach(() => {
  vi.restoreAllMocks()
})

describe('an IKE_SA in TCP', () => {
  it('is set up over one connection, with ESP in it, and nothing else is sent', () => {
    const transmit = vi.spyOn(VirtualPeer.prototype, 'transmit')
    const { a, b, streams, xfrmA, xfrmB, clock } = established(always, { keepaliveMs: 1_000 })
    clock.advance(10_000)
    expect([encapOf(xfrmA), encapOf(xfrmB)]).toEqual([['tcp'], ['tcp']])
    expect(remoteOf(a)).toBe(`${right}:4500/tcp`)
    expect(remoteOf(b)).toBe(`${left}:50000/tcp`)
    expect(streams.asked).toBe(1)
    expect(transmit).not.toHaveBeenCalled()
  })

  it('sends no request twice, and gives up when all retransmissions would be over', () => {
    const { a, b, streams, clock } = established(always, { retransmit: { baseMs: 1_000, factor: 2, tries: 3 } })
    const before = streams.sent
    b.crash()
    a.perform(a.ike.rekeyIke(a.ikeSa.sa.id, a.now))
    clock.advance(14_900)
    expect(streams.sent).toBe(before + 1)
    expect(a.eventsOf('ike-closed')).toEqual([])
    clock.advance(200)
    expect(a.eventsOf('ike-closed').map(({ reason }) => reason)).toEqual(['timeout'])
    expect(a.eventsOf('retransmit')).toEqual([])
  })

  it('is cut into no fragments, whatever is set for UDP', () => {
    const fragmentation = { mode: 'force' } as const
    const { streams } = established(always, { fragmentation }, { b: { fragmentation } })
    expect(streams.sent).toBe(4)
  })

  it('has its own connection when it takes the place of another one', () => {
    const { a, b, streams, clock } = established(always)
    a.perform(a.ike.reauthenticate(a.ikeSa.sa.id, a.now))
    clock.advance(5_000)
    expect(streams.asked).toBe(2)
    expect(a.eventsOf('ike-established')).toHaveLength(2)
    expect(remoteOf(b)).toBe(`${left}:50001/tcp`)
    expect(a.ike.streams()).toHaveLength(1)
    expect(b.ike.streams()).toHaveLength(1)
  })

  it('is never reauthenticated by the end that cannot open a connection', () => {
    const { b, streams, clock } = established(always)
    b.perform(b.ike.reauthenticate(b.ikeSa.sa.id, b.now))
    clock.advance(5_000)
    expect(streams.asked).toBe(1)
    expect(b.status()).toHaveLength(1)
  })
})

describe('a connection that is lost', () => {
  it.each([true, false])('is replaced by its originator, and the SAs stand (MOBIKE: %s)', (mobike) => {
    const { a, b, streams, clock, xfrmA, xfrmB } = established(always, { mobike })
    const spis = spisOf(xfrmA)
    streams.cut()
    expect(b.eventsOf('stream-lost')).toHaveLength(1)
    clock.advance(200)
    expect(streams.asked).toBe(2)
    expect(remoteOf(b)).toBe(`${left}:50001/tcp`)
    expect(spisOf(xfrmA)).toEqual(spis)
    expect([...xfrmB.states.values()].map(({ encap }) => [encap!.sport, encap!.dport].sort())).toEqual([
      [4500, 50001],
      [4500, 50001],
    ])
    expect([...a.eventsOf('ike-closed'), ...b.eventsOf('ike-closed')]).toEqual([])
  })

  it('may be noticed by its originator alone', () => {
    const { a, b, streams, clock } = established(always)
    streams.cut((peer) => peer === a)
    clock.advance(200)
    expect(remoteOf(b)).toBe(`${left}:50001/tcp`)
  })

  it('takes the requests under way along, from either end', () => {
    const { a, b, streams, clock } = established(always)
    a.perform(a.ike.rekeyIke(a.ikeSa.sa.id, a.now))
    streams.cut()
    clock.advance(200)
    expect(a.eventsOf('ike-rekeyed')).toHaveLength(1)
    const [child] = b.ikeSa.children
    b.perform(b.ike.rekeyChild(b.ikeSa.sa.id, child!.spiIn, b.now))
    streams.cut()
    clock.advance(200)
    expect(b.eventsOf('child-rekeyed')).toHaveLength(1)
    expect(streams.asked).toBe(3)
  })

  it('is tried again after 1, 2, 4 ... s', () => {
    const { a, b, streams, clock } = established(always)
    streams.isBlocked = true
    streams.cut()
    const tried: number[] = []
    const from = clock.now
    for (let at = 0, seen = streams.asked - 1; at < 20_000; at += 100) {
      if (streams.asked > seen) tried.push(Math.round((clock.now - from) / 1_000))
      seen = streams.asked
      clock.advance(100)
    }
    expect(tried).toEqual([0, 1, 3, 7, 15])
    streams.isBlocked = false
    clock.advance(30_000)
    expect(remoteOf(b)).toBe(`${left}:50001/tcp`)
    expect(a.eventsOf('stream-refused').length).toBeGreaterThan(4)
  })

  it('ends an attempt that has no UDP, with the reason', () => {
    const pair = makePair(always)
    pair.streams.isBlocked = true
    pair.a.initiate('office')
    pair.clock.advance(100)
    expect(pair.a.eventsOf('refused').map(({ refusal }) => refusal.message)).toEqual([
      `no TCP connection to ${right}:4500/tcp: refused`,
    ])
    expect(pair.a.status()).toEqual([])
  })
})

describe('UDP first', () => {
  it('gives way to TCP when it is not answered, with a new SPI', () => {
    const { a, b, clock, streams } = makePair(fallback, blocked)
    a.initiate('office')
    const [first] = a.status()
    clock.advance(4_900)
    expect(streams.asked).toBe(0)
    expect(sentBy(a, 'IKE_SA_INIT')).toHaveLength(1)
    expect(a.eventsOf('retransmit')).toHaveLength(1)
    clock.advance(500)
    expect(a.ikeSa.sa).toEqual(first!.sa)
    expect(a.ikeSa.SPIi).not.toBe(first!.SPIi)
    expect(b.eventsOf('child-established')).toHaveLength(1)
    expect(a.eventsOf('ike-closed')).toEqual([])
  })

  it('stays where its answer comes before the connection', () => {
    const { a, b, clock, streams, xfrmA } = makePair({ mode: 'fallback', afterMs: 0 }, {}, { latencyMs: 500 })
    a.initiate('office')
    clock.advance(3_000)
    expect(streams.asked).toBe(1)
    expect(streams.sent).toBe(0)
    expect(remoteOf(a)).toBe(`${right}:4500`)
    expect(encapOf(xfrmA)).toEqual(['udp'])
    expect(b.status()).toHaveLength(1)
  })

  it('goes on to its end where there is no TCP either', () => {
    const { a, clock, streams } = makePair(fallback, { ...blocked, retransmit: { baseMs: 2_000, factor: 2, tries: 2 } })
    streams.isBlocked = true
    a.initiate('office')
    clock.advance(20_000)
    expect(a.eventsOf('retransmit')).toHaveLength(2)
    expect(a.eventsOf('ike-closed').map(({ reason }) => reason)).toEqual(['timeout'])
  })
})

describe('MOBIKE', () => {
  it('goes to TCP where the new network takes no UDP, with the same request', () => {
    const { a, b, clock, streams, xfrmA, xfrmB } = established({ ...fallback, afterMs: 3_000 })
    expect(encapOf(xfrmA)).toEqual(['udp'])
    const drop = vi.spyOn(VirtualPeer.prototype, 'transmit').mockImplementation(() => {})
    a.roam(elsewhere)
    clock.advance(2_900)
    expect(streams.asked).toBe(0)
    clock.advance(2_000)
    expect(drop).toHaveBeenCalled()
    expect(remoteOf(a)).toBe(`${right}:4500/tcp`)
    expect(remoteOf(b)).toBe(`${elsewhere}:50000/tcp`)
    expect([encapOf(xfrmA), encapOf(xfrmB)]).toEqual([['tcp'], ['tcp']])
    expect(spisOf(xfrmA)).toHaveLength(2)
  })

  it('tries UDP first where it was in TCP, and leaves the connection', () => {
    const { a, b, clock, xfrmA, xfrmB } = makePair(fallback)
    const drop = vi.spyOn(VirtualPeer.prototype, 'transmit').mockImplementation(() => {})
    a.initiate('office')
    clock.advance(6_000)
    expect(encapOf(xfrmB)).toEqual(['tcp'])
    drop.mockRestore()
    a.roam(elsewhere)
    clock.advance(1_000)
    expect(remoteOf(a)).toBe(`${right}:4500`)
    expect(remoteOf(b)).toBe(`${elsewhere}:4500`)
    expect([encapOf(xfrmA), encapOf(xfrmB)]).toEqual([['udp'], ['udp']])
    expect([...a.ike.streams(), ...b.ike.streams()]).toEqual([])
  })

  it('opens a connection from the new address where UDP is not to be tried', () => {
    const { a, b, clock, streams } = established(always)
    a.roam(elsewhere)
    clock.advance(200)
    expect(streams.asked).toBe(2)
    expect(remoteOf(b)).toBe(`${elsewhere}:50001/tcp`)
    // Whoever has shaken hands need not prove that it is there.
    expect(sentBy(b, 'INFORMATIONAL').filter(({ response }) => !response)).toEqual([])
  })
})

describe('a responder', () => {
  it('asks for no cookie, which the handshake of TCP is worth', () => {
    const { a } = established(always, {}, { limits: { cookieThreshold: 0 } })
    expect(sentBy(a, 'IKE_SA_INIT')).toHaveLength(1)
  })

  it('is believed at once when it refuses', () => {
    const { a, clock } = makePair(always, {}, { b: { proposals: ['aes256gcm16-prfsha384-ecp384'] } })
    a.initiate('office')
    clock.advance(100)
    expect(a.eventsOf('ike-closed').map(({ reason }) => reason)).toEqual(['refused'])
  })

  it('is not led from one connection to another by what is not authentic', () => {
    const { a, b, clock } = established(always)
    const forged = {
      local: { address: parseIp(right), port: 4500, tcp: true as const },
      remote: { address: parseIp(elsewhere), port: 1, tcp: true as const },
    }
    const message = new Uint8Array(80)
    const [sa] = b.status()
    message.set(Buffer.from(`${sa!.SPIi}${sa!.SPIr}`, 'hex'))
    message.set([46, 0x20, 37, 0x08, 0, 0, 0, 2, 0, 0, 0, 80, 0, 0, 0, 52], 16)
    b.perform(b.ike.handleDatagram({ ...forged, message }, b.now))
    clock.advance(100)
    expect(b.eventsOf('dropped').map(({ reason }) => reason)).toEqual(['bad-integrity'])
    expect(remoteOf(b)).toBe(`${left}:50000/tcp`)
    expect(a.status()).toHaveLength(1)
  })
})
