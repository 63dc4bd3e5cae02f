import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, readU16, writeU16 } from '../../src/bytes/index.ts'
import { DatapathStatus, droppedAs, newOuterFields } from '../../src/datapath/index.ts'
import {
  buildIcmpEcho,
  buildIp,
  buildIpv4,
  buildIpv6,
  buildUdp,
  checksum,
  FlowStatus,
  newPacketFlow,
  parseFlow,
  parseIp,
  transportChecksum,
} from '../../src/ip/index.ts'
import { modePair, type PairFields } from './mode-support.ts'

const hosts = { leftTs: '192.0.2.1/32', rightTs: '198.51.100.2/32', extra: { mode: 'transport' } } as const
const hosts6 = {
  ...{ left: '2001:db8::1', right: '2001:db8::2', leftTs: '2001:db8::1/128', rightTs: '2001:db8::2/128' },
  extra: { mode: 'transport' },
} as const
const v4 = { source: parseIp('192.0.2.1'), destination: parseIp('198.51.100.2') }
const v6 = { source: parseIp('2001:db8::1'), destination: parseIp('2001:db8::2') }
const data = Uint8Array.from({ length: 40 }, (_, i) => i)
const udp = (addresses: typeof v4) => buildUdp({ ...addresses, sourcePort: 5000, destinationPort: 7, data })

/** An IPv4 packet with options. */
function withOptions(packet: Uint8Array, options: Uint8Array): Uint8Array {
  const whole = concat(packet.subarray(0, 20), options, packet.subarray(20))
  whole[0] = 0x45 + options.length / 4
  writeU16(whole, 2, whole.length)
  writeU16(whole, 10, 0)
  writeU16(whole, 10, checksum(whole, 0, 20 + options.length))
  return whole
}

/** What stays of an IPv4 header when it is made anew: all but its identification. */
function withoutId(packet: Uint8Array): Uint8Array {
  if (packet[0]! >>> 4 === 6) return packet
  const copy = packet.slice()
  writeU16(copy, 4, 0)
  writeU16(copy, 10, 0)
  writeU16(copy, 10, checksum(copy, 0, (copy[0]! & 15) * 4))
  return copy
}

function through(fields: PairFields, packet: Uint8Array): { got: Uint8Array; sent: Uint8Array; status: number } {
  const { left, right } = modePair(fields)
  const sent = left.seal(packet)
  const status = right.take(left.sent.at(-1)!, left.socket)
  return { got: right.delivered[0] ?? new Uint8Array(0), sent, status }
}

/** Extension headers by number, each with the number of its eight-octet units. */
const headers = fc.array(fc.tuple(fc.constantFrom(43, 60), fc.nat(2)), { maxLength: 4 })
function ipv6With(chain: readonly (readonly [number, number])[], label: number): Uint8Array {
  const inside = udp(v6).subarray(40)
  const payload = chain.map(([, units], at) => {
    const header = new Uint8Array(8 + units * 8).fill(0x11)
    header[0] = chain[at + 1]?.[0] ?? 17
    header[1] = units
    return header
  })
  const packet = buildIpv6({
    ...{ ...v6, protocol: chain[0]?.[0] ?? 17, payload: concat(...payload, inside) },
    ...{ hopLimit: 33, trafficClass: 0x2d },
  })
  packet[1]! |= label >>> 16
  writeU16(packet, 2, label & 0xffff)
  return packet
}

