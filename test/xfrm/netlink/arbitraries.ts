import fc from 'fast-check'
import type { XfrmAttributes } from '../../../src/xfrm/netlink/attributes.ts'
import type { XfrmMessage } from '../../../src/xfrm/netlink/message.ts'
import { NO_LIMIT } from '../../../src/xfrm/netlink/numbers.ts'
import type { KernelPolicyInfo, KernelSaInfo, KernelTemplate } from '../../../src/xfrm/netlink/structs.ts'

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 0xffffffff }))
const i32 = fc.integer({ min: -0x80000000, max: 0x7fffffff })
const u64 = fc.oneof(fc.constant(0n), fc.constant(NO_LIMIT), fc.bigInt({ min: 0n, max: NO_LIMIT }))
const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Seconds of the calendar, up to the year 9999: beyond, printers differ by their libraries. */
const time = fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 253_402_300_799n - 86_400n }))
const family = fc.oneof({ arbitrary: fc.constantFrom(2, 10), weight: 9 }, { arbitrary: u16, weight: 1 })

/** IPv4 in the first octets, and IPv6 with the zeros that decide how it is printed. */
const address = fc.oneof(
  octets(16),
  octets(4).map((head) => Uint8Array.of(...head, ...new Array<number>(12).fill(0))),
  fc
    .tuple(octets(16), fc.integer({ min: 0, max: 0xffff }))
    .map(([whole, zeros]) => whole.map((octet, at) => (((zeros >>> at) & 1) === 0 ? octet : 0))),
  octets(4).map((tail) => Uint8Array.of(...new Array<number>(12).fill(0), ...tail)),
  octets(4).map((tail) => Uint8Array.of(...new Array<number>(10).fill(0), 0xff, 0xff, ...tail)),
  octets(2).map((tail) => Uint8Array.of(...new Array<number>(14).fill(0), ...tail)),
  fc.constant(new Uint8Array(16)),
)

const ports = fc.oneof(
  fc.constant([0, 0] as const),
  u16.map((port) => [port, 0xffff] as const),
  fc.tuple(u16, u16),
)
// Bits of a device's index that no machine has: the name is then made of the number.
const ifindex = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 100_000, max: 0x7fffffff }),
  i32.filter((n) => n < 0),
)

export const selector = fc
  .record({
    daddr: address,
    saddr: address,
    source: ports,
    destination: ports,
    family: fc.oneof(family, fc.constant(0)),
  })
  .chain(({ source, destination, ...rest }) =>
    fc.record({
      ...(Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, fc.constant(value)])) as {
        [K in keyof typeof rest]: fc.Arbitrary<(typeof rest)[K]>
      }),
      sport: fc.constant(source[0]),
      sportMask: fc.constant(source[1]),
      dport: fc.constant(destination[0]),
      dportMask: fc.constant(destination[1]),
      prefixlenD: u8,
      prefixlenS: u8,
      proto: fc.oneof(u8, fc.constantFrom(0, 1, 6, 17, 47, 58, 135)),
      ifindex,
      user: u32,
    }),
  )

const zeroSelector = {
  ...{
    daddr: new Uint8Array(16),
    saddr: new Uint8Array(16),
    dport: 0,
    dportMask: 0,
    sport: 0,
    sportMask: 0,
    family: 0,
  },
  ...{ prefixlenD: 0, prefixlenS: 0, proto: 0, ifindex: 0, user: 0 },
}

const proto = fc.oneof(fc.constant(50), fc.constantFrom(0, 43, 51, 60, 108, 255), u8)
const id = fc.record({ daddr: address, spi: u32, proto })
const lifetime = fc.record({
  ...{ softByteLimit: u64, hardByteLimit: u64, softPacketLimit: u64, hardPacketLimit: u64 },
  ...{ softAddExpiresSeconds: u64, hardAddExpiresSeconds: u64, softUseExpiresSeconds: u64, hardUseExpiresSeconds: u64 },
})
const current = fc.record({ bytes: u64, packets: u64, addTime: time, useTime: time })
const mode = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4), u8)

