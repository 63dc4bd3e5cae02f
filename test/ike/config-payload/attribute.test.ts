import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../../src/bytes/index.ts'
import { CfgAttribute } from '../../../src/ike/codec/index.ts'
import {
  type AttributeValue,
  attributeName,
  decodeAttribute,
  encodeAttribute,
  supportedAttributes,
} from '../../../src/ike/config-payload/attribute.ts'
import { serviceOf } from '../../../src/ike/config-payload/encrypted-dns.ts'
import { parseIp } from '../../../src/ip/address.ts'

const octets = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength })
const u8 = fc.integer({ min: 0, max: 255 })
const u16 = fc.integer({ min: 0, max: 65535 })
const oneOf = (...types: number[]) => fc.constantFrom(...types)
const name = fc
  .array(fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9])?$/), { minLength: 1, maxLength: 4 })
  .map((labels) => labels.join('.'))
const parameters = fc
  .uniqueArray(fc.record({ key: u16.filter((key) => key !== 4 && key !== 6), value: octets(0, 12) }), {
    selector: ({ key }) => key,
    maxLength: 4,
  })
  .map((list) => list.sort((a, b) => a.key - b.key))

const anyValue: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.record({ kind: fc.constant('empty' as const), type: fc.constantFrom(...supportedAttributes) }),
  fc.record({ kind: fc.constant('address' as const), type: oneOf(1, 2, 3, 4, 6), address: octets(4) }),
  fc.record({ kind: fc.constant('address' as const), type: oneOf(10, 12), address: octets(16) }),
  fc.record({
    kind: fc.constant('prefix' as const),
    type: oneOf(13),
    address: octets(4),
    bits: fc.integer({ min: 0, max: 32 }),
  }),
  fc.record({
    kind: fc.constant('prefix' as const),
    type: oneOf(8, 15),
    address: octets(16),
    bits: fc.integer({ min: 0, max: 128 }),
  }),
  fc.record({ kind: fc.constant('text' as const), type: oneOf(7), text: fc.stringMatching(/^[ -~]{1,40}$/) }),
  fc.record({
    kind: fc.constant('types' as const),
    type: oneOf(14),
    types: fc.array(fc.integer({ min: 0, max: 0x7fff }), { minLength: 1, maxLength: 20 }),
  }),
  fc.record({ kind: fc.constant('domain' as const), type: oneOf(25), name }),
  fc.record({
    kind: fc.constant('trust-anchor' as const),
    type: oneOf(26),
    keyTag: u16,
    algorithm: u8,
    digestType: u8,
    digest: octets(1, 48),
  }),
  fc.record({
    kind: fc.constant('encrypted-dns' as const),
    type: oneOf(27),
    priority: u16.filter((n) => n > 0),
    addresses: fc.array(octets(4), { maxLength: 3 }),
    name,
    parameters,
  }),
  fc.record({
    kind: fc.constant('encrypted-dns' as const),
    type: oneOf(28),
    priority: u16.filter((n) => n > 0),
    addresses: fc.array(octets(16), { maxLength: 3 }),
    name,
    parameters,
  }),
  fc.record({
    kind: fc.constant('encrypted-dns-digest' as const),
    type: oneOf(29),
    hashes: fc.array(u16, { maxLength: 5 }),
    name: fc.oneof(name, fc.constant('')),
    digest: fc.constant(new Uint8Array(0)),
  }),
  fc.record({
    kind: fc.constant('encrypted-dns-digest' as const),
    type: oneOf(29),
    hashes: fc.tuple(u16),
    name: fc.oneof(name, fc.constant('')),
    digest: octets(1, 64),
  }),
  fc.record({ kind: fc.constant('unknown' as const), type: oneOf(16, 20, 16500), value: octets(0, 20) }),
)

