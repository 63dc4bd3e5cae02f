import { describe, expect, it } from 'vitest'
import { buildIcmpEcho, buildUdp, parseIp } from '../../src/ip/index.ts'
import { VirtualNat, VirtualTraffic } from '../../src/testing/index.ts'
import { left, leftConnection, right } from '../ike/support.ts'
import { makeGateways } from './gateways.ts'

const ping = buildIcmpEcho('request', {
  source: parseIp('10.1.0.1'),
  destination: parseIp('10.2.0.1'),
  identifier: 1,
  sequence: 1,
  data: new Uint8Array(20).fill(0x5a),
})
const trap = leftConnection.children.map((child) => ({ ...child, startAction: 'trap' as const }))

describe('a virtual gateway', () => {
  it('carries packets through its tunnel, encrypted on the wire', () => {
    const { clock, network, a, b } = makeGateways()
    a.initiate('office')
    clock.advance(1000)
    const replies: Uint8Array[] = []
    a.onInner((packet) => replies.push(packet))
    b.answerPings()
    expect(a.inject(ping)).toBe('sent')
    clock.advance(1000)
    expect(replies).toHaveLength(1)
    const esp = network.sent.filter(({ note }) => note?.kind === 'esp')
    expect(esp.map(({ note }) => note!.sender)).toEqual([a, b])
    expect(Buffer.from(esp[0]!.payload).includes(Buffer.alloc(20, 0x5a))).toBe(false)
    expect([...a.databases.states()].map(({ packets }) => packets)).toEqual([1, 1])
  })

  it('brings a trapped CHILD_SA up for the first packet, which then leaves', () => {
    const { clock, a, b } = makeGateways({ a: { children: trap } })
    a.begin()
    b.answerPings()
    const replies: Uint8Array[] = []
    a.onInner((packet) => replies.push(packet))
    expect(a.inject(ping)).toBe('queued')
    clock.advance(1000)
    expect(replies).toHaveLength(1)
  })

  it('says why it drops a packet', () => {
    const { a } = makeGateways()
    const stray = buildUdp({
      source: parseIp('10.9.0.1'),
      destination: parseIp('10.2.0.1'),
      sourcePort: 1,
      destinationPort: 2,
      data: new Uint8Array(1400),
    })
    expect(a.inject(ping)).toBe('XfrmOutPolBlock')
    expect(a.inject(stray)).toBe('device')
    a.crash()
    expect(() => a.inject(ping)).toThrow('is down')
  })

  it('expires its states by the virtual clock', () => {
    const children = leftConnection.children.map((child) => ({
      ...child,
      lifetime: { softMs: 70_000, hardMs: 60_000 },
    }))
    const { clock, a, b } = makeGateways({ a: { children } })
    a.initiate('office')
    clock.advance(59_000)
    expect([...a.databases.states()]).toHaveLength(2)
    clock.advance(3_000)
    expect([...a.databases.states(), ...b.databases.states()]).toEqual([])
  })

  it('follows a peer whose NAT binds it anew, by its ESP', () => {
    let nat: VirtualNat | undefined
    const { clock, a, b } = makeGateways({
      a: { encap: 'auto', mobike: false },
      b: { encap: 'auto', remoteAddress: undefined, mobike: false },
      placeA: (network) => {
        nat = new VirtualNat(network, { outside: '203.0.113.7' })
        return nat
      },
    })
    a.initiate('office')
    clock.advance(1000)
    b.answerPings()
    const replies: Uint8Array[] = []
    a.onInner((packet) => replies.push(packet))
    nat!.rebind({ outside: '203.0.113.8' })
    a.inject(ping)
    clock.advance(100)
    expect(replies).toHaveLength(1)
    expect(b.eventsOf('remote-moved')).toMatchObject([{ to: { address: parseIp('203.0.113.8') } }])
  })

  it('takes ESP that comes without UDP', () => {
    const { clock, network, a } = makeGateways()
    const [from, to] = [parseIp(right), parseIp(left)].map((address) => ({ address, port: 0 }))
    network.send({ from: from!, to: to!, payload: new Uint8Array(40).fill(1) })
    clock.advance(100)
    expect(a.databases.stats.value('XfrmInNoStates')).toBe(1)
    // Its sender is told in an IKE message, which has ports.
    expect(network.sent.at(-1)).toMatchObject({ from: { port: 500 }, to: { address: from!.address, port: 500 } })
  })

  it('has nothing after a crash', () => {
    const { clock, a } = makeGateways()
    a.initiate('office')
    clock.advance(1000)
    a.crash()
    expect(a.status()).toEqual([])
    a.restart()
    expect([...a.databases.states()]).toEqual([])
    expect(a.inject(ping)).toBe('XfrmOutPolBlock')
  })
})