describe('transport mode', () => {
  it.each([
    ['IPv4', hosts, udp(v4)],
    ['IPv6', hosts6, udp(v6)],
  ] as const)('%s: carries the payload alone and makes the same packet of it', (_, fields, packet) => {
    const header = packet[0]! >>> 4 === 4 ? 20 : 40
    const tunnel = modePair({ ...fields, extra: {} }).left.seal(packet)
    const { got, sent, status } = through(fields, packet)
    expect(status).toBe(DatapathStatus.DONE)
    expect(withoutId(got)).toEqual(withoutId(packet))
    expect(tunnel.length - sent.length).toBe(header)
  })

  it('keeps IPv6 extension headers on their side of ESP, whatever they are', () => {
    fc.assert(
      fc.property(fc.boolean(), headers, fc.nat(0xfffff), (hopByHop, chain, label) => {
        const all = hopByHop ? ([[0, 1], ...chain] as const) : chain
        const packet = ipv6With(all, label)
        const fields = { ...hosts6, options: { headerOptions: 'carry' } } as const
        const { left, right } = modePair(fields)
        left.seal(packet)
        const sent = left.sent[0]!
        expect(right.take(sent, left.socket)).toBe(DatapathStatus.DONE)
        expect(right.delivered).toEqual([packet])
        // In front: up to the last routing header, or the hop-by-hop one. RFC 4303 §3.1.1.
        const last = all.findLastIndex(([header]) => header === 43 || header === 0)
        const front = all.slice(0, last + 1)
        expect(sent.front.length).toBe(front.reduce((sum, [, units]) => sum + 8 + units * 8, 0))
        expect(sent.outer.firstHeader).toBe(front[0]?.[0] ?? 50)
        expect(sent.outer).toMatchObject({ hopLimit: 33, trafficClass: 0x2d, flowLabel: label, dontFragment: true })
      }),
      { numRuns: 200 },
    )
  })

  it('carries IPv4 options in front of ESP for a sender that writes headers', () => {
    const packet = withOptions(udp(v4), Uint8Array.of(0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0))
    const { got, status } = through({ ...hosts, options: { headerOptions: 'carry' } }, packet)
    expect(status).toBe(DatapathStatus.DONE)
    expect(withoutId(got)).toEqual(withoutId(packet))
  })

  it.each([
    ['IPv4 options', hosts, withOptions(udp(v4), Uint8Array.of(0x94, 4, 0, 0)), udp(v4)],
    ['hop-by-hop options', hosts6, ipv6With([[0, 0]], 0), ipv6With([], 0)],
  ] as const)('%s: refuses them, or drops them where that is set', (_, fields, packet, plain) => {
    const { left } = modePair(fields)
    expect(droppedAs(left.send(packet))).toBe('XfrmOutStateModeError')
    expect(left.sent).toEqual([])
    const { got } = through({ ...fields, options: { headerOptions: 'drop' } }, packet)
    expect(withoutId(got)).toEqual(withoutId(plain))
  })

  it('never drops a routing header, which says where the packet goes', () => {
    const { left } = modePair({ ...hosts6, options: { headerOptions: 'drop' } })
    expect(droppedAs(left.send(ipv6With([[43, 0]], 0)))).toBe('XfrmOutStateModeError')
  })

  it.each([
    ['a first fragment', hosts, buildIpv4({ ...v4, protocol: 17, payload: data, moreFragments: true })],
    ['a later one', hosts, buildIpv4({ ...v4, protocol: 17, payload: data, fragmentOffset: 8 })],
    [
      'one of IPv6',
      hosts6,
      buildIpv6({ ...v6, protocol: 44, payload: Uint8Array.of(17, 0, 0, 9, 0, 0, 0, 1, ...data) }),
    ],
  ] as const)('%s is not carried, RFC 4303 §3.3.4', (_, fields, packet) => {
    const { left } = modePair(fields)
    expect(droppedAs(left.send(packet))).toBe('XfrmOutStateModeError')
    expect(left.xfrm.stats.value('XfrmOutStateModeError')).toBe(1)
    expect(left.sent).toEqual([])
  })

  it('carries only packets between the outer addresses, and asks for a state between others', () => {
    const { left } = modePair({ ...hosts, leftTs: '10.1.0.0/16' })
    const packet = buildUdp({ ...v4, source: parseIp('10.1.0.1'), sourcePort: 1, destinationPort: 2, data })
    expect(left.send(packet)).toBe(DatapathStatus.QUEUED)
    expect(left.sent).toEqual([])
  })

  it('takes IP in IP as what it is: a payload', () => {
    const packet = buildIp({
      ...v4,
      protocol: 4,
      payload: buildIcmpEcho('request', { ...v4, identifier: 1, sequence: 2, data }),
    })
    const { got, status } = through(hosts, packet)
    expect(status).toBe(DatapathStatus.DONE)
    expect(withoutId(got)).toEqual(withoutId(packet))
  })

  it('leaves the payload of protocol 94, which means something in BEET mode alone', () => {
    for (const [fields, packet] of [
      [hosts, buildIpv4({ ...v4, protocol: 94, payload: data })],
      [hosts6, buildIpv6({ ...v6, protocol: 94, payload: data })],
    ] as const) {
      expect(withoutId(through(fields, packet).got)).toEqual(withoutId(packet))
    }
  })

  it('does not take from inside what belongs in front of ESP, or is a part of a packet', () => {
    for (const nextHeader of [0, 44]) {
      const { left, right, out } = modePair(hosts6)
      const buffer = new Uint8Array(200)
      const length = out.encapsulator!.encapsulate(buffer, 64, 48, nextHeader)
      const at = 64 - out.encapsulator!.headerBytes
      expect(droppedAs(right.receive(buffer.slice(at, at + length), left.socket))).toBe('XfrmInStateModeError')
    }
  })
})

