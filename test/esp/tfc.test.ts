import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecapStatus, EncapStatus, EspEncapsulator, newDecapResult } from '../../src/esp/index.ts'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { countingRandom, everySuite, Pair, parametersOf } from './suites.ts'

const v4 = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9') }
const v6 = { source: parseIp('fd00:1::1'), destination: parseIp('fd00:2::9') }

/** An array of its own, in a buffer that held something else. */
function sealPadded(out: EspEncapsulator, inner: Uint8Array, nextHeader: number, padTo: number): Uint8Array {
  const buffer = new Uint8Array(out.headerBytes + Math.max(inner.length, padTo) + out.maxTrailerBytes).fill(0xa5)
  buffer.set(inner, out.headerBytes)
  const length = out.encapsulatePadded(buffer, out.headerBytes, inner.length, nextHeader, padTo)
  if (length < 0) throw new Error(`encapsulatePadded: ${length}`)
  return buffer.slice(0, length)
}

describe.each(everySuite)('padding for traffic flow confidentiality, $title', ({ suite, crypto, esn }) => {
  it('gives packets of one length, and is cut off by the length of the inner packet', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 150 }), fc.nat(300), (isV4, data, padTo) => {
        const inner = buildUdp({ ...(isV4 ? v4 : v6), sourcePort: 1, destinationPort: 2, data })
        const nextHeader = isV4 ? 4 : 41
        const packet = sealPadded(pair.out, inner, nextHeader, padTo)
        expect(packet.length).toBe(pair.out.sealedLength(Math.max(padTo, inner.length)))
        expect(pair.open(packet)).toEqual({ status: DecapStatus.OK, inner, nextHeader })
      }),
      { numRuns: 15 },
    )
  })

  it('alone makes a dummy packet, which is taken and dropped', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    for (const padTo of [0, 1, 40, 300]) {
      const dummy = sealPadded(pair.out, new Uint8Array(0), 59, padTo)
      expect(dummy.length).toBe(pair.out.sealedLength(padTo))
      expect(pair.open(dummy).status).toBe(DecapStatus.DUMMY)
      expect(pair.open(dummy).status).toBe(DecapStatus.REPLAY_DUPLICATE)
    }
  })

  it('is zeros, whatever stood in the buffer', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    const packet = sealPadded(pair.out, Uint8Array.of(1, 2, 3), 17, 40)
    const result = newDecapResult()
    expect(pair.in.decapsulate(packet, 0, packet.length, result)).toBe(DecapStatus.OK)
    const text = packet.slice(result.offset, result.offset + result.length)
    expect([...text]).toEqual([1, 2, 3, ...new Array(37).fill(0)])
  })

  it('that has no room is refused, and uses no sequence number', () => {
    const out = new EspEncapsulator(crypto, parametersOf(suite, esn), countingRandom())
    const buffer = new Uint8Array(out.sealedLength(100))
    expect(out.encapsulatePadded(buffer, out.headerBytes, 40, 4, 101 + 16)).toBe(EncapStatus.NO_ROOM)
    expect(out.sequenceLow).toBe(0)
    expect(out.encapsulatePadded(buffer, out.headerBytes, 40, 4, 100)).toBe(buffer.length)
  })
})
