import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import { formatIp, formatSocketAddress, parseIp } from '../../src/ip/index.ts'

describe('addresses', () => {
  it('come back from their text', () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }),
    )
    fc.assert(
      fc.property(octets, (bytes) => {
        const text = formatIp(bytes)
        expect(parseIp(text)).toEqual(bytes)
        expect(isIPv6(text)).toBe(bytes.length === 16)
      }),
    )
  })

  // RFC 5952 §4 and §5.
  it.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ])('%s is written %s', (text, canonical) => {
    expect(formatIp(parseIp(text))).toBe(canonical)
  })

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    '::g',
    'fe80::1%eth0',
    '1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
  ])('refuses "%s"', (text) => {
    expect(() => parseIp(text)).toThrow(UsageError)
  })

  it('stand in brackets before a port when they have colons', () => {
    expect(formatSocketAddress({ address: parseIp('fd00::1'), port: 4500 })).toBe('[fd00::1]:4500')
    expect(formatSocketAddress({ address: parseIp('10.0.0.1'), port: 500 })).toBe('10.0.0.1:500')
  })
})
