import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import {
  containsAddress,
  containsRange,
  equalRanges,
  formatIp,
  formatRange,
  intersectRanges,
  parseIp,
  parseRange,
  prefixLength,
  rangeOfPrefix,
} from '../../src/ip/index.ts'

const toBigInt = (bytes: Uint8Array) => bytes.reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Few enough values that ranges meet.
  fc.uint8Array({ minLength: 4, maxLength: 4, max: 1 }),
)
const range = fc.tuple(address, fc.infiniteStream(fc.nat(255))).map(([a, stream]) => {
  const b = a.map((octet, i) => (i < a.length / 2 ? octet : stream.next().value))
  return toBigInt(a) <= toBigInt(b) ? { start: a, end: b } : { start: b, end: a }
})

describe('parseRange', () => {
  it.each([
    ['10.1.0.0/16', '10.1.0.0', '10.1.255.255'],
    ['10.1.2.3/16', '10.1.0.0', '10.1.255.255'],
    ['0.0.0.0/0', '0.0.0.0', '255.255.255.255'],
    ['10.1.2.3', '10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/32', '10.1.2.3', '10.1.2.3'],
    ['10.0.0.0/13', '10.0.0.0', '10.7.255.255'],
    ['10.0.0.5-10.0.0.9', '10.0.0.5', '10.0.0.9'],
    ['10.0.0.5 - 10.0.0.9', '10.0.0.5', '10.0.0.9'],
    ['fd00::/64', 'fd00::', 'fd00::ffff:ffff:ffff:ffff'],
    ['::/0', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['fd00::1', 'fd00::1', 'fd00::1'],
    ['fd00::1-fd00::9', 'fd00::1', 'fd00::9'],
  ])('%s', (text, start, end) => {
    const parsed = parseRange(text)
    expect([formatIp(parsed.start), formatIp(parsed.end)]).toEqual([start, end])
  })

  it.each([
    '10.1.0.0/33',
    'fd00::/129',
    '10.1.0.0/',
    '10.1.0.0/08',
    '10.1.0.0/-1',
    '10.1.0.0/8/8',
    '10.0.0.9-10.0.0.5',
    '10.0.0.9-fd00::1',
    '10.0.0.1-',
    '-',
    '',
    'host/8',
  ])('refuses "%s"', (text) => {
    expect(() => parseRange(text)).toThrow(UsageError)
  })
})

describe('formatRange', () => {
  it.each(['10.1.0.0/16', '0.0.0.0/0', '10.1.2.3/32', 'fd00::/64', '::/0', 'fd00::1/128', '10.0.0.5-10.0.0.9'])(
    'gives back %s',
    (text) => {
      expect(formatRange(parseRange(text))).toBe(text)
    },
  )

  it('of any range parses to the same range', () => {
    fc.assert(
      fc.property(range, (any) => {
        expect(equalRanges(parseRange(formatRange(any)), any)).toBe(true)
      }),
    )
  })

  it('knows a prefix by its size and alignment', () => {
    fc.assert(
      fc.property(address, fc.nat(128), (any, pick) => {
        const bits = pick % (8 * any.length + 1)
        const made = rangeOfPrefix(any, bits)
        expect(prefixLength(made)).toBe(bits)
        expect(toBigInt(made.end) - toBigInt(made.start) + 1n).toBe(2n ** BigInt(8 * any.length - bits))
        expect(containsAddress(made, any)).toBe(true)
      }),
    )
    expect(prefixLength(parseRange('10.0.0.1-10.0.0.2'))).toBe(-1)
    expect(prefixLength(parseRange('10.0.0.0-10.0.0.2'))).toBe(-1)
  })
})

describe('containment and intersection', () => {
  it('agree with the order of the addresses as numbers', () => {
    fc.assert(
      fc.property(range, range, address, (a, b, one) => {
        const within = (r: typeof a) =>
          r.start.length === one.length && toBigInt(r.start) <= toBigInt(one) && toBigInt(one) <= toBigInt(r.end)
        expect(containsAddress(a, one)).toBe(within(a))
        const both = intersectRanges(a, b)
        expect(both !== undefined && containsAddress(both, one)).toBe(within(a) && within(b))
        if (both === undefined) return
        expect(containsRange(a, both) && containsRange(b, both)).toBe(true)
      }),
    )
  })

  it('compare the first octets of a longer record', () => {
    const record = new Uint8Array(16).fill(0xff)
    record.set(parseIp('10.1.2.3'))
    expect(containsAddress(parseRange('10.1.0.0/16'), record, 4)).toBe(true)
    expect(containsAddress(parseRange('10.2.0.0/16'), record, 4)).toBe(false)
    expect(containsAddress(parseRange('10.1.0.0/16'), record, 16)).toBe(false)
  })

  it('find nothing between families or beside each other', () => {
    expect(intersectRanges(parseRange('10.0.0.0/8'), parseRange('::/0'))).toBeUndefined()
    expect(intersectRanges(parseRange('10.0.0.0/9'), parseRange('10.128.0.0/9'))).toBeUndefined()
    expect(containsRange(parseRange('10.0.0.0/8'), parseRange('10.3.0.0/16'))).toBe(true)
    expect(containsRange(parseRange('10.3.0.0/16'), parseRange('10.0.0.0/8'))).toBe(false)
  })
})