it.each([
  ['IPv4', hosts],
  ['IPv6', hosts6],
] as const)(
  '%s: transport mode never throws for anything inside and in front, and delivers whole packets between its hosts',
  (_, fields) => {
    const { left, right, out } = modePair({ ...fields, options: { headerOptions: 'carry' } })
    const header = fields === hosts ? 20 : 40
    const octetsOf = (maxLength: number) => fc.uint8Array({ maxLength })
    let delivered = 0
    fc.assert(
      fc.property(
        octetsOf(80),
        octetsOf(48),
        fc.nat(255),
        fc.nat(255),
        fc.boolean(),
        (octets, noise, next, first, sane) => {
          const front = sane && header === 20 ? noise.slice(0, noise.length & ~3 & 0x3f).slice(0, 40) : noise
          if (sane && header === 40 && front.length >= 8) front.set([60, (front.length >>> 3) - 1])
          const esp = out.encapsulator!
          const buffer = new Uint8Array(64 + octets.length + 64)
          buffer.set(octets, 64)
          const length = esp.encapsulate(buffer, 64, octets.length, next)
          const outer = {
            ...newOuterFields(),
            trafficClass: first,
            optionBytes: front.length,
            firstHeader: sane ? 60 : first,
          }
          const packet = buffer.slice(64 - esp.headerBytes, 64 - esp.headerBytes + length)
          right.receive(packet, left.socket, outer, sane && header === 40 ? front.slice(0, front.length & ~7) : front)
          for (const one of right.delivered.splice(0)) {
            const flow = newPacketFlow()
            expect(parseFlow(one, 0, one.length, flow)).toBe(FlowStatus.OK)
            expect(flow.totalLength).toBe(one.length)
            const { source, destination } = header === 20 ? v4 : v6
            expect([...flow.source.slice(0, source.length)]).toEqual([...source])
            expect([...flow.destination.slice(0, source.length)]).toEqual([...destination])
            delivered++
          }
        },
      ),
      { numRuns: 1500 },
    )
    expect(delivered).toBeGreaterThan(100)
  },
)

describe('transport mode through a NAT', () => {
  const inside = parseIp('192.168.1.2')
  const outside = parseIp('192.0.2.1')
  const server = parseIp('198.51.100.2')

  it.each([
    ['UDP', udp({ source: inside, destination: server }), 17],
    ['TCP', tcpPacket(inside, server), 6],
  ] as const)('corrects the checksum of %s to the addresses that the NAT made', (_, packet, protocol) => {
    const { right, out } = modePair({
      ...hosts,
      extra: { mode: 'transport', originalAddresses: { source: inside, destination: server } },
    })
    const buffer = new Uint8Array(64 + packet.length + 64)
    buffer.set(packet, 64)
    const esp = out.encapsulator!
    const length = esp.encapsulate(buffer, 84, packet.length - 20, protocol)
    const at = 84 - esp.headerBytes
    // From anywhere: the addresses are those that the SA was made with.
    const status = right.receive(buffer.slice(at, at + length), { address: parseIp('203.0.113.99'), port: 4500 })
    expect(status).toBe(DatapathStatus.DONE)
    const [got] = right.delivered
    const flow = newPacketFlow()
    parseFlow(got!, 0, got!.length, flow)
    expect([...flow.source.slice(0, 4), ...flow.destination.slice(0, 4)]).toEqual([...outside, ...server])
    expect(transportChecksum(outside, server, protocol, got!, 20, got!.length - 20)).toBe(0)
  })

  it('leaves a UDP checksum of zero', () => {
    const { left, right } = modePair({
      ...hosts,
      extra: { mode: 'transport', originalAddresses: { source: inside, destination: server } },
    })
    const packet = udp(v4)
    writeU16(packet, 26, 0)
    right.receive(left.seal(packet), left.socket)
    expect(readU16(right.delivered[0]!, 26)).toBe(0)
  })
})