export const saInfo: fc.Arbitrary<KernelSaInfo> = fc.record({
  selector: fc.oneof(fc.constant(zeroSelector), selector),
  id,
  saddr: address,
  lifetime,
  current,
  stats: fc.record({ replayWindow: u32, replay: u32, integrityFailed: u32 }),
  seq: u32,
  reqid: u32,
  family,
  mode,
  replayWindow: u8,
  flags: u8,
})

export const policyInfo: fc.Arbitrary<KernelPolicyInfo> = fc.record({
  selector,
  lifetime,
  current,
  priority: u32,
  index: u32,
  dir: fc.oneof(fc.integer({ min: 0, max: 6 }), u8),
  action: fc.oneof(fc.constantFrom(0, 1), u8),
  flags: u8,
  share: fc.oneof(fc.integer({ min: 0, max: 4 }), u8),
})

const template: fc.Arbitrary<KernelTemplate> = fc.record({
  ...{ id, family, saddr: address, reqid: u32, mode, share: u8, optional: fc.oneof(fc.constantFrom(0, 1), u8) },
  ...{ aalgos: u32, ealgos: u32, calgos: u32 },
})

const name = fc.oneof(
  fc.constantFrom('cbc(aes)', 'hmac(sha256)', 'rfc4106(gcm(aes))', 'deflate', ''),
  fc.string({ unit: 'grapheme-ascii', maxLength: 63 }),
)
const key = fc.uint8Array({ maxLength: 64 })
const algorithm = fc.record({ name, key })
const algorithmWithIcv = fc.record({ name, key, icvBits: u32 })
const saId = fc.record({ daddr: address, spi: u32, family, proto })
const mark = fc.record({ value: u32, mask: u32 })

const optional = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { requiredKeys: [] })

/** What states and policies have in common. */
const place = {
  mark,
  setMark: u32,
  setMarkMask: u32,
  ifId: u32,
  careOfAddress: address,
  lastUsed: time,
  offload: fc.record({ ifindex: fc.oneof(fc.constant(0), fc.integer({ min: 100_000, max: 0x7fffffff })), flags: u8 }),
  templates: fc.array(template, { minLength: 1, maxLength: 6 }),
  encap: fc.record({
    type: fc.oneof(fc.constantFrom(1, 2, 7), u16),
    ...{ sport: u16, dport: u16, originalAddress: address },
  }),
}

