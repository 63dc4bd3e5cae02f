import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes, concat, equalConstantTime, fromHex, Reader, toHex, Writer, wipe } from '../../src/bytes/index.ts'
import { DecodeError, UsageError } from '../../src/errors.ts'

const octets = fc.uint8Array({ maxLength: 64 })

describe('hex', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(octets, (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes)
      }),
    )
  })

  it.each(['0', '0g', 'zz', '0x10'])('refuses %s', (text) => {
    expect(() => fromHex(text)).toThrow(UsageError)
  })
})

describe('compare', () => {
  it('agrees with Buffer.compare and with equality', () => {
    fc.assert(
      fc.property(octets, octets, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
        expect(equalConstantTime(a, b)).toBe(Buffer.compare(a, b) === 0)
        expect(equalConstantTime(a, a.slice())).toBe(true)
      }),
    )
  })
})

describe('join', () => {
  it('concatenates and wipes', () => {
    const joined = concat(Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3))
    expect(joined).toEqual(Uint8Array.of(1, 2, 3))
    wipe(joined, undefined)
    expect(joined).toEqual(new Uint8Array(3))
  })
})

describe('Reader and Writer', () => {
  it('read back what was written, across growth', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(65535), fc.nat(0xffffffff), octets, (a, b, c, d) => {
        const written = new Writer(1).u8(a).u16(b).u32(c).bytes(d).zeros(2).finish()
        const reader = new Reader(written, 'test', 'none')
        expect([reader.u8('a'), reader.u16('b'), reader.u32('c')]).toEqual([a, b, c])
        expect(reader.take(d.length, 'd')).toEqual(d)
        expect(reader.rest()).toEqual(new Uint8Array(2))
        reader.end()
      }),
    )
  })

  it('patches lengths back', () => {
    const writer = new Writer().u8(0).u16(0).u32(0)
    writer.patchU8(0, 1)
    writer.patchU16(1, 0x0203)
    writer.patchU32(3, 0xfffefdfc)
    expect(toHex(writer.finish())).toBe('010203fffefdfc')
  })

  it('names the place of a missing octet, inside a sub-reader too', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3), 'outer', 'RFC 0', 10)
    reader.skip(1, 'head')
    const inner = reader.sub(2, 'inner', 'RFC 1')
    inner.u8('one')
    expect(() => inner.u32('length')).toThrow(expect.objectContaining({ where: 'inner', offset: 12, section: 'RFC 1' }))
    expect(() => inner.end()).toThrow(DecodeError)
  })
})