describe('BEET mode', () => {
  const beet = { leftTs: '10.1.0.1/32', rightTs: '10.2.0.1/32', extra: { mode: 'beet' } } as const
  const beet6 = { leftTs: 'fd00::1/128', rightTs: 'fd00::2/128', extra: { mode: 'beet' } } as const
  const inner4 = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.1') }
  const inner6 = { source: parseIp('fd00::1'), destination: parseIp('fd00::2') }
  const outer6 = { left: '2001:db8::1', right: '2001:db8::2' }

  it.each([
    ['IPv4 in IPv4', beet, udp(inner4)],
    ['IPv4 in IPv6', { ...beet, ...outer6 }, udp(inner4)],
    ['IPv6 in IPv4', beet6, udp(inner6)],
    ['IPv6 in IPv6', { ...beet6, ...outer6 }, udp(inner6)],
  ] as const)('%s: leaves the inner header out and makes it again from the selector', (_, fields, packet) => {
    const { got, sent, status } = through(fields, packet)
    expect(status).toBe(DatapathStatus.DONE)
    expect(withoutId(got)).toEqual(withoutId(packet))
    expect(modePair({ ...fields, extra: {} }).left.seal(packet).length).toBeGreaterThan(sent.length)
  })

  it('carries IPv4 options in a pseudo header, of any length', () => {
    for (let words = 1; words <= 10; words++) {
      const packet = withOptions(udp(inner4), new Uint8Array(words * 4).fill(1))
      const { got, status } = through(beet, packet)
      expect(status).toBe(DatapathStatus.DONE)
      expect(withoutId(got)).toEqual(withoutId(packet))
    }
  })

  it('carries IPv6 extension headers and fragments inside, and no fragments of IPv4', () => {
    const fragment = buildIpv6({ ...inner6, protocol: 44, payload: Uint8Array.of(17, 0, 0, 9, 0, 0, 0, 1, ...data) })
    expect(through(beet6, fragment).got).toEqual(fragment)
    const part = buildIpv4({ ...inner4, protocol: 17, payload: data, fragmentOffset: 8 })
    expect(droppedAs(modePair(beet).left.send(part))).toBe('XfrmOutStateModeError')
  })

  it('leaves IPv6 packets of protocol 94 as they are, and refuses those of IPv4 that would be taken for options', () => {
    const [own, own6] = [
      buildIpv4({ ...inner4, protocol: 94, payload: data }),
      buildIpv6({ ...inner6, protocol: 94, payload: data }),
    ]
    expect(through(beet6, own6).got).toEqual(own6)
    expect(droppedAs(modePair(beet).left.send(own))).toBe('XfrmOutStateModeError')
    const marked = withOptions(own, new Uint8Array(4).fill(1))
    expect(withoutId(through(beet, marked).got)).toEqual(withoutId(marked))
  })

  it('never throws for a pseudo header of any octets, and delivers whole packets only', () => {
    const { left, right, out } = modePair(beet)
    let delivered = 0
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.boolean(), (octets, sane) => {
        if (sane) octets[2] = octets[2]! & 4
        if (sane) octets[1] = octets[1]! & 3
        const esp = out.encapsulator!
        const buffer = new Uint8Array(64 + octets.length + 64)
        buffer.set(octets, 64)
        const length = esp.encapsulate(buffer, 64, octets.length, 94)
        right.receive(buffer.slice(64 - esp.headerBytes, 64 - esp.headerBytes + length), left.socket)
        for (const packet of right.delivered.splice(0)) {
          expect(readU16(packet, 2)).toBe(packet.length)
          expect(checksum(packet, 0, (packet[0]! & 15) * 4)).toBe(0)
          delivered++
        }
      }),
      { numRuns: 1000 },
    )
    expect(delivered).toBeGreaterThan(20)
    expect(right.xfrm.stats.value('XfrmInStateModeError')).toBeGreaterThan(20)
  })
})

function tcpPacket(source: Uint8Array, destination: Uint8Array): Uint8Array {
  const segment = concat(new Uint8Array(20).fill(0x21), data)
  segment[12] = 0x50
  writeU16(segment, 16, 0)
  writeU16(segment, 16, transportChecksum(source, destination, 6, segment, 0, segment.length))
  return buildIp({ source, destination, protocol: 6, payload: segment })
}
