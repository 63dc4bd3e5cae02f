import { afterEach, describe, expect, it, vi } from 'vitest'
import { pskConnection } from '../../../src/config/connection.ts'
import { IkeSa } from '../../../src/ike/ike-sa.ts'
import { formatIp, parseIp } from '../../../src/ip/address.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { VirtualClock, VirtualNetwork } from '../../../src/testing/virtual-network.ts'
import { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import type { XfrmMapping, XfrmStateConfig } from '../../../src/xfrm/port.ts'
import { alterPayloads, chooseSpis } from '../alter.ts'
import { establishedPair, left, leftConnection, makePair, right, rightConnection } from '../support.ts'

const elsewhere = '203.0.113.7'
const theirSpi = 0x11223344

afterEach(() => vi.restoreAllMocks())

/** A gateway with two peers of one connection, both established. `spis` are those that the peers receive on. */
function gatewayWithTwo(spis: readonly [number, number], livenessDelayMs = 0) {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const xfrm = new RecordingXfrm()
  chooseSpis((connection) => (connection === 'first' ? spis[0] : connection === 'second' ? spis[1] : undefined))
  const { remoteAddress: _, ...waiting } = rightConnection
  const anyone = pskConnection({ ...waiting, livenessDelayMs: 0, mobike: false, remoteId: '*.example.org' })
  const gateway = new VirtualPeer(network, { address: right, connections: [anyone], xfrm })
  const peer = (name: string, address: string, delay: number) => {
    const settings = { ...leftConnection, name, localAddress: address, localId: `${name}.example.org` }
    const connections = [pskConnection({ ...settings, livenessDelayMs: delay })]
    const one = new VirtualPeer(network, { address, connections })
    one.initiate(name)
    clock.advance(1000)
    return one
  }
  const first = peer('first', left, 0)
  const second = peer('second', elsewhere, livenessDelayMs)
  return { clock, network, gateway, xfrm, first, second }
}

const mappingOf = (child: { spiIn: number; reqid: number }, from: string, to: string): XfrmMapping => ({
  daddr: parseIp(right),
  spi: child.spiIn,
  proto: 50,
  reqid: child.reqid,
  oldAddress: parseIp(from),
  oldPort: 4500,
  newAddress: parseIp(to),
  newPort: 7777,
})

const remotesOf = (peer: VirtualPeer) => peer.ike.status().map(({ remote }) => formatIp(remote.address))

describe('a peer that chose the outbound SPI of another', () => {
  it('is not followed to its address by an ESP packet, and nothing is half done', () => {
    const { clock, gateway, xfrm } = gatewayWithTwo([theirSpi, theirSpi])
    const before = structuredClone([...xfrm.states.entries(), ...xfrm.policies.entries()])
    const child = gateway.ike.status()[1]!.children[0]!
    gateway.perform(gateway.ike.mapping(mappingOf(child, elsewhere, left), clock.now))
    expect(remotesOf(gateway)).toEqual([left, elsewhere])
    expect(gateway.eventsOf('move-refused')).toMatchObject([
      { sa: { id: 2 }, remote: { address: parseIp(elsewhere) }, to: { address: parseIp(left) }, spiOut: theirSpi },
    ])
    expect([...xfrm.states.entries(), ...xfrm.policies.entries()]).toEqual(before)
  })

  it('is not followed by an IKE message either, and is answered where it is', () => {
    const { clock, network, gateway } = gatewayWithTwo([theirSpi, theirSpi], 10_000)
    network.path = (datagram) =>
      formatIp(datagram.from.address) === elsewhere
        ? [{ ...datagram, from: { address: parseIp(left), port: 7777 } }]
        : [datagram]
    clock.advance(11_000)
    expect(remotesOf(gateway)).toEqual([left, elsewhere])
    expect(gateway.eventsOf('move-refused').length).toBeGreaterThan(0)
  })

  it('leaves all states and policies to be taken back', () => {
    const { clock, gateway, xfrm } = gatewayWithTwo([theirSpi, theirSpi])
    const child = gateway.ike.status()[1]!.children[0]!
    gateway.perform(gateway.ike.mapping(mappingOf(child, elsewhere, left), clock.now))
    gateway.perform(gateway.ike.deleteIke(2, clock.now))
    clock.advance(1000)
    expect([...xfrm.states.values()].map(({ saddr, daddr }) => [saddr, daddr].map(formatIp))).toEqual([
      [left, right],
      [right, left],
    ])
    gateway.perform(gateway.ike.shutdown(clock.now))
    clock.advance(1000)
    expect([xfrm.states.size, xfrm.policies.size]).toEqual([0, 0])
  })

  it('is followed when its SPI is its own', () => {
    const { clock, gateway } = gatewayWithTwo([theirSpi, theirSpi + 1])
    const child = gateway.ike.status()[1]!.children[0]!
    gateway.perform(gateway.ike.mapping(mappingOf(child, elsewhere, left), clock.now))
    expect(remotesOf(gateway)).toEqual([left, left])
  })
})

describe('a peer at an address of ours', () => {
  const withSecond = (config: typeof leftConnection, local: string, remote: string) => [
    ...config.children,
    { name: 'second', localTs: [local], remoteTs: [remote], espProposals: ['aes128gcm16'] },
  ]

  it('that names our inbound SPI is refused, and nothing stays behind', () => {
    const pair = makePair({
      a: { children: withSecond(leftConnection, '10.3.0.0/16', '10.4.0.0/16') },
      b: { children: withSecond(rightConnection, '10.4.0.0/16', '10.3.0.0/16') },
      adjustB: (connection) => ({ ...connection, remote: { ...connection.remote, address: undefined } }),
    })
    // To b, a is at b's own address: what a sends from port n comes from n + 10000 there.
    pair.network.path = (datagram) => {
      const { from, to } = datagram
      if (formatIp(from.address) === left)
        return [{ ...datagram, from: { address: parseIp(right), port: from.port + 10_000 } }]
      return to.port > 10_000 ? [{ ...datagram, to: { address: parseIp(left), port: to.port - 10_000 } }] : [datagram]
    }
    pair.a.initiate('office')
    pair.clock.advance(1000)
    const spiIn = pair.b.ike.status()[0]!.children[0]!.spiIn
    chooseSpis((connection) => (connection === 'office' ? spiIn : undefined))
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ child: 'second', refusal: { kind: 'no-proposal-chosen' } }])
    expect(pair.b.ike.status()).toMatchObject([{ state: 'established', children: [{ name: 'net' }] }])
    expect([pair.xfrmB.states.size, pair.xfrmB.larval.size, pair.xfrmB.policies.size]).toEqual([2, 0, 3])
  })
})

