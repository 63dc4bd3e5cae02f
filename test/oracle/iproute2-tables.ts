import fc from 'fast-check'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Encr } from '../../src/crypto/transforms.ts'
import { type AddressRange, IpProtocol, isIcmp, rangeOfPrefix } from '../../src/ip/index.ts'
import {
  type LarvalState,
  StatePhase,
  unlimited,
  Xfrm,
  type XfrmLifetime,
  type XfrmPolicyConfig,
  type XfrmSelector,
  type XfrmStateConfig,
  type XfrmTemplate,
} from '../../src/xfrm/index.ts'
import { suites } from '../esp/suites.ts'

const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
/** Not an address that the kernel takes for a group or for nobody. */
const ipv4 = octets(4).map((address) => Uint8Array.of(1 + (address[0]! % 222), ...address.subarray(1)))
const ipv6 = octets(16).map((address) => Uint8Array.of(0x20, ...address.subarray(1)))
const addressOf = (family: 4 | 6) => (family === 4 ? ipv4 : ipv6)
const family = fc.constantFrom<4 | 6>(4, 6)
const mark = fc.record({ value: u32, mask: u32 }).map(({ value, mask }) => ({ value: (value & mask) >>> 0, mask }))

const anyPort = { first: 0, last: 65535 }
/** A port of 0 is none, in the kernel. */
const port = fc.oneof(
  fc.constant(anyPort),
  fc.integer({ min: 1, max: 65534 }).map((one) => ({ first: one, last: one })),
)
const icmpPort = fc.oneof(
  fc.constant(anyPort),
  u16.map((one) => ({ first: one, last: one })),
  fc.integer({ min: 0, max: 254 }).map((type) => ({ first: type << 8, last: (type << 8) | 0xff })),
)

const prefix = (of: 4 | 6): fc.Arbitrary<AddressRange> =>
  fc
    .tuple(addressOf(of), fc.integer({ min: 0, max: of === 4 ? 32 : 128 }))
    .map(([address, bits]) => rangeOfPrefix(address, bits))

/** What the kernel can have too: prefixes and single ports. */
export const kernelsSelector = (of: 4 | 6): fc.Arbitrary<XfrmSelector> =>
  fc.oneof(fc.constant(0), fc.constantFrom(1, 6, 17, 58, 132), fc.integer({ min: 1, max: 255 })).chain((protocol) => {
    const withPorts = [6, 17, 33, 132, 136].includes(protocol)
    return fc.record({
      ...{ source: prefix(of), destination: prefix(of), protocol: fc.constant(protocol) },
      sourcePort: isIcmp(protocol) ? icmpPort : withPorts ? port : fc.constant(anyPort),
      destinationPort: withPorts ? port : fc.constant(anyPort),
    })
  })

const ms = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 1e9 }))
const limit = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1000, max: Number.MAX_SAFE_INTEGER }))
const lifetime: fc.Arbitrary<XfrmLifetime> = fc.oneof(
  fc.constant(unlimited),
  fc.record({
    ...{ softBytes: limit, hardBytes: limit, softPackets: limit, hardPackets: limit },
    ...{ softMs: ms, hardMs: ms, softUseMs: ms, hardUseMs: ms },
  }),
)
const flag = fc.boolean()
const flags = fc.record({
  ...{ noEcn: flag, decapDscp: flag, dontEncapDscp: flag, noPmtuDisc: flag },
  ...{ icmp: flag, afUnspec: flag, align4: flag, oseqMayWrap: flag },
})

const maybe = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { requiredKeys: [] })

export const stateConfig: fc.Arbitrary<XfrmStateConfig> = fc
  .record({
    of: family,
    inner: family,
    suite: fc.constantFrom(...suites),
    mode: fc.constantFrom('tunnel', 'transport', 'beet'),
  })
  .chain(({ of, inner, suite, mode }) => {
    const needed = fc.record({
      ...{ spi: fc.integer({ min: 256, max: 0xffffffff }), proto: fc.constant(IpProtocol.ESP as number) },
      ...{ saddr: addressOf(of), daddr: addressOf(of), direction: fc.constantFrom('in', 'out') },
      ...{ reqid: fc.integer({ min: 1, max: 0xffffffff }), mode: fc.constant(mode), esn: flag },
      encr: fc.record({ id: fc.constant(suite.encr), key: octets(suite.keyBytes), salt: octets(suite.saltBytes) }),
      replayWindow: fc.constantFrom(32, 64, 96, 128, 1024, 4096),
      ...{ lifetime, label: fc.constant('child') },
    })
    const integ = fc.record({ id: fc.constant(suite.integ ?? 0), key: octets(suite.integBytes ?? 0) })
    const more = maybe({
      encap: maybe({ type: fc.constantFrom('udp', 'tcp'), sport: u16, dport: u16 }).map((encap) => ({
        sport: 1,
        dport: 2,
        ...encap,
      })),
      ...{ seq: u32, outputMark: mark, ifId: u32, tfcPad: u16, flags, mark },
      originalAddresses: fc.record({ source: addressOf(of), destination: addressOf(of) }),
      selector: kernelsSelector(mode === 'beet' ? inner : of),
    })
    return fc.tuple(needed, integ, more).map(([config, integ, rest]) => ({
      ...config,
      ...(suite.integ === undefined ? {} : { integ }),
      ...rest,
      ...(mode === 'tunnel' ? {} : { selector: rest.selector ?? selectorOf(config.saddr, config.daddr) }),
    })) as fc.Arbitrary<XfrmStateConfig>
  })

