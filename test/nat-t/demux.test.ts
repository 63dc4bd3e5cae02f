import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../src/bytes/index.ts'
import { classify, DatagramKind } from '../../src/nat-t/demux.ts'

const kind = (hex: string, port500 = false) => {
  const bytes = fromHex(hex)
  return classify(bytes, 0, bytes.length, port500)
}

describe('classify', () => {
  it('knows the keepalive by its single octet 0xFF', () => {
    expect(kind('ff')).toBe(DatagramKind.KEEPALIVE)
    expect(kind('fe')).toBe(DatagramKind.INVALID)
    expect(kind('ffff')).toBe(DatagramKind.INVALID)
  })

  it('takes four zero octets as the non-ESP marker', () => {
    expect(kind('00000000aa')).toBe(DatagramKind.IKE)
    expect(kind('00000000')).toBe(DatagramKind.INVALID)
  })

  it('takes any other first word as an SPI when an ESP header fits', () => {
    expect(kind('0000010000000001')).toBe(DatagramKind.ESP)
    expect(kind('ff00000000000001')).toBe(DatagramKind.ESP)
    expect(kind('00000100000000')).toBe(DatagramKind.INVALID)
  })

  it('takes everything on port 500 as IKE', () => {
    expect(kind('ff', true)).toBe(DatagramKind.IKE)
    expect(kind('0000010000000001', true)).toBe(DatagramKind.IKE)
    expect(kind('', true)).toBe(DatagramKind.INVALID)
  })

  it('refuses a payload outside its buffer', () => {
    expect(classify(new Uint8Array(8).fill(1), 4, 8, false)).toBe(DatagramKind.INVALID)
    expect(classify(new Uint8Array(8).fill(1), -1, 8, false)).toBe(DatagramKind.INVALID)
  })

  it('looks only at the payload, wherever it stands in the buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(20), fc.boolean(), (payload, offset, port500) => {
        const buffer = new Uint8Array(offset + payload.length + 9).fill(0xff)
        buffer.set(payload, offset)
        expect(classify(buffer, offset, payload.length, port500)).toBe(classify(payload, 0, payload.length, port500))
      }),
    )
  })
})
