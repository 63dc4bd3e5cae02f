import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex } from '../../src/bytes/index.ts'
import {
  buildIcmpEcho,
  buildIpv4,
  buildIpv6,
  buildUdp,
  FlowStatus,
  Fragment,
  IpProtocol,
  MAX_EXTENSION_HEADERS,
  newPacketFlow,
  type PacketFlow,
  packetLength,
  parseFlow,
  parseIp,
} from '../../src/ip/index.ts'

const v4 = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9') }
const v6 = { source: parseIp('fd00:1::1'), destination: parseIp('fd00:2::9') }
const families = [
  { name: 'IPv4', addresses: v4, headerBytes: 20 },
  { name: 'IPv6', addresses: v6, headerBytes: 40 },
]

function parse(packet: Uint8Array): { status: number; flow: PacketFlow } {
  const flow = newPacketFlow()
  return { status: parseFlow(packet, 0, packet.length, flow), flow }
}

/** An IPv6 extension header of 8 octets and, for all but fragment headers, `more` times 8 more. */
function extension(nextHeader: number, more = 0): Uint8Array {
  return concat(Uint8Array.of(nextHeader, more, 0, 0, 0, 0, 0, 0), new Uint8Array(8 * more))
}
const fragmentHeader = (nextHeader: number, offset: number, more: boolean) =>
  Uint8Array.of(nextHeader, 0, offset >>> 8, (offset & 0xf8) | (more ? 1 : 0), 1, 2, 3, 4)

const ports = Uint8Array.of(0x1f, 0x90, 0x00, 0x35, 0, 8, 0, 0)

describe.each(families)('parseFlow of $name', ({ addresses, headerBytes }) => {
  it('reads addresses, protocol and ports', () => {
    const packet = buildUdp({ ...addresses, sourcePort: 40000, destinationPort: 53, data: fromHex('aabb') })
    const { status, flow } = parse(packet)
    expect(status).toBe(FlowStatus.OK)
    expect(flow).toMatchObject({
      family: addresses.source.length === 4 ? 4 : 6,
      addressBytes: addresses.source.length,
      protocol: 17,
      portsKnown: true,
      sourcePort: 40000,
      destinationPort: 53,
      fragment: Fragment.NONE,
      transportOffset: headerBytes,
      totalLength: packet.length,
    })
    expect(flow.source.slice(0, flow.addressBytes)).toEqual(addresses.source)
    expect(flow.destination.slice(0, flow.addressBytes)).toEqual(addresses.destination)
  })

  it('puts the ICMP type and code into both ports', () => {
    const { flow } = parse(buildIcmpEcho('request', { ...addresses, identifier: 1, sequence: 1, data: ports }))
    const port = (addresses.source.length === 4 ? 8 : 128) << 8
    expect(flow).toMatchObject({ portsKnown: true, sourcePort: port, destinationPort: port })
  })

  it.each([
    [IpProtocol.TCP, true],
    [IpProtocol.SCTP, true],
    [IpProtocol.DCCP, true],
    [IpProtocol.UDP_LITE, true],
    [IpProtocol.ESP, false],
    [IpProtocol.AH, false],
    [47, false],
  ])('knows whether protocol %i has ports', (protocol, known) => {
    const build = addresses.source.length === 4 ? buildIpv4 : buildIpv6
    expect(parse(build({ ...addresses, protocol, payload: ports })).flow).toMatchObject({
      protocol,
      portsKnown: known,
      sourcePort: known ? 0x1f90 : 0,
      destinationPort: known ? 0x35 : 0,
    })
  })

  it('ignores what stands behind the packet and before it', () => {
    const packet = buildUdp({ ...addresses, sourcePort: 1, destinationPort: 2, data: fromHex('00') })
    const buffer = concat(fromHex('ffffff'), packet, fromHex('eeeeeeee'))
    const flow = newPacketFlow()
    expect(parseFlow(buffer, 3, packet.length + 4, flow)).toBe(FlowStatus.OK)
    expect(flow).toMatchObject({ totalLength: packet.length, transportOffset: 3 + headerBytes, sourcePort: 1 })
    expect(packetLength(buffer, 3, packet.length + 4)).toBe(packet.length)
  })

  it('refuses every shorter length', () => {
    const packet = buildUdp({ ...addresses, sourcePort: 1, destinationPort: 2, data: fromHex('0011') })
    for (let length = 0; length < packet.length; length++) {
      expect(parse(packet.subarray(0, length)).status).toBe(FlowStatus.TRUNCATED)
      expect(packetLength(packet, 0, length)).toBe(-1)
    }
  })

  it('does not take ports from behind the end of the packet', () => {
    const build = addresses.source.length === 4 ? buildIpv4 : buildIpv6
    const short = build({ ...addresses, protocol: IpProtocol.UDP, payload: ports.subarray(0, 3) })
    const buffer = concat(short, fromHex('ffffffff'))
    expect(parse(buffer)).toMatchObject({ status: FlowStatus.OK, flow: { portsKnown: false, sourcePort: 0 } })
  })
})

