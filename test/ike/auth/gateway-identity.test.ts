import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/bytes/index.ts'
import { UsageError } from '../../../src/errors.ts'
import {
  decodeGateway,
  encodeGateway,
  formatGateway,
  isSameGateway,
  parseGateway,
} from '../../../src/ike/auth/gateway-identity.ts'

const octets = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).filter((some) => some.some((octet) => octet !== 0))
const gateway = fc.oneof(
  octets(4).map((address) => ({ address })),
  octets(16).map((address) => ({ address })),
  fc.domain().map((name) => ({ name })),
)

describe('the gateway of a redirection', () => {
  it.each([
    ['192.0.2.7', '0104c0000207'],
    ['2001:db8::7', '021020010db8000000000000000000000007'],
    ['gw.example.org', '030e67772e6578616d706c652e6f7267'],
  ])('%s', (text, hex) => {
    expect(toHex(encodeGateway(parseGateway(text)))).toBe(hex)
    expect(formatGateway(parseGateway(text))).toBe(text)
  })

  it.each([
    '',
    'a b',
    '-gw.example.org',
    'gw..example.org',
    '192.0.2.300',
    '192.0.2',
    '1',
    'x'.repeat(64),
    'gw\0.example',
  ])('is not "%s"', (text) => {
    expect(() => parseGateway(text)).toThrow(UsageError)
  })

  it('reads back, with what stands behind it', () => {
    fc.assert(
      fc.property(gateway, fc.uint8Array({ maxLength: 40 }), (one, nonce) => {
        expect(decodeGateway(encodeGateway(one, nonce))).toEqual({ gateway: one, nonce })
      }),
    )
  })

  it('is nothing when cut short', () => {
    fc.assert(
      fc.property(gateway, fc.nat(), (one, cut) => {
        const data = encodeGateway(one)
        expect(decodeGateway(data.subarray(0, cut % data.length))).toBeUndefined()
      }),
    )
  })

  it('is a gateway that can be written down, or nothing, whatever comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4 }), fc.uint8Array({ maxLength: 60 }), (type, rest) => {
        const data = Uint8Array.of(type, ...rest)
        const read = decodeGateway(data)
        if (read !== undefined) expect(encodeGateway(read.gateway, read.nonce)).toEqual(data)
      }),
    )
  })

  it('compares names without regard to case, and no name with an address', () => {
    expect(isSameGateway(parseGateway('GW.example.org'), parseGateway('gw.EXAMPLE.org'))).toBe(true)
    expect(isSameGateway(parseGateway('gw.example.org'), parseGateway('192.0.2.1'))).toBe(false)
    expect(isSameGateway(parseGateway('192.0.2.1'), parseGateway('192.0.2.1'))).toBe(true)
    expect(isSameGateway(parseGateway('192.0.2.1'), parseGateway('192.0.2.2'))).toBe(false)
  })
})