describe('a database that refuses a state, against all expectation', () => {
  class Refusing extends RecordingXfrm {
    override newSa(state: XfrmStateConfig): void {
      if (state.direction === 'out') throw new Error('no room')
      super.newSa(state)
    }
  }

  it.each(['a', 'b'] as const)('ends that IKE_SA at %s and leaves no state, policy or SPI', (side) => {
    const clock = new VirtualClock()
    const network = new VirtualNetwork(clock)
    const xfrms = {
      a: side === 'a' ? new Refusing() : new RecordingXfrm(),
      b: side === 'b' ? new Refusing() : new RecordingXfrm(),
    }
    const a = new VirtualPeer(network, { address: left, connections: [pskConnection(leftConnection)], xfrm: xfrms.a })
    const b = new VirtualPeer(network, { address: right, connections: [pskConnection(rightConnection)], xfrm: xfrms.b })
    a.initiate('office')
    expect(() => clock.advance(1000)).toThrow('no room')
    const xfrm = xfrms[side]
    expect([xfrm.states.size, xfrm.larval.size, xfrm.policies.size]).toEqual([0, 0, 0])
    expect((side === 'a' ? a : b).ike.isIdle()).toBe(true)
  })
})

describe('a mistake of ours in a timer', () => {
  it('ends that IKE_SA and lets the others be served', () => {
    const { clock, network, gateway } = gatewayWithTwo([theirSpi, theirSpi + 1])
    network.path = () => []
    gateway.perform(gateway.ike.shutdown(clock.now))
    vi.spyOn(IkeSa.prototype, 'serveTimers').mockImplementationOnce(() => {
      throw new Error('a mistake')
    })
    expect(() => gateway.perform(gateway.ike.handleTimeouts(gateway.ike.nextTimeoutAt()))).toThrow('a mistake')
    expect(gateway.ike.status().map(({ sa }) => sa.id)).toEqual([2])
  })
})

describe('what the database tells', () => {
  it('mapping concerns the CHILD_SA that receives on the SPI, and none that sends with it', () => {
    const { clock, gateway } = gatewayWithTwo([theirSpi, theirSpi + 1])
    gateway.perform(gateway.ike.mapping(mappingOf({ spiIn: theirSpi, reqid: 1 }, left, '203.0.113.99'), clock.now))
    expect(gateway.eventsOf('remote-moved')).toEqual([])
  })

  it('expire deletes the CHILD_SA of exactly that state', () => {
    const pair = establishedPair()
    const [child] = pair.a.ike.status()[0]!.children
    const good = { daddr: parseIp(right), spi: child!.spiOut, proto: 50, reqid: child!.reqid, hard: true }
    const wrong = [
      { ...good, daddr: parseIp(left) },
      { ...good, reqid: good.reqid + 1 },
    ]
    for (const expire of wrong) pair.a.perform(pair.a.ike.expire(expire, pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(1)
    pair.a.perform(pair.a.ike.expire(good, pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children).toEqual([])
    expect(pair.b.ike.status()[0]!.children).toEqual([])
    expect(pair.a.eventsOf('child-closed')[0]!.reason).toBe('expired')
  })
})

describe('DELETE for ESP', () => {
  it.each([0, 1, 3, 8])('with SPIs of %i octets deletes nothing by their first four', (spiSize) => {
    const pair = establishedPair()
    const { spiIn } = pair.a.ike.status()[0]!.children[0]!
    const spi = Uint8Array.of(spiIn >>> 24, spiIn >>> 16, spiIn >>> 8, spiIn, 0, 0, 0, 0).subarray(0, spiSize)
    alterPayloads((_, payloads) =>
      payloads.map((one) => (one.kind === 'D' ? { ...one, spiSize, spis: spiSize === 0 ? [] : [spi] } : one)),
    )
    pair.a.perform(pair.a.ike.deleteChild(1, spiIn, pair.clock.now))
    pair.clock.advance(10)
    expect(pair.b.eventsOf('child-closed').map(({ reason }) => reason)).toEqual(['error'])
    expect(pair.b.eventsOf('message').at(-1)!.payloads).toEqual(['N(INVALID_SYNTAX)'])
  })
})
