import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, readU16, writeU16 } from '../../src/bytes/index.ts'
import {
  buildIp,
  clampMss,
  correctAddressChecksum,
  FlowStatus,
  isTcpSyn,
  newPacketFlow,
  type PacketFlow,
  parseFlow,
  transportChecksum,
} from '../../src/ip/index.ts'

function flowOf(packet: Uint8Array, offset = 0): PacketFlow {
  const flow = newPacketFlow()
  expect(parseFlow(packet, offset, packet.length - offset, flow)).toBe(FlowStatus.OK)
  return flow
}

const address = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes })
const pairs = fc
  .constantFrom(4, 16)
  .chain((bytes) => fc.tuple(address(bytes), address(bytes), address(bytes), address(bytes)))
/** Protocol, where its checksum stands, and octets of its header. */
const protocols = [
  [6, 16, 20],
  [17, 6, 8],
  [136, 6, 8],
  [33, 6, 16],
] as const

/** What a full sum over these addresses gives, with zero in the field. */
function fullSum(
  message: Uint8Array,
  at: number,
  protocol: number,
  source: Uint8Array,
  destination: Uint8Array,
): number {
  const copy = message.slice()
  writeU16(copy, at, 0)
  const sum = transportChecksum(source, destination, protocol, copy, 0, copy.length)
  return protocol === 17 && sum === 0 ? 0xffff : sum
}

describe('a checksum over other addresses', () => {
  it('becomes what the full sum over these gives', () => {
    fc.assert(
      fc.property(
        pairs,
        fc.constantFrom(...protocols),
        fc.uint8Array({ maxLength: 60 }),
        ([s1, d1, s2, d2], [protocol, at, headerBytes], data) => {
          const message = concat(new Uint8Array(headerBytes).fill(0x5a), data)
          writeU16(message, at, fullSum(message, at, protocol, s1, d1))
          const packet = concat(Uint8Array.of(9), buildIp({ source: s2, destination: d2, protocol, payload: message }))
          const flow = flowOf(packet, 1)
          correctAddressChecksum(packet, 1, flow, s1, d1)
          const after = readU16(packet, flow.transportOffset + at)
          const full = fullSum(message, at, protocol, s2, d2)
          // RFC 1624 §3: zero has two forms.
          expect(after % 0xffff).toBe(full % 0xffff)
          const checked = transportChecksum(s2, d2, protocol, packet, flow.transportOffset, message.length)
          expect(checked).toBe(0)
          if (protocol === 17) expect(after).not.toBe(0)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('never becomes zero for UDP and UDP-Lite', () => {
    const addresses = { source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) }
    for (const protocol of [17, 136]) {
      const packet = buildIp({ ...addresses, protocol, payload: Uint8Array.of(0, 1, 0, 2, 0, 8, 0, 1) })
      // One less in the sender's address: the sum comes out zero.
      correctAddressChecksum(packet, 0, flowOf(packet), Uint8Array.of(10, 0, 0, 0), addresses.destination)
      expect(readU16(packet, 26)).toBe(0xffff)
    }
  })

  it('stays zero for UDP, and what has none stays as it is', () => {
    const addresses = { source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) }
    for (const [protocol, message] of [
      [17, Uint8Array.of(0, 1, 0, 2, 0, 8, 0, 0)],
      [17, Uint8Array.of(0, 1, 0, 2)],
      [1, Uint8Array.of(8, 0, 0x12, 0x34, 0, 0, 0, 0)],
      [132, new Uint8Array(12).fill(3)],
      [47, new Uint8Array(20).fill(3)],
    ] as const) {
      const packet = buildIp({ ...addresses, protocol, payload: message })
      const before = packet.slice()
      correctAddressChecksum(packet, 0, flowOf(packet), Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8))
      expect(packet).toEqual(before)
    }
  })
})

describe('the maximum segment size of a SYN', () => {
  const SYN = 0x02
  function tcp(options: readonly number[], flags = SYN, bytes: 4 | 16 = 4): Uint8Array {
    const source = new Uint8Array(bytes).fill(10)
    const destination = new Uint8Array(bytes).fill(11)
    const padded = [...options]
    while (padded.length % 4 !== 0) padded.push(0)
    const segment = new Uint8Array(20 + padded.length + 3).fill(0x77)
    segment[12] = ((20 + padded.length) / 4) << 4
    segment[13] = flags
    segment.set(padded, 20)
    writeU16(segment, 16, 0)
    writeU16(segment, 16, transportChecksum(source, destination, 6, segment, 0, segment.length))
    return buildIp({ source, destination, protocol: 6, payload: segment })
  }
  const isSummed = (packet: Uint8Array): boolean => {
    const { transportOffset: at, source, destination, addressBytes } = flowOf(packet)
    const [s, d] = [source.slice(0, addressBytes), destination.slice(0, addressBytes)]
    return transportChecksum(s, d, 6, packet, at, packet.length - at) === 0
  }

  it('is lowered at even and odd places, over IPv4 and IPv6, with a right checksum', () => {
    fc.assert(
      fc.property(
        fc.nat(5),
        fc.integer({ min: 0, max: 65535 }),
        fc.integer({ min: 88, max: 65535 }),
        fc.constantFrom(4 as const, 16 as const),
        fc.constantFrom(SYN, SYN | 0x10),
        (nops, named, most, bytes, flags) => {
          const packet = tcp(
            [...new Array<number>(nops).fill(1), 2, 4, named >>> 8, named & 0xff, 3, 3, 7],
            flags,
            bytes,
          )
          const before = packet.slice()
          const flow = flowOf(packet)
          expect(isTcpSyn(packet, 0, flow)).toBe(true)
          expect(clampMss(packet, 0, flow, most)).toBe(named > most)
          expect(readU16(packet, flow.transportOffset + 20 + nops + 2)).toBe(Math.min(named, most))
          expect(isSummed(packet)).toBe(true)
          if (named <= most) expect(packet).toEqual(before)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is looked for in SYNs alone', () => {
    for (const flags of [0x10, 0x11, 0x06, 0]) {
      const packet = tcp([2, 4, 5, 180], flags)
      expect(isTcpSyn(packet, 0, flowOf(packet))).toBe(false)
    }
  })

  it('is left alone where the options cannot be read, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
        const packet = tcp([...octets.subarray(0, octets.length & ~3)])
        clampMss(packet, 0, flowOf(packet), 100)
        expect(isSummed(packet)).toBe(true)
      }),
      { numRuns: 1000 },
    )
    const truncated = tcp([2, 4, 5, 180])
    truncated[20 + 12] = 0xf0
    const before = truncated.slice()
    clampMss(truncated, 0, flowOf(truncated), 2000)
    expect(truncated).toEqual(before)
  })
})
