import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readU32 } from '../../src/bytes/index.ts'
import { DecapStatus, EncapStatus, EspEncapsulator } from '../../src/esp/index.ts'
import { buildIcmpEcho, buildUdp, parseIp } from '../../src/ip/index.ts'
import { countingRandom, everySuite, Pair, parametersOf, patterned } from './suites.ts'

const v4 = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9') }
const v6 = { source: parseIp('fd00:1::1'), destination: parseIp('fd00:2::9') }

const innerPacket = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((data) => ({
    packet: buildUdp({ ...v4, sourcePort: 1, destinationPort: 2, data }),
    nextHeader: 4,
  })),
  fc.uint8Array({ maxLength: 200 }).map((data) => ({
    packet: buildIcmpEcho('request', { ...v6, identifier: 1, sequence: 2, data }),
    nextHeader: 41,
  })),
  fc.uint8Array({ maxLength: 100 }).map((packet) => ({ packet, nextHeader: 17 })),
)

describe.each(everySuite)('$title', ({ suite, crypto, esn }) => {
  it('opens what it sealed', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    fc.assert(
      fc.property(innerPacket, ({ packet, nextHeader }) => {
        const sealed = pair.seal(packet, nextHeader)
        expect(sealed.length).toBe(pair.out.sealedLength(packet.length))
        expect(sealed.length).toBeLessThanOrEqual(pair.out.headerBytes + packet.length + pair.out.maxTrailerBytes)
        expect(readU32(sealed, 0)).toBe(0xc0ffee01)
        expect(pair.open(sealed)).toEqual({ status: DecapStatus.OK, inner: packet, nextHeader })
      }),
      { numRuns: 40 },
    )
  })

  it('works at any offset of a larger buffer and touches nothing outside', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    const inner = buildUdp({ ...v4, sourcePort: 5, destinationPort: 6, data: patterned(77, 4) })
    const buffer = new Uint8Array(400).fill(0xa5)
    const start = 61 + pair.out.headerBytes
    buffer.set(inner, start)
    const length = pair.out.encapsulate(buffer, start, inner.length, 4)
    expect(buffer.subarray(0, 61).every((octet) => octet === 0xa5)).toBe(true)
    expect(buffer.subarray(61 + length).every((octet) => octet === 0xa5)).toBe(true)
    const result = { offset: 0, length: 0, nextHeader: 0 }
    expect(pair.in.decapsulate(buffer, 61, length, result)).toBe(DecapStatus.OK)
    expect(result).toEqual({ offset: start, length: inner.length, nextHeader: 4 })
    expect(buffer.slice(start, start + inner.length)).toEqual(inner)
    expect(buffer.subarray(0, 61).every((octet) => octet === 0xa5)).toBe(true)
    expect(buffer.subarray(61 + length).every((octet) => octet === 0xa5)).toBe(true)
  })

  it('says the longest inner packet that fits a path, no shorter and no longer', () => {
    const out = new EspEncapsulator(crypto, parametersOf(suite, esn), countingRandom())
    for (let room = out.sealedLength(0); room < out.sealedLength(0) + 70; room++) {
      const longest = out.maxInnerLength(room)
      expect(out.sealedLength(longest)).toBeLessThanOrEqual(room)
      expect(out.sealedLength(longest + 1)).toBeGreaterThan(room)
    }
    expect(out.maxInnerLength(out.sealedLength(0) - 1)).toBeLessThan(0)
  })

  it('refuses without room, using no sequence number', () => {
    const out = new EspEncapsulator(crypto, parametersOf(suite, esn), countingRandom())
    const inner = 40
    const needed = out.sealedLength(inner)
    expect(out.encapsulate(new Uint8Array(needed), out.headerBytes - 1, inner, 4)).toBe(EncapStatus.NO_ROOM)
    expect(out.encapsulate(new Uint8Array(needed - 1), out.headerBytes, inner, 4)).toBe(EncapStatus.NO_ROOM)
    expect(out.encapsulate(new Uint8Array(needed), out.headerBytes, -1, 4)).toBe(EncapStatus.NO_ROOM)
    expect(out.sequenceLow).toBe(0)
    expect(out.encapsulate(new Uint8Array(needed), out.headerBytes, inner, 4)).toBe(needed)
    expect(out.sequenceLow).toBe(1)
  })
})