function selectorOf(saddr: Uint8Array, daddr: Uint8Array): XfrmSelector {
  const one = (address: Uint8Array) => ({ start: address, end: address })
  return { source: one(saddr), destination: one(daddr), protocol: 0, sourcePort: anyPort, destinationPort: anyPort }
}

const template = (inner: 4 | 6, direction: string): fc.Arbitrary<XfrmTemplate> =>
  fc.tuple(fc.constantFrom('tunnel', 'transport'), family).chain(([mode, outer]) => {
    const of = mode === 'tunnel' ? outer : inner
    // The kernel takes no packet out of a tunnel that may be left out.
    const level =
      mode === 'tunnel' && direction === 'out' ? fc.constant('required') : fc.constantFrom('required', 'use')
    return fc.record({
      ...{ saddr: addressOf(of), daddr: addressOf(of), proto: fc.constant(IpProtocol.ESP), mode: fc.constant(mode) },
      ...{ reqid: u32, spi: fc.oneof(fc.constant(0), u32), level },
    }) as fc.Arbitrary<XfrmTemplate>
  })

/** Its index is to be set by who uses it. */
export const policyConfig: fc.Arbitrary<XfrmPolicyConfig> = fc
  .tuple(family, fc.constantFrom('in', 'out', 'fwd'))
  .chain(([of, direction]) => {
    const needed = fc.record({
      ...{ index: fc.constant(0), direction: fc.constant(direction), selector: kernelsSelector(of), priority: u32 },
      ...{ action: fc.constantFrom('allow', 'block'), label: fc.constant('child') },
      // The states of a packet's path must not change its family between two tunnels.
      templates: fc
        .array(template(of, direction), { maxLength: 2 })
        .map((all) => all.slice(0, all[0]?.mode === 'tunnel' ? 1 : 2)),
    })
    const more = maybe({ mark, ifId: u32, type: fc.constantFrom('main', 'sub') })
    return fc.tuple(needed, more).map(([config, rest]) => ({ ...config, ...rest })) as fc.Arbitrary<XfrmPolicyConfig>
  })

export const larvalState: fc.Arbitrary<LarvalState> = family.chain((of) =>
  fc.record({
    ...{ spi: fc.integer({ min: 256, max: 0xffffffff }), proto: fc.constant(IpProtocol.ESP as number) },
    ...{ saddr: addressOf(of), daddr: addressOf(of), reqid: fc.integer({ min: 1, max: 0xffffffff }) },
  }),
)

/** Databases on a clock of their own, with nobody who keeps them. */
export function emptyXfrm(clock: { now: number }): Xfrm {
  const ignore = () => {}
  const listener = { acquire: ignore, expire: ignore, mapping: ignore }
  return new Xfrm({ crypto: nodeProvider, random: (bytes) => new Uint8Array(bytes), listener, clock: () => clock.now })
}

/** Databases with these states and policies, which have seen packets, and had some changed and removed again. */
export function useTables(
  xfrm: Xfrm,
  clock: { now: number },
  configs: readonly XfrmStateConfig[],
  numbers: () => number,
): void {
  for (const config of configs) {
    xfrm.newSa(config)
    clock.now += numbers() % 5000
  }
  for (const state of [...xfrm.states()]) {
    if (state.phase !== StatePhase.VALID) continue
    for (let packets = numbers() % 200; packets > 0; packets--) {
      const { replay } = state.decapsulator ?? {}
      replay?.advance((replay.low + (numbers() % 60) - 20) >>> 0, replay.high)
    }
    state.encapsulator?.skip(numbers())
    if (numbers() % 2 === 0) xfrm.account(state, numbers() % 1000, clock.now)
    state.replayDrops += numbers() % 3
    state.integrityFailures += numbers() % 3
    const { daddr, spi, proto, mark } = state
    const id = { daddr, spi, proto, mark }
    if (numbers() % 4 === 0) xfrm.updSa(id, { outputMark: { value: numbers(), mask: numbers() } })
    if (numbers() % 4 === 0) xfrm.tellMapping(state, { address: state.saddr, port: numbers() & 0xffff }, clock.now)
    if (numbers() % 5 === 0) xfrm.delSa(id)
  }
  for (const state of [...xfrm.states()]) if (numbers() % 5 === 0) xfrm.expireHard(state)
}

/** Without those that have the SPI of another one. */
export function distinct<T extends LarvalState>(configs: readonly T[]): T[] {
  return [...new Map(configs.map((config) => [config.spi, config])).values()]
}

/** True for what the kernel has, too. */
export function isKernels(config: XfrmStateConfig): boolean {
  return !implicitIvs.includes(config.encr.id)
}

const implicitIvs: readonly number[] = [
  Encr.ENCR_AES_CCM_8_IIV,
  Encr.ENCR_AES_GCM_16_IIV,
  Encr.ENCR_CHACHA20_POLY1305_IIV,
]