describe('virtual traffic', () => {
  const none = { duplicated: 0, reordered: 0, lostByNetwork: 0, lostByVpn: 0, waiting: 0, underWay: 0 }

  it('arrives once on a good network', () => {
    const { clock, a, b } = makeGateways()
    a.initiate('office')
    clock.advance(1000)
    const traffic = new VirtualTraffic(a, b, { everyMs: 10 })
    traffic.start()
    clock.advance(995)
    traffic.stop()
    clock.advance(1000)
    const { aToB, bToA } = traffic.report()
    expect(aToB).toMatchObject({ sent: 100, delivered: 100, ...none })
    expect(bToA).toMatchObject({ sent: 100, delivered: 100, ...none })
  })

  it('is accounted for to the packet on a bad one: what the network lost, and nothing beside', () => {
    const { clock, network, a, b } = makeGateways()
    a.initiate('office')
    clock.advance(1000)
    network.configure({ loss: 0.1, duplicate: 0.1, reorder: 0.1, jitterMs: 5 })
    const traffic = new VirtualTraffic(a, b, { everyMs: 10 })
    traffic.start()
    clock.advance(20_000)
    traffic.stop()
    clock.advance(1000)
    const { aToB, bToA } = traffic.report()
    for (const flow of [aToB, bToA]) {
      expect(flow).toMatchObject({ sent: 2001, duplicated: 0, lostByVpn: 0, waiting: 0, underWay: 0 })
      expect(flow.delivered + flow.lostByNetwork).toBe(flow.sent)
      expect(flow.reordered).toBeGreaterThan(100)
      expect(flow.networkReasons).toEqual({ loss: flow.lostByNetwork })
      expect(flow.lostByNetwork).toBeGreaterThan(140)
      expect(new Set(flow.networkLosses.map(({ cause }) => cause))).toEqual(new Set(['loss']))
    }
  })

  it('tells what the VPN lost, and why', () => {
    const { clock, a, b } = makeGateways()
    a.initiate('office')
    clock.advance(1000)
    const traffic = new VirtualTraffic(a, b)
    traffic.send()
    clock.advance(100)
    for (const state of [...b.databases.states()]) b.databases.delSa(state)
    traffic.send()
    clock.advance(100)
    const { aToB, bToA } = traffic.report()
    expect(aToB).toMatchObject({ sent: 2, delivered: 1, lostByVpn: 1 })
    expect(aToB.vpnLosses).toEqual([{ number: 1, sentAt: 1100, cause: 'XfrmInNoStates' }])
    expect(bToA).toMatchObject({ sent: 2, delivered: 1, lostByVpn: 0, waiting: 1 })
  })

  it('counts a packet that arrives twice', () => {
    const { clock, a, b } = makeGateways()
    a.initiate('office')
    clock.advance(1000)
    const traffic = new VirtualTraffic(a, b)
    const packets: Uint8Array[] = []
    b.onInner((packet) => packets.push(packet))
    traffic.send()
    clock.advance(100)
    // A datapath that delivered twice would do this.
    expect(a.inject(packets[0]!)).toBe('sent')
    clock.advance(100)
    expect(traffic.report().aToB).toMatchObject({ sent: 1, delivered: 1, duplicated: 1 })
  })

  it('is IPv6, too, inside and outside', () => {
    const inner = { a: '2001:db8:a::/64', b: '2001:db8:b::/64' }
    const v6 = (local: string, remote: string, localTs: string, remoteTs: string) => ({
      localAddress: local,
      remoteAddress: remote,
      children: [{ name: 'net', localTs: [localTs], remoteTs: [remoteTs] }],
    })
    const [addressA, addressB] = ['2001:db8::1', '2001:db8::2'] as const
    const { clock, a, b } = makeGateways({
      a: v6(addressA, addressB, inner.a, inner.b),
      b: v6(addressB, addressA, inner.b, inner.a),
    })
    a.roam(addressA)
    b.roam(addressB)
    a.initiate('office')
    clock.advance(1000)
    const traffic = new VirtualTraffic(a, b)
    traffic.send()
    clock.advance(100)
    expect(traffic.report()).toMatchObject({ aToB: { delivered: 1, ...none }, bToA: { delivered: 1, ...none } })
  })

  it('waits for a trap, and then leaves', () => {
    const { clock, a, b } = makeGateways({ a: { children: trap } })
    a.begin()
    const traffic = new VirtualTraffic(a, b)
    traffic.send()
    expect(traffic.report()).toMatchObject({
      aToB: { waiting: 1 },
      bToA: { vpnLosses: [{ cause: 'XfrmOutPolBlock' }] },
    })
    clock.advance(1000)
    expect(traffic.report()).toMatchObject({ aToB: { waiting: 0, delivered: 1 } })
  })
})
