import { describe, expect, it } from 'vitest'
import { fromHex, toHex, Writer } from '../../../src/bytes/index.ts'
import { DecodeError, UsageError } from '../../../src/errors.ts'
import {
  decodePayloads,
  describePayload,
  encodeIdBody,
  encodePayloads,
  exchangeName,
  type IdPayload,
  isErrorNotify,
  keyLengthAttribute,
  keyLengthOf,
  notifyName,
  type Payload,
  PayloadType,
  payloadName,
} from '../../../src/ike/codec/index.ts'

const hex = (text: string): string => text.replaceAll(/\s/g, '')
const critical = false

const decodeOne = (type: number, body: string): Payload => {
  const octets = hex(body)
  const length = (octets.length / 2 + 4).toString(16).padStart(4, '0')
  return decodePayloads(type, fromHex(`0000${length}${octets}`))[0]!
}
const encodeOne = (payload: Payload): string => {
  const writer = new Writer()
  encodePayloads([payload], writer)
  return toHex(writer.finish()).slice(8)
}

interface Sample {
  readonly name: string
  readonly type: number
  readonly body: string
  readonly payload: Payload
}

/** Bodies written out by hand after the RFC's drawings. */
const samples: readonly Sample[] = [
  {
    name: 'SA with TV and TLV attributes',
    type: PayloadType.SA,
    body: `02 00 0018 01 01 00 01   00 00 0010 01 00 0014 800e 0080 8001 0007
           00 00 0020 02 03 04 02 aabbccdd   03 00 000c 01 00 ffff 0005 0000   00 00 0008 05 00 0001`,
    payload: {
      kind: 'SA',
      critical,
      proposals: [
        {
          number: 1,
          protocol: 1,
          spi: new Uint8Array(0),
          transforms: [
            {
              type: 1,
              id: 20,
              attributes: [
                { type: 14, value: 128 },
                { type: 1, value: 7 },
              ],
            },
          ],
        },
        {
          number: 2,
          protocol: 3,
          spi: fromHex('aabbccdd'),
          transforms: [
            { type: 1, id: 0xffff, attributes: [{ type: 5, value: new Uint8Array(0) }] },
            { type: 5, id: 1, attributes: [] },
          ],
        },
      ],
    },
  },
  {
    name: 'KE',
    type: PayloadType.KE,
    body: '0013 0000 0102',
    payload: { kind: 'KE', critical, group: 19, data: Uint8Array.of(1, 2) },
  },
  {
    name: 'IDi with reserved bits',
    type: PayloadType.IDi,
    body: '02 010203 6162',
    payload: { kind: 'IDi', critical, idType: 2, reserved: 0x010203, data: Uint8Array.of(0x61, 0x62) },
  },
  {
    name: 'IDr',
    type: PayloadType.IDr,
    body: '01 000000 0a000001',
    payload: { kind: 'IDr', critical, idType: 1, reserved: 0, data: Uint8Array.of(10, 0, 0, 1) },
  },
  {
    name: 'CERT',
    type: PayloadType.CERT,
    body: '04 3082',
    payload: { kind: 'CERT', critical, encoding: 4, data: Uint8Array.of(0x30, 0x82) },
  },
  {
    name: 'CERTREQ',
    type: PayloadType.CERTREQ,
    body: '04',
    payload: { kind: 'CERTREQ', critical, encoding: 4, data: new Uint8Array(0) },
  },
  {
    name: 'AUTH',
    type: PayloadType.AUTH,
    body: '02 000000 ff',
    payload: { kind: 'AUTH', critical, method: 2, data: Uint8Array.of(0xff) },
  },
  {
    name: 'Nonce',
    type: PayloadType.NONCE,
    body: '00'.repeat(16),
    payload: { kind: 'Nonce', critical, data: new Uint8Array(16) },
  },
  {
    name: 'N with SPI',
    type: PayloadType.NOTIFY,
    body: '03 04 4009 01020304 ee',
    payload: { kind: 'N', critical, protocol: 3, spi: fromHex('01020304'), notify: 16393, data: Uint8Array.of(0xee) },
  },
  {
    name: 'D of two ESP SAs',
    type: PayloadType.DELETE,
    body: '03 04 0002 01020304 05060708',
    payload: { kind: 'D', critical, protocol: 3, spiSize: 4, spis: [fromHex('01020304'), fromHex('05060708')] },
  },
  {
    name: 'D of the IKE SA',
    type: PayloadType.DELETE,
    body: '01 00 0000',
    payload: { kind: 'D', critical, protocol: 1, spiSize: 0, spis: [] },
  },
  {
    name: 'V',
    type: PayloadType.VENDOR,
    body: '4f45',
    payload: { kind: 'V', critical, data: Uint8Array.of(0x4f, 0x45) },
  },
  {
    name: 'TSi with both families and a security label',
    type: PayloadType.TSi,
    body: `03 000000
           07 06 0010 0050 0051 0a000000 0affffff
           08 00 0028 0000 ffff ${'00'.repeat(16)} ${'ff'.repeat(16)}
           0a 00 0006 6c62`,
    payload: {
      kind: 'TSi',
      critical,
      selectors: [
        {
          tsType: 7,
          protocol: 6,
          startPort: 80,
          endPort: 81,
          startAddress: fromHex('0a000000'),
          endAddress: fromHex('0affffff'),
        },
        {
          tsType: 8,
          protocol: 0,
          startPort: 0,
          endPort: 65535,
          startAddress: new Uint8Array(16),
          endAddress: new Uint8Array(16).fill(0xff),
        },
        { tsType: 10, unknown: true, protocol: 0, data: Uint8Array.of(0x6c, 0x62) },
      ],
    },
  },
  {
    name: 'SKF',
    type: PayloadType.SKF,
    body: '0001 0002 aabb',
    payload: {
      kind: 'SKF',
      critical,
      firstPayload: 0,
      fragmentNumber: 1,
      totalFragments: 2,
      body: Uint8Array.of(0xaa, 0xbb),
    },
  },
  {
    name: 'CP',
    type: PayloadType.CP,
    body: '01 000000 0001 0000 7001 0002 abcd',
    payload: {
      kind: 'CP',
      critical,
      cfgType: 1,
      attributes: [
        { type: 1, value: new Uint8Array(0) },
        { type: 0x7001, value: Uint8Array.of(0xab, 0xcd) },
      ],
    },
  },
  {
    name: 'EAP',
    type: PayloadType.EAP,
    body: '01 07 0005 01',
    payload: { kind: 'EAP', critical, code: 1, identifier: 7, data: Uint8Array.of(1) },
  },
  {
    name: 'EAP success, which has no data',
    type: PayloadType.EAP,
    body: '03 07 0004',
    payload: { kind: 'EAP', critical, code: 3, identifier: 7, data: new Uint8Array(0) },
  },
  {
    name: 'a payload of unknown type',
    type: 200,
    body: '0102',
    payload: { kind: 'unknown', critical, type: 200, data: Uint8Array.of(1, 2) },
  },
]