describe('configuration attributes', () => {
  it('come back as they were encoded', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(decodeAttribute(encodeAttribute(value))).toEqual(value)
      }),
    )
  })

  it('give a value or a reason for every prefix and every changed octet', () => {
    fc.assert(
      fc.property(anyValue, fc.nat(), u8, (value, at, octet) => {
        const attribute = encodeAttribute(value)
        for (let length = 0; length < attribute.value.length; length++) {
          const read = decodeAttribute({ ...attribute, value: attribute.value.subarray(0, length) })
          if (read.kind === 'malformed') expect(read.reason).toContain(attributeName(attribute.type))
        }
        if (attribute.value.length === 0) return
        attribute.value[at % attribute.value.length] = octet
        const read = decodeAttribute(attribute)
        // What is taken is what would be sent.
        if (read.kind !== 'malformed') expect(decodeAttribute(encodeAttribute(read))).toEqual(read)
      }),
    )
  })

  it('keep no octets of the datagram', () => {
    const value = Uint8Array.of(10, 3, 0, 9)
    const read = decodeAttribute({ type: CfgAttribute.INTERNAL_IP4_ADDRESS, value })
    value.fill(0)
    expect(read).toEqual({ kind: 'address', type: 1, address: parseIp('10.3.0.9') })
  })

  it.each([
    ['an IPv4 address of three octets', CfgAttribute.INTERNAL_IP4_ADDRESS, '0a0300'],
    ['an IPv4 address of five octets', CfgAttribute.INTERNAL_IP4_DNS, '0a03000101'],
    [
      'an IPv6 address without its prefix length',
      CfgAttribute.INTERNAL_IP6_ADDRESS,
      '20010db8000000000000000000000001',
    ],
    ['an IPv6 prefix length of 129', CfgAttribute.INTERNAL_IP6_SUBNET, '20010db800000000000000000000000081'],
    ['a netmask with holes', CfgAttribute.INTERNAL_IP4_SUBNET, '0a030000ff00ff00'],
    ['a version with a NUL at its end', CfgAttribute.APPLICATION_VERSION, '616200'],
    ['half an attribute type', CfgAttribute.SUPPORTED_ATTRIBUTES, '000100'],
    ['a domain with a NUL', CfgAttribute.INTERNAL_DNS_DOMAIN, '612e6200'],
    ['a domain with a blank', CfgAttribute.INTERNAL_DNS_DOMAIN, '612062'],
    ['a domain with a line end, which would be a line of resolv.conf', CfgAttribute.INTERNAL_DNS_DOMAIN, '610a62'],
    ['a domain with an empty label', CfgAttribute.INTERNAL_DNS_DOMAIN, '612e2e62'],
    ['a trust anchor without digest', CfgAttribute.INTERNAL_DNSSEC_TA, '00010802'],
    ['an encrypted resolver in AliasMode', CfgAttribute.ENCDNS_IP4, '000001010a00000161'],
    ['fewer addresses than announced', CfgAttribute.ENCDNS_IP4, '000102010a00000161'],
    ['service parameters out of order', CfgAttribute.ENCDNS_IP4, '000101010a00000161000300020035000100020161'],
    ['an address hint', CfgAttribute.ENCDNS_IP4, '000101010a00000161000400040a000001'],
    ['a digest of two hashes', CfgAttribute.ENCDNS_DIGEST_INFO, '020000020003aabb'],
  ])('say why %s is passed over', (_what, type, hex) => {
    const read = decodeAttribute({ type, value: fromHex(hex) })
    expect(read.kind).toBe('malformed')
    expect(read).toHaveProperty('reason', expect.stringContaining(attributeName(type)))
  })

  it('read a DoH resolver laid out as in RFC 9464 §3.1', () => {
    // Priority 1, one address, ADN doh.example.com, alpn h2, dohpath /q{?dns}.
    const value = fromHex(
      '0001010f' + 'c0000235' + '646f682e6578616d706c652e636f6d' + '00010003026832' + '00070008' + '2f717b3f646e737d',
    )
    const read = decodeAttribute({ type: CfgAttribute.ENCDNS_IP4, value })
    expect(read).toMatchObject({ priority: 1, addresses: [parseIp('192.0.2.53')], name: 'doh.example.com' })
    expect(serviceOf(read.kind === 'encrypted-dns' ? read.parameters : [])).toEqual({
      alpn: ['h2'],
      port: undefined,
      dohPath: '/q{?dns}',
    })
  })

  it('refuse to encode what would be malformed', () => {
    expect(() => encodeAttribute({ kind: 'domain', type: 25, name: 'a b' })).toThrow('not a domain name')
    expect(() => encodeAttribute({ kind: 'text', type: 7, text: 'š' })).toThrow('not printable ASCII')
    expect(() => encodeAttribute({ kind: 'address', type: 1, address: new Uint8Array(16) })).toThrow(
      'INTERNAL_IP4_ADDRESS',
    )
    expect(() => encodeAttribute({ kind: 'prefix', type: 1, address: new Uint8Array(4), bits: 32 })).toThrow(
      'INTERNAL_IP4_ADDRESS',
    )
  })
})
