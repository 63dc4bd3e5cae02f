import fc from 'fast-check'
import type {
  OutgoingHeader,
  Payload,
  Proposal,
  TrafficSelector,
  Transform,
  TransformAttribute,
} from '../../../src/ike/codec/index.ts'
import { PayloadType } from '../../../src/ike/codec/index.ts'

const u8 = fc.nat(0xff)
const u16 = fc.nat(0xffff)
const critical = fc.boolean()
const octets = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
const data = octets(0, 40)

const attribute: fc.Arbitrary<TransformAttribute> = fc.record({
  type: fc.nat(0x7fff),
  value: fc.oneof(u16, octets(0, 8)),
})
const transform: fc.Arbitrary<Transform> = fc.record({
  type: u8,
  id: u16,
  attributes: fc.array(attribute, { maxLength: 3 }),
})
const proposal: fc.Arbitrary<Proposal> = fc.record({
  number: u8,
  protocol: u8,
  spi: octets(0, 8),
  transforms: fc.array(transform, { maxLength: 4 }),
})
const range = (tsType: 7 | 8, length: number): fc.Arbitrary<TrafficSelector> =>
  fc.record({
    tsType: fc.constant(tsType),
    protocol: u8,
    startPort: u16,
    endPort: u16,
    startAddress: octets(length, length),
    endAddress: octets(length, length),
  })
const selector: fc.Arbitrary<TrafficSelector> = fc.oneof(
  range(7, 4),
  range(8, 16),
  fc.record({
    tsType: u8.filter((type) => type !== 7 && type !== 8),
    unknown: fc.constant(true as const),
    protocol: u8,
    data: octets(0, 12),
  }),
)
const deletion: fc.Arbitrary<Payload> = fc.integer({ min: 1, max: 8 }).chain((spiSize) =>
  fc.record({
    kind: fc.constant('D' as const),
    critical,
    protocol: u8,
    spiSize: fc.constant(spiSize),
    spis: fc.array(octets(spiSize, spiSize), { maxLength: 5 }),
  }),
)
const knownTypes = new Set<number>([PayloadType.NONE, ...range33to48(), PayloadType.SKF, PayloadType.PS])

function range33to48(): number[] {
  return Array.from({ length: 16 }, (_, i) => 33 + i)
}

/** Any payload but SK and SKF. */
export const openPayload: fc.Arbitrary<Payload> = fc.oneof(
  fc.record({
    kind: fc.constant('SA' as const),
    critical,
    proposals: fc.array(proposal, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('KE' as const), critical, group: u16, data }),
  fc.record({
    kind: fc.constantFrom('IDi' as const, 'IDr' as const),
    critical,
    idType: u8,
    reserved: fc.nat(0xffffff),
    data,
  }),
  fc.record({ kind: fc.constantFrom('CERT' as const, 'CERTREQ' as const), critical, encoding: u8, data }),
  fc.record({ kind: fc.constant('AUTH' as const), critical, method: u8, data }),
  fc.record({ kind: fc.constant('Nonce' as const), critical, data: octets(16, 256) }),
  fc.record({ kind: fc.constant('N' as const), critical, protocol: u8, spi: octets(0, 8), notify: u16, data }),
  deletion,
  fc.record({ kind: fc.constant('V' as const), critical, data }),
  fc.record({
    kind: fc.constantFrom('TSi' as const, 'TSr' as const),
    critical,
    selectors: fc.array(selector, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('CP' as const),
    critical,
    cfgType: u8,
    attributes: fc.array(fc.record({ type: fc.nat(0x7fff), value: octets(0, 20) }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('PS' as const), critical, data }),
  fc.record({ kind: fc.constant('EAP' as const), critical, code: u8, identifier: u8, data }),
  fc.record({
    kind: fc.constant('unknown' as const),
    critical,
    type: u8.filter((type) => !knownTypes.has(type)),
    data,
  }),
)

const closedPayload: fc.Arbitrary<Payload> = fc.oneof(
  fc.record({ kind: fc.constant('SK' as const), critical, firstPayload: u8, body: data }),
  fc.tuple(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffff })).chain(([a, b]) =>
    fc.record({
      kind: fc.constant('SKF' as const),
      critical,
      firstPayload: u8,
      fragmentNumber: fc.constant(Math.min(a, b)),
      totalFragments: fc.constant(Math.max(a, b)),
      body: data,
    }),
  ),
)

/** Payloads as they may stand inside SK. */
export const innerPayloads: fc.Arbitrary<Payload[]> = fc.array(openPayload, { maxLength: 8 })

/** Payloads of a whole message: at most one SK or SKF, last. */
export const outerPayloads: fc.Arbitrary<Payload[]> = fc
  .tuple(innerPayloads, fc.option(closedPayload, { nil: undefined }))
  .map(([open, closed]) => (closed === undefined ? open : [...open, closed]))

export const header: fc.Arbitrary<OutgoingHeader> = fc.record({
  SPIi: octets(8, 8),
  SPIr: octets(8, 8),
  majorVersion: fc.nat(15),
  minorVersion: fc.nat(15),
  exchangeType: u8,
  flags: fc.record({ initiator: fc.boolean(), response: fc.boolean(), higherVersion: fc.boolean() }),
  messageId: fc.nat(0xffffffff),
})