export const stateAttributes: fc.Arbitrary<XfrmAttributes> = optional({
  ...place,
  algAuth: algorithm,
  algCrypt: algorithm,
  algComp: algorithm,
  algAead: algorithmWithIcv,
  algAuthTrunc: algorithmWithIcv,
  lifetimeValue: current,
  replay: fc.record({ oseq: u32, seq: u32, bitmap: u32 }),
  replayThreshold: u32,
  expiryTimerThreshold: u32,
  tfcPad: u32,
  extraFlags: u32,
  mappingTimerThreshold: u32,
  saDirection: u8,
  replayEsn: fc.record({
    ...{ oseq: u32, seq: u32, oseqHi: u32, seqHi: u32, replayWindow: u32 },
    bitmap: fc.array(u32, { maxLength: 40 }),
  }),
  unknown: fc.array(fc.record({ type: fc.integer({ min: 40, max: 0x3fff }), data: fc.uint8Array({ maxLength: 20 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
})

export const policyAttributes: fc.Arbitrary<XfrmAttributes> = optional({
  ...place,
  policyType: fc.record({ type: fc.oneof(fc.constantFrom(0, 1), u8) }),
})

const acquire = fc.record({
  ...{ id, saddr: address, selector, policy: policyInfo, aalgos: u32, ealgos: u32, calgos: u32, seq: u32 },
})
const aevent = fc.record({ id: saId, saddr: address, flags: u32, reqid: u32 })
const mapping = fc.record({ id: saId, reqid: u32, oldSaddr: address, newSaddr: address, oldSport: u16, newSport: u16 })
const policyId = fc.record({ selector, index: u32, dir: u8 })
const migration = fc.record({
  ...{ oldDaddr: address, oldSaddr: address, newDaddr: address, newSaddr: address, proto, mode, reqid: u32 },
  ...{ oldFamily: family, newFamily: family },
})
const migrateAttributes = optional({
  migrations: fc.array(migration, { minLength: 1, maxLength: 6 }),
  kmAddress: fc.record({ local: address, remote: address, family }),
  policyType: fc.record({ type: u8 }),
})
const none = fc.constant({})
const hash = fc.record({ buckets: u32, maxBuckets: u32 })
const thresholds = fc.record({ localBits: u8, remoteBits: u8 })

type OfType<T> = Extract<XfrmMessage, { type: T }>

const message = <T extends XfrmMessage['type']>(
  type: T,
  body: fc.Arbitrary<OfType<T>['body']>,
  attributes: fc.Arbitrary<OfType<T>['attributes']>,
): fc.Arbitrary<XfrmMessage> =>
  fc.record({ type: fc.constant(type), body, attributes }) as unknown as fc.Arbitrary<XfrmMessage>

/** What the kernel tells whoever listens. */
export const events: readonly fc.Arbitrary<XfrmMessage>[] = [
  message('newsa', saInfo, stateAttributes),
  message('updsa', saInfo, stateAttributes),
  message(
    'delsa',
    saId,
    fc.tuple(stateAttributes, saInfo).map(([attributes, sa]) => ({ ...attributes, sa })),
  ),
  message('expire', fc.record({ state: saInfo, hard: u8 }), stateAttributes),
  message('newpolicy', policyInfo, policyAttributes),
  message('updpolicy', policyInfo, policyAttributes),
  message(
    'delpolicy',
    policyId,
    fc.tuple(policyAttributes, policyInfo).map(([attributes, policy]) => ({ ...attributes, policy })),
  ),
  message('polexpire', fc.record({ policy: policyInfo, hard: u8 }), policyAttributes),
  message('acquire', acquire, policyAttributes),
  message('flushsa', fc.record({ proto }), none),
  message('flushpolicy', none, optional({ policyType: fc.record({ type: u8 }) })),
  message('report', fc.record({ proto, selector }), optional({ careOfAddress: address })),
  message(
    'newae',
    aevent,
    optional({ lifetimeValue: current, replay: fc.record({ oseq: u32, seq: u32, bitmap: u32 }) }),
  ),
  message('mapping', mapping, none),
  message('migrate', policyId, migrateAttributes),
  message('newsadinfo', fc.record({ flags: u32 }), optional({ count: u32, hash })),
  message(
    'newspdinfo',
    fc.record({ flags: u32 }),
    optional({
      counts: fc.record({ in: u32, out: u32, fwd: u32, socketIn: u32, socketOut: u32, socketFwd: u32 }),
      ...{ hash, ipv4Thresholds: thresholds, ipv6Thresholds: thresholds },
    }),
  ),
]

/** What is asked of the kernel, and its answers. */
export const requests: readonly fc.Arbitrary<XfrmMessage>[] = [
  message('getsa', saId, optional({ mark, sourceAddress: address })),
  message('getpolicy', policyId, policyAttributes),
  message(
    'dumpsa',
    none,
    optional({ proto: u8, addressFilter: fc.record({ saddr: address, daddr: address, family, splen: u8, dplen: u8 }) }),
  ),
  message('dumppolicy', none, none),
  message('allocspi', fc.record({ info: saInfo, min: u32, max: u32 }), stateAttributes),
  message('getae', aevent, none),
  message('getsadinfo', fc.record({ flags: u32 }), none),
  message('getspdinfo', fc.record({ flags: u32 }), none),
  message('setdefault', fc.record({ in: u8, fwd: u8, out: u8 }), none),
  message('getdefault', fc.record({ in: u8, fwd: u8, out: u8 }), none),
  message('done', none, none),
  message(
    'error',
    fc.record({ error: i32, request: fc.record({ length: u32, type: u16, flags: u16, seq: u32, portId: u32 }) }),
    none,
  ),
]

export const anyMessage: fc.Arbitrary<XfrmMessage> = fc.oneof(...events, ...requests)