describe('payloads', () => {
  it.each(samples.filter(({ type }) => type !== PayloadType.SKF))('$name: decodes', ({ type, body, payload }) => {
    expect(decodeOne(type, body)).toEqual(payload)
  })

  it.each(samples)('$name: encodes', ({ body, payload }) => {
    expect(encodeOne(payload)).toBe(hex(body))
  })

  it.each([
    ['SA without a proposal', PayloadType.SA, '', '§3.3'],
    ['SA with a wrong Last Substruc', PayloadType.SA, '01 00 0008 01 01 00 00', '§3.3'],
    ['SA that announces another proposal', PayloadType.SA, '02 00 0008 01 01 00 00', '§3.3'],
    ['SA with octets after the last proposal', PayloadType.SA, '00 00 0008 01 01 00 00 00', '§3.3'],
    ['Proposal Length too short for its head', PayloadType.SA, '00 00 0003 01 01 00 00', '§3.3'],
    ['Proposal Length beyond the payload', PayloadType.SA, '00 00 0009 01 01 00 00', '§3.3'],
    ['SPI beyond the proposal', PayloadType.SA, '00 00 0008 01 01 08 00', '§3.3.1'],
    ['fewer transforms than Num Transforms', PayloadType.SA, '00 00 0010 01 01 00 02 00 00 0008 01 00 0014', '§3.3.1'],
    ['more transforms than Num Transforms', PayloadType.SA, '00 00 0010 01 01 00 00 00 00 0008 01 00 0014', '§3.3.1'],
    ['Transform Last Substruc of a proposal', PayloadType.SA, '00 00 0010 01 01 00 01 02 00 0008 01 00 0014', '§3.3.1'],
    ['Transform Length without a head', PayloadType.SA, '00 00 0010 01 01 00 01 00 00 0000 01 00 0014', '§3.3.1'],
    ['attribute cut off', PayloadType.SA, '00 00 0012 01 01 00 01 00 00 000a 01 00 0014 800e', '§3.3.2'],
    ['TLV value cut off', PayloadType.SA, '00 00 0014 01 01 00 01 00 00 000c 01 00 0014 000e 0002', '§3.3.2'],
    ['KE without RESERVED', PayloadType.KE, '0013 00', '§3.4'],
    ['ID without RESERVED', PayloadType.IDi, '01 0000', '§3.5'],
    ['CERT without encoding', PayloadType.CERT, '', '§3.6'],
    ['CERTREQ without encoding', PayloadType.CERTREQ, '', '§3.7'],
    ['AUTH without RESERVED', PayloadType.AUTH, '01', '§3.8'],
    ['nonce of 15 octets', PayloadType.NONCE, '00'.repeat(15), '§3.9'],
    ['nonce of 257 octets', PayloadType.NONCE, '00'.repeat(257), '§3.9'],
    ['N with an SPI beyond its end', PayloadType.NOTIFY, '03 05 4009 01020304', '§3.10'],
    ['D with too few SPIs', PayloadType.DELETE, '03 04 0002 01020304', '§3.11'],
    ['D with octets left over', PayloadType.DELETE, '03 04 0001 01020304 05', '§3.11'],
    ['D of many SPIs without octets', PayloadType.DELETE, '03 00 ffff', '§3.11'],
    ['TS without selectors', PayloadType.TSr, '00 000000', '§3.13'],
    ['TS with fewer selectors than announced', PayloadType.TSr, '02 000000 0a 00 0004', '§3.13'],
    ['TS with octets left over', PayloadType.TSr, '01 000000 0a 00 0004 00', '§3.13'],
    ['selector shorter than its head', PayloadType.TSi, '01 000000 0a 00 0003', '§3.13'],
    ['IPv4 range of 15 octets', PayloadType.TSi, '01 000000 07 00 000f 0000 ffff 0a000000 0affff', '§3.13.1'],
    ['IPv4 range of 17 octets', PayloadType.TSi, '01 000000 07 00 0011 0000 ffff 0a000000 0affffff 00', '§3.13.1'],
    ['CP attribute cut off', PayloadType.CP, '01 000000 0001 0004 0a0000', '§3.15'],
    ['EAP shorter than its header', PayloadType.EAP, '01 07 00', '§3.16'],
    ['EAP Length beyond the payload', PayloadType.EAP, '01 07 0006 01', '§3.16'],
    ['EAP Length within the payload', PayloadType.EAP, '01 07 0004 01', '§3.16'],
  ])('refuses %s', (_name, type, body, section) => {
    expect(() => decodeOne(type, body)).toThrow(
      expect.objectContaining({ name: 'DecodeError', section: `RFC 7296 ${section}` }),
    )
  })

  it('keeps transforms with as many attributes as are sane, refuses more', () => {
    const transformOf = (count: number) => {
      const attributes = '800e0080'.repeat(count)
      const transform = `0000${(8 + 4 * count).toString(16).padStart(4, '0')}01000014${attributes}`
      return `0000${(16 + 4 * count).toString(16).padStart(4, '0')}01010001${transform}`
    }
    expect(decodeOne(PayloadType.SA, transformOf(16))).toMatchObject({ kind: 'SA' })
    expect(() => decodeOne(PayloadType.SA, transformOf(17))).toThrow(DecodeError)
  })

  it.each([
    [
      'an SPI of 256 octets',
      { kind: 'N', critical, protocol: 3, spi: new Uint8Array(256), notify: 1, data: new Uint8Array(0) },
    ],
    [
      'SPIs of another size than announced',
      { kind: 'D', critical, protocol: 3, spiSize: 4, spis: [new Uint8Array(8)] },
    ],
    [
      'an IPv6 address in an IPv4 range',
      {
        kind: 'TSi',
        critical,
        selectors: [
          {
            tsType: 7,
            protocol: 0,
            startPort: 0,
            endPort: 0,
            startAddress: new Uint8Array(16),
            endAddress: new Uint8Array(16),
          },
        ],
      },
    ],
  ] satisfies [string, Payload][])('refuses to encode %s', (_name, payload) => {
    expect(() => encodeOne(payload)).toThrow(UsageError)
  })
})