describe('parseFlow of IPv4', () => {
  it('walks over options', () => {
    const packet = concat(fromHex('46000020'), new Uint8Array(5), Uint8Array.of(17), new Uint8Array(14), ports)
    expect(parse(packet)).toMatchObject({ status: FlowStatus.OK, flow: { transportOffset: 24, sourcePort: 0x1f90 } })
  })

  it('knows the ports of a first fragment, and that later ones have none', () => {
    const base = { ...v4, protocol: IpProtocol.UDP, payload: ports, dontFragment: false }
    expect(parse(buildIpv4({ ...base, moreFragments: true })).flow).toMatchObject({
      fragment: Fragment.FIRST,
      portsKnown: true,
      sourcePort: 0x1f90,
    })
    expect(parse(buildIpv4({ ...base, fragmentOffset: 8 })).flow).toMatchObject({
      fragment: Fragment.LATER,
      portsKnown: false,
      sourcePort: 0,
      destinationPort: 0,
    })
  })

  it.each([
    ['a header length below 20', '44000014'],
    ['a total length below the header', '45000013'],
  ])('refuses %s', (_, start) => {
    const packet = concat(fromHex(start), new Uint8Array(16))
    expect(parse(packet).status).toBe(FlowStatus.BAD_HEADER)
    expect(packetLength(packet, 0, packet.length)).toBe(-1)
  })
})

describe('parseFlow of IPv6', () => {
  const build = (protocol: number, ...parts: Uint8Array[]) => buildIpv6({ ...v6, protocol, payload: concat(...parts) })

  it('walks over hop-by-hop, routing, destination options and an atomic fragment header', () => {
    const packet = build(
      IpProtocol.HOP_BY_HOP,
      extension(IpProtocol.DESTINATION_OPTIONS),
      extension(IpProtocol.ROUTING, 1),
      extension(IpProtocol.FRAGMENT, 2),
      fragmentHeader(IpProtocol.TCP, 0, false),
      ports,
    )
    expect(parse(packet)).toMatchObject({
      status: FlowStatus.OK,
      flow: { protocol: 6, transportOffset: 40 + 8 + 16 + 24 + 8, fragment: Fragment.NONE, sourcePort: 0x1f90 },
    })
  })

  it('knows the ports of a first fragment, and that later ones have none', () => {
    expect(parse(build(IpProtocol.FRAGMENT, fragmentHeader(IpProtocol.UDP, 0, true), ports)).flow).toMatchObject({
      fragment: Fragment.FIRST,
      portsKnown: true,
      destinationPort: 0x35,
    })
    // What follows is data, even when the header says that an extension header came first in the datagram.
    const later = build(IpProtocol.FRAGMENT, fragmentHeader(IpProtocol.DESTINATION_OPTIONS, 0x100, true), fromHex('06'))
    expect(parse(later)).toMatchObject({
      status: FlowStatus.OK,
      flow: { fragment: Fragment.LATER, protocol: 60, portsKnown: false },
    })
  })

  it('puts the mobility header type into both ports', () => {
    const packet = build(IpProtocol.MOBILITY, Uint8Array.of(59, 0, 5, 0, 0, 0, 0, 0))
    expect(parse(packet).flow).toMatchObject({ protocol: 135, sourcePort: 0x500, destinationPort: 0x500 })
  })

  it('takes no more than its share of extension headers', () => {
    const chain = (count: number) =>
      build(
        IpProtocol.DESTINATION_OPTIONS,
        ...Array.from({ length: count }, (_, i) => extension(i === count - 1 ? 17 : IpProtocol.DESTINATION_OPTIONS)),
        ports,
      )
    expect(parse(chain(MAX_EXTENSION_HEADERS))).toMatchObject({ status: FlowStatus.OK, flow: { protocol: 17 } })
    expect(parse(chain(MAX_EXTENSION_HEADERS + 1)).status).toBe(FlowStatus.TOO_MANY_EXTENSIONS)
  })

  it('refuses an extension header that reaches out of the packet', () => {
    expect(parse(build(IpProtocol.DESTINATION_OPTIONS, extension(17, 1).subarray(0, 15))).status).toBe(
      FlowStatus.TRUNCATED,
    )
    expect(parse(build(IpProtocol.ROUTING, fromHex('1100'))).status).toBe(FlowStatus.TRUNCATED)
  })
})

describe('parseFlow of anything', () => {
  const hostile = fc
    .tuple(fc.constantFrom(0x45, 0x46, 0x4f, 0x60, 0x6f, 0x00, 0x50), fc.uint8Array({ maxLength: 120 }))
    .map(([first, rest]) => concat(Uint8Array.of(first), rest))

  it('never throws, and what it accepts lies within the packet', () => {
    const flow = newPacketFlow()
    fc.assert(
      fc.property(fc.oneof(hostile, fc.uint8Array()), fc.integer({ min: -2, max: 60 }), fc.nat(130), (bytes, at, n) => {
        const status = parseFlow(bytes, at, n, flow)
        expect(Object.values(FlowStatus)).toContain(status)
        const whole = packetLength(bytes, at, n)
        if (status !== FlowStatus.OK) return
        expect(whole).toBe(flow.totalLength)
        expect(flow.totalLength).toBeLessThanOrEqual(n)
        expect(flow.transportOffset).toBeLessThanOrEqual(at + flow.totalLength)
        for (const value of [flow.protocol, flow.sourcePort, flow.destinationPort])
          expect(value).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 1500 },
    )
  })

  it('never throws for one changed octet of a good packet', () => {
    const flow = newPacketFlow()
    const packets = families.map(({ addresses }) =>
      buildUdp({ ...addresses, sourcePort: 1, destinationPort: 2, data: fromHex('0102') }),
    )
    fc.assert(
      fc.property(fc.constantFrom(...packets), fc.nat(49), fc.nat(255), (packet, at, value) => {
        const changed = packet.slice()
        changed[at % changed.length] = value
        expect(Object.values(FlowStatus)).toContain(parseFlow(changed, 0, changed.length, flow))
      }),
      { numRuns: 1000 },
    )
  })

  it('refuses other versions', () => {
    expect(parse(new Uint8Array(60)).status).toBe(FlowStatus.BAD_VERSION)
    expect(packetLength(new Uint8Array(60), 0, 60)).toBe(-1)
  })
})
