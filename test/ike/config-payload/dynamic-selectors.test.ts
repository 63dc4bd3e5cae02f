import { describe, expect, it } from 'vitest'
import { formatTrafficSelector, parseTrafficSelector } from '../../../src/ike/negotiation/traffic-selector.ts'
import { parseIp } from '../../../src/ip/address.ts'
import { createPair } from '../../../src/testing/create-pair.ts'
import type { VirtualGateway } from '../../../src/testing/virtual-gateway.ts'
import { makePair } from '../support.ts'

const net = (localTs: readonly string[], remoteTs: readonly string[]) => ({
  children: [{ name: 'net', localTs, remoteTs }],
})
const selectors = (gateway: VirtualGateway) =>
  gateway.ikeSa.children.map(({ localTs, remoteTs }) => ({ localTs, remoteTs }))

describe('dynamic selectors', () => {
  it.each(['dynamic', 'dynamic[tcp]', 'dynamic[tcp/80]', 'dynamic[udp/1024-2048]'])(
    'are read and written: %s',
    (text) => {
      expect(parseTrafficSelector(text)).toMatchObject({ dynamic: true })
      expect(formatTrafficSelector(parseTrafficSelector(text))).toBe(text)
    },
  )

  it('stand for the addresses of the path where nobody has others', () => {
    const { a, b, connect } = createPair({
      a: net(['dynamic[tcp]'], ['10.2.0.0/16']),
      b: net(['10.2.0.0/16'], ['dynamic']),
    })
    connect()
    expect(selectors(a)).toEqual([{ localTs: ['192.0.2.1/32[tcp]'], remoteTs: ['10.2.0.0/16'] }])
    expect(selectors(b)).toEqual([{ localTs: ['10.2.0.0/16'], remoteTs: ['192.0.2.1/32[tcp]'] }])
  })

  it('stand for both ends of a CHILD_SA between the hosts themselves', () => {
    const { a, connect } = createPair({ both: net(['dynamic'], ['dynamic']) })
    connect()
    expect(selectors(a)).toEqual([{ localTs: ['192.0.2.1/32'], remoteTs: ['198.51.100.2/32'] }])
  })

  it('are explained when the peer offers others: behind a NAT it knows another address of itself', () => {
    const { clock, a, b } = createPair({
      nat: {},
      a: net(['dynamic'], ['10.2.0.0/16']),
      b: net(['10.2.0.0/16'], ['dynamic']),
    })
    a.initiate('to-b')
    clock.advance(1000)
    expect(b.eventsOf('refused')[0]!.refusal).toMatchObject({
      kind: 'ts-unacceptable',
      offeredTSi: ['192.168.1.2/32'],
      configuredRemote: ['203.0.113.7/32'],
      hint: expect.stringContaining('"dynamic" stands for 203.0.113.7 of the peer, where its packets come from'),
    })
    expect(a.eventsOf('refused')[0]!.refusal).toMatchObject({ by: 'peer', offeredTSi: ['192.168.1.2/32'] })
  })

  it('stay what they were when the CHILD_SA is rekeyed from elsewhere', () => {
    const { clock, a, b, connect } = createPair({
      roaming: true,
      a: net(['dynamic'], ['10.2.0.0/16']),
      b: net(['10.2.0.0/16'], ['dynamic']),
    })
    connect()
    a.roam('203.0.113.50')
    clock.advance(20_000)
    const [child] = a.ikeSa.children
    a.perform(a.ike.rekeyChild(a.ikeSa.sa.id, child!.spiIn, a.now))
    clock.advance(2_000)
    expect(a.eventsOf('child-rekeyed')).toHaveLength(1)
    expect(selectors(a)).toEqual([{ localTs: ['192.0.2.1/32'], remoteTs: ['10.2.0.0/16'] }])
    expect(selectors(b)).toEqual([{ localTs: ['10.2.0.0/16'], remoteTs: ['192.0.2.1/32'] }])
  })

  it('wait for packets of any address in a trap, while the own one is still to be given', () => {
    const children = [{ name: 'net', localTs: ['dynamic'], remoteTs: ['10.2.0.0/16'], startAction: 'trap' as const }]
    const { a, xfrmA } = makePair({ a: { children, virtualIps: ['0.0.0.0', '::'] } })
    a.begin()
    expect([...xfrmA.policies.values()].map(({ selector }) => selector.source.start)).toEqual([parseIp('0.0.0.0')])
    const plain = makePair({ a: { children } })
    plain.a.begin()
    expect([...plain.xfrmA.policies.values()].map(({ selector }) => selector.source)).toEqual([
      { start: parseIp('192.0.2.1'), end: parseIp('192.0.2.1') },
    ])
  })
})