describe('helpers', () => {
  it('reads the key length in its TV form only', () => {
    expect(keyLengthOf({ type: 1, id: 12, attributes: [keyLengthAttribute(256)] })).toBe(256)
    expect(keyLengthOf({ type: 1, id: 28, attributes: [] })).toBeUndefined()
    expect(keyLengthOf({ type: 1, id: 12, attributes: [{ type: 14, value: Uint8Array.of(1, 0) }] })).toBeUndefined()
  })

  it('gives the identity as AUTH covers it, reserved bits and all', () => {
    const id = decodeOne(PayloadType.IDi, '02 010203 6162') as IdPayload
    expect(toHex(encodeIdBody(id))).toBe('020102036162')
  })

  it('names what the registry names, and numbers the rest', () => {
    expect([exchangeName(34), exchangeName(250)]).toEqual(['IKE_SA_INIT', 'EXCHANGE_250'])
    expect([notifyName(16390), notifyName(12345)]).toEqual(['COOKIE', 'NOTIFY_12345'])
    expect([33, 40, 41, 42, 43, 53, 200].map(payloadName)).toEqual(['SA', 'Ni/Nr', 'N', 'D', 'V', 'SKF', 'PAYLOAD_200'])
  })

  it('tells error notifies from status notifies', () => {
    expect([0, 1, 16383, 16384, 65535].map(isErrorNotify)).toEqual([false, true, true, false, false])
  })

  it('describes payloads as message diagrams do', () => {
    const names = samples.map(({ payload }) => describePayload(payload, true))
    expect(names).toEqual(
      'SA KE IDi IDr CERT CERTREQ AUTH Nr N(REKEY_SA) D D V TSi SKF(1/2) CP EAP EAP unknown(200)'.split(' '),
    )
    expect(describePayload({ kind: 'Nonce', critical, data: new Uint8Array(16) }, false)).toBe('Ni')
  })
})
