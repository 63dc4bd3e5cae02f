import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeU16 } from '../../src/bytes/index.ts'
import {
  buildIpv4,
  checksum,
  Ipv4Fragmenter,
  ipv4FragmentOffset,
  ipv4HeaderBytes,
  ipv4MoreFragments,
  ipv4TotalLength,
  parseIp,
} from '../../src/ip/index.ts'

const addresses = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9') }

/** A packet with `options` (a multiple of four octets) behind the fixed header. */
function packetOf(payload: Uint8Array, options = new Uint8Array(0), place = 0, more = false): Uint8Array {
  const plain = buildIpv4({
    ...{ ...addresses, protocol: 17, payload, identification: 0x1234, dontFragment: false },
    ...{ fragmentOffset: place, moreFragments: more },
  })
  const packet = new Uint8Array(plain.length + options.length)
  packet.set(plain.subarray(0, 20))
  packet.set(options, 20)
  packet.set(payload, 20 + options.length)
  packet[0] = 0x45 + options.length / 4
  writeU16(packet, 2, packet.length)
  writeU16(packet, 10, 0)
  writeU16(packet, 10, checksum(packet, 0, 20 + options.length))
  return packet
}

function cut(packet: Uint8Array, mtu: number): Uint8Array[] {
  const fragmenter = new Ipv4Fragmenter()
  const shifted = Uint8Array.of(1, 2, 3, ...packet)
  if (!fragmenter.begin(shifted, 3, mtu)) throw new Error('cannot be cut')
  const out = new Uint8Array(mtu + 5)
  const fragments: Uint8Array[] = []
  for (let bytes = fragmenter.next(out, 5); bytes > 0; bytes = fragmenter.next(out, 5)) {
    fragments.push(out.slice(5, 5 + bytes))
  }
  return fragments
}

/** Puts the data of fragments together as RFC 791 §3.2 says, and the header of the first in front. */
function reassemble(fragments: readonly Uint8Array[]): Uint8Array {
  const last = fragments.reduce((a, b) => (ipv4FragmentOffset(a, 0) > ipv4FragmentOffset(b, 0) ? a : b))
  const first = fragments.find((one) => ipv4FragmentOffset(one, 0) === 0)!
  const data = new Uint8Array(ipv4FragmentOffset(last, 0) + last.length - ipv4HeaderBytes(last, 0))
  for (const one of fragments) data.set(one.subarray(ipv4HeaderBytes(one, 0)), ipv4FragmentOffset(one, 0))
  return packetOf(data, first.slice(20, ipv4HeaderBytes(first, 0)))
}

/** Whole options and the end of the list, padded. */
const option = fc.oneof(
  fc.constant([1]),
  fc.tuple(fc.constantFrom(0x07, 0x82, 0x83, 0x94, 0x44), fc.uint8Array({ maxLength: 6 })).map(([kind, value]) => {
    return [kind, value.length + 2, ...value]
  }),
)
const optionsOf = fc.array(option, { maxLength: 4 }).map((list) => {
  const octets = list.flat()
  while (octets.length % 4 !== 0) octets.push(0)
  return Uint8Array.from(octets)
})

describe('cutting IPv4 packets', () => {
  it('gives fragments that fit, stand on multiples of 8, and make the packet again in any order, also when cut twice', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        optionsOf,
        fc.integer({ min: 68, max: 900 }),
        fc.integer({ min: 68, max: 900 }),
        fc.infiniteStream(fc.nat()),
        (payload, options, mtu, second, dice) => {
          const packet = packetOf(payload, options)
          const fragments = cut(packet, mtu).flatMap((one) => (one.length > second ? cut(one, second) : [one]))
          for (const one of fragments) {
            expect(one.length).toBeLessThanOrEqual(mtu)
            expect(ipv4TotalLength(one, 0)).toBe(one.length)
            expect(checksum(one, 0, ipv4HeaderBytes(one, 0))).toBe(0)
            const dataBytes = one.length - ipv4HeaderBytes(one, 0)
            if (ipv4MoreFragments(one, 0)) expect(dataBytes % 8).toBe(0)
          }
          expect(fragments.filter((one) => !ipv4MoreFragments(one, 0))).toHaveLength(1)
          const mixed = fragments.map((one) => [dice.next().value, one] as const).sort((a, b) => a[0] - b[0])
          expect(reassemble(mixed.map(([, one]) => one))).toEqual(packet)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('copies only those options into later fragments that say so', () => {
    const loose = [0x83, 7, 4, 1, 2, 3, 4]
    const recorded = [0x07, 7, 4, 0, 0, 0, 0]
    const [first, second] = cut(packetOf(new Uint8Array(200), Uint8Array.of(1, ...recorded, ...loose, 0)), 120)
    expect([...first!.subarray(20, 36)]).toEqual([1, ...recorded, ...loose, 0])
    expect([...second!.subarray(20, 28)]).toEqual([...loose, 0])
    expect(ipv4HeaderBytes(second!, 0)).toBe(28)
  })

  it('cuts no packet with DF, and none for which there is no room', () => {
    const fragmenter = new Ipv4Fragmenter()
    const held = buildIpv4({ ...addresses, protocol: 17, payload: new Uint8Array(100), dontFragment: true })
    expect(fragmenter.begin(held, 0, 68)).toBe(false)
    expect(fragmenter.begin(packetOf(new Uint8Array(100)), 0, 27)).toBe(false)
    expect(fragmenter.begin(packetOf(new Uint8Array(100)), 0, 28)).toBe(true)
  })

  it('cuts no fragment that reaches behind the largest packet: its parts would come back to the beginning', () => {
    const fragmenter = new Ipv4Fragmenter()
    expect(fragmenter.begin(packetOf(new Uint8Array(1400), undefined, 65_528), 0, 576)).toBe(false)
    expect(fragmenter.begin(packetOf(new Uint8Array(1400), undefined, 64_112), 0, 576)).toBe(true)
  })

  it('goes through options of any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 68, max: 200 }), (octets, mtu) => {
        const options = octets.slice(0, octets.length & ~3)
        const packet = packetOf(new Uint8Array(500).fill(7), options)
        expect(reassemble(cut(packet, mtu))).toEqual(packet)
      }),
      { numRuns: 500 },
    )
  })
})
