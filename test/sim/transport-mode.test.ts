import { describe, expect, it } from 'vitest'
import { concat, writeU16 } from '../../src/bytes/index.ts'
import {
  buildIp,
  buildUdp,
  formatIp,
  type IpAddress,
  newPacketFlow,
  parseFlow,
  parseIp,
  transportChecksum,
} from '../../src/ip/index.ts'
import { createPair, type Pair, type PairOptions } from '../../src/testing/create-pair.ts'
import { simulationProvider } from '../../src/testing/simulation-provider.ts'
import type { VirtualGateway } from '../../src/testing/virtual-gateway.ts'

const dynamic = { localTs: ['dynamic'], remoteTs: ['dynamic'] }

function connected(options: PairOptions): Pair & { readonly mode: readonly (string | undefined)[] } {
  const pair = createPair({
    crypto: simulationProvider,
    ...options,
    child: { mode: 'transport', ...dynamic, ...options.child },
  })
  pair.connect()
  const mode = [pair.a, pair.b].map((gateway) => gateway.status()[0]?.children[0]?.mode)
  return { ...pair, mode }
}

/** A packet from the one to the other, as its own stack makes it. */
function packetOf(kind: 'udp' | 'tcp', source: IpAddress, destination: IpAddress): Uint8Array {
  const data = Uint8Array.of(1, 2, 3, 4, 5)
  if (kind === 'udp') return buildUdp({ source, destination, sourcePort: 5000, destinationPort: 7, data })
  const segment = concat(new Uint8Array(20).fill(0x21), data)
  segment[12] = 0x50
  writeU16(segment, 16, 0)
  writeU16(segment, 16, transportChecksum(source, destination, 6, segment, 0, segment.length))
  return buildIp({ source, destination, protocol: 6, payload: segment })
}

/** What arrives of it, as `source > destination`, with a right checksum over these addresses. */
function carried(pair: Pair, from: VirtualGateway, to: VirtualGateway, packet: Uint8Array): string {
  const arrived: Uint8Array[] = []
  const end = to.onInner((one) => arrived.push(one))
  expect(from.inject(packet)).toBe('sent')
  pair.clock.advance(1_000)
  end()
  expect(arrived).toHaveLength(1)
  const got = arrived[0]!
  const flow = newPacketFlow()
  parseFlow(got, 0, got.length, flow)
  const source = flow.source.slice(0, flow.addressBytes)
  const destination = flow.destination.slice(0, flow.addressBytes)
  const at = flow.transportOffset
  expect(transportChecksum(source, destination, flow.protocol, got, at, got.length - at)).toBe(0)
  expect(got.slice(-5)).toEqual(packet.slice(-5))
  return `${formatIp(source)} > ${formatIp(destination)}`
}

describe('two gateways in transport mode', () => {
  it.each(['udp', 'tcp'] as const)('carry %s between their own addresses', (kind) => {
    const pair = connected({})
    expect(pair.mode).toEqual(['transport', 'transport'])
    const [a, b] = [parseIp('192.0.2.1'), parseIp('198.51.100.2')]
    expect(carried(pair, pair.a, pair.b, packetOf(kind, a, b))).toBe('192.0.2.1 > 198.51.100.2')
    expect(carried(pair, pair.b, pair.a, packetOf(kind, b, a))).toBe('198.51.100.2 > 192.0.2.1')
  })

  it.each(['udp', 'tcp'] as const)('carry %s through a NAT, with sums that hold at both ends', (kind) => {
    const pair = connected({ nat: {} })
    expect(pair.mode).toEqual(['transport', 'transport'])
    const [inside, outside, server] = ['192.168.1.2', '203.0.113.7', '198.51.100.2'].map(parseIp) as [
      IpAddress,
      IpAddress,
      IpAddress,
    ]
    expect(carried(pair, pair.a, pair.b, packetOf(kind, inside, server))).toBe('203.0.113.7 > 198.51.100.2')
    expect(carried(pair, pair.b, pair.a, packetOf(kind, server, outside))).toBe('198.51.100.2 > 192.168.1.2')
    // Each end has the selectors of the addresses that it sees. RFC 7296 §2.23.1.
    const selectors = (gateway: VirtualGateway) => {
      const [child] = gateway.status()[0]!.children
      return [child!.localTs, child!.remoteTs]
    }
    expect(selectors(pair.a)).toEqual([['192.168.1.2/32'], ['198.51.100.2/32']])
    expect(selectors(pair.b)).toEqual([['198.51.100.2/32'], ['203.0.113.7/32']])
  })

  it('carry on through a NAT when the CHILD_SA is rekeyed', () => {
    const pair = connected({ nat: {} })
    const [sa] = pair.a.status()
    pair.a.perform(pair.a.ike.rekeyChild(sa!.sa.id, sa!.children[0]!.spiIn, pair.clock.now))
    pair.clock.advance(5_000)
    const [child] = pair.a.status()[0]!.children
    expect([child!.mode, child!.spiIn === sa!.children[0]!.spiIn]).toEqual(['transport', false])
    const packet = packetOf('udp', parseIp('192.168.1.2'), parseIp('198.51.100.2'))
    expect(carried(pair, pair.a, pair.b, packet)).toBe('203.0.113.7 > 198.51.100.2')
    const back = packetOf('tcp', parseIp('198.51.100.2'), parseIp('203.0.113.7'))
    expect(carried(pair, pair.b, pair.a, back)).toBe('198.51.100.2 > 192.168.1.2')
  })

  it('come to a tunnel where one of them wants that, with the addresses as they were offered', () => {
    const pair = connected({
      nat: {},
      b: { children: [{ name: 'net', mode: 'tunnel', localTs: ['dynamic'], remoteTs: ['192.168.1.2'] }] },
    })
    expect(pair.mode).toEqual(['tunnel', 'tunnel'])
    const packet = packetOf('udp', parseIp('192.168.1.2'), parseIp('198.51.100.2'))
    expect(carried(pair, pair.a, pair.b, packet)).toBe('192.168.1.2 > 198.51.100.2')
  })
})
