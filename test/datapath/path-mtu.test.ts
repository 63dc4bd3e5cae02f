import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readU16, readU32, writeU16 } from '../../src/bytes/index.ts'
import { DatapathStatus, droppedAs, innerMtu, innerMtuOf } from '../../src/datapath/index.ts'
import {
  buildIp,
  buildIpv4,
  buildIpv6,
  buildUdp,
  checksum,
  ipv4FragmentOffset,
  ipv4MoreFragments,
  parseIp,
  transportChecksum,
} from '../../src/ip/index.ts'
import { everySuite } from '../esp/suites.ts'
import { modePair, type PairFields } from './mode-support.ts'
import type { Sent } from './support.ts'

const families = {
  4: { left: '192.0.2.1', right: '198.51.100.2' },
  6: { left: '2001:db8::1', right: '2001:db8::2' },
} as const
const inside = {
  4: { leftTs: '10.1.0.1/32', rightTs: '10.2.0.1/32' },
  6: { leftTs: 'fd00:1::1/128', rightTs: 'fd00:2::1/128' },
} as const
const addressesOf = ({ leftTs, rightTs }: { leftTs: string; rightTs: string }) => ({
  source: parseIp(leftTs.replace(/\/.*/, '')),
  destination: parseIp(rightTs.replace(/\/.*/, '')),
})
type Family = 4 | 6
const familyOf = fc.constantFrom<Family>(4, 6)

/** Octets of the outer IP packet that a sent ESP packet makes. */
const outerBytes = ({ packet, state }: Sent) =>
  packet.length + (state.daddr.length === 4 ? 20 : 40) + (state.encap === undefined ? 0 : 8)

/** A packet of exactly this many octets with DF. */
const packetOf = (fields: { leftTs: string; rightTs: string }, bytes: number, dontFragment = true): Uint8Array => {
  const addresses = addressesOf(fields)
  if (addresses.source.length === 16) {
    return buildIpv6({ ...addresses, protocol: 17, payload: new Uint8Array(bytes - 40).fill(7) })
  }
  return buildIpv4({ ...addresses, protocol: 17, payload: new Uint8Array(bytes - 20).fill(7), dontFragment })
}

function pairOf(
  outer: Family,
  inner: Family,
  mode: 'tunnel' | 'transport' | 'beet',
  mtu: number,
  more: PairFields = {},
) {
  const ts = mode === 'transport' ? hostsOf(families[outer]) : inside[inner]
  return { ts, ...modePair({ ...families[outer], ...ts, extra: { mode, path: { mtu } }, ...more }) }
}
const hostsOf = ({ left, right }: { left: string; right: string }) => ({
  leftTs: `${left}/${left.includes(':') ? 128 : 32}`,
  rightTs: `${right}/${right.includes(':') ? 128 : 32}`,
})

describe('the inner MTU of a state', () => {
  it('is what just fits: one octet more does not, for every algorithm, mode and encapsulation', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...everySuite.filter(({ title }) => title.includes('node'))),
        fc.constantFrom('tunnel' as const, 'transport' as const, 'beet' as const),
        familyOf,
        familyOf,
        fc.boolean(),
        fc.integer({ min: 1400, max: 9000 }),
        ({ suite }, mode, outer, innerFamily, encapsulated, mtu) => {
          const encap = encapsulated ? { sport: 4500, dport: 4500 } : 'none'
          const family = mode === 'transport' ? outer : innerFamily
          const { left, out, ts } = pairOf(outer, family, mode, mtu, { encap, suite })
          const fits = innerMtuOf(out, family)
          const esp = out.encapsulator!
          expect(fits).toBe(
            innerMtu({
              ...{ pathMtu: mtu, outerFamily: outer, encap: encapsulated ? 'udp' : 'none', mode, innerFamily: family },
              maxInnerLength: (bytes) => esp.maxInnerLength(bytes),
            }),
          )
          expect(left.send(packetOf(ts, fits))).toBe(DatapathStatus.DONE)
          expect(outerBytes(left.sent[0]!)).toBeLessThanOrEqual(mtu)
          // ESP is padded to 4 octets or a block.
          expect(outerBytes(left.sent[0]!)).toBeGreaterThan(mtu - 16)
          expect(droppedAs(left.send(packetOf(ts, fits + 1)))).toBe('XfrmOutStateModeError')
        },
      ),
      { numRuns: 150 },
    )
  })

  it('does not hang on the path in TCP', () => {
    const terms = {
      outerFamily: 4,
      encap: 'tcp',
      mode: 'tunnel',
      innerFamily: 4,
      maxInnerLength: (n: number) => n,
    } as const
    expect(innerMtu({ ...terms, pathMtu: 600 })).toBe(65_533)
  })
})

describe('a packet that is too long for its path', () => {
  it('is told to its sender by an ICMP error with the MTU, which then fits', () => {
    for (const outer of [4, 6] as const) {
      for (const family of [4, 6] as const) {
        const { left, ts } = pairOf(outer, family, 'tunnel', 1400)
        const packet = packetOf(ts, 1400)
        expect(droppedAs(left.send(packet))).toBe('XfrmOutStateModeError')
        const [error] = left.delivered
        const at = family === 4 ? 20 : 40
        const mtu = family === 4 ? readU16(error!, at + 6) : readU32(error!, at + 4)
        expect(left.send(packetOf(ts, mtu))).toBe(DatapathStatus.DONE)
        // From where the packet was to go, to who sent it, and about it.
        const { source, destination } = addressesOf(ts)
        const addressAt = family === 4 ? 12 : 8
        expect(error!.slice(addressAt, addressAt + 2 * source.length)).toEqual(Uint8Array.of(...destination, ...source))
        expect(error!.slice(at + 8)).toEqual(packet.slice(0, error!.length - at - 8))
      }
    }
  })

  it('is told in limited number, and from the address that is set', () => {
    const icmpSource = { ipv4: parseIp('10.1.0.254') }
    const { left, ts } = pairOf(4, 4, 'tunnel', 1400, { options: { icmpSource } })
    for (let i = 0; i < 500; i++) left.send(packetOf(ts, 1400))
    expect(left.delivered).toHaveLength(50)
    expect(left.delivered[0]!.slice(12, 16)).toEqual(icmpSource.ipv4)
    left.clock.now += 100
    left.send(packetOf(ts, 1400))
    expect(left.delivered).toHaveLength(51)
  })

  it('is cut before encryption when it may be: each fragment fits, and they make the packet again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 576, max: 3000 }), (bytes, mtu) => {
        const { left, right, ts } = pairOf(4, 4, 'tunnel', mtu)
        const packet = packetOf(ts, 20 + bytes, false)
        expect(left.send(packet)).toBe(DatapathStatus.DONE)
        const data = new Uint8Array(bytes)
        let more = 0
        for (const sent of left.sent) {
          expect(outerBytes(sent)).toBeLessThanOrEqual(mtu)
          expect(right.take(sent, left.socket)).toBe(DatapathStatus.DONE)
          const got = right.delivered.at(-1)!
          data.set(got.subarray(20), ipv4FragmentOffset(got, 0))
          if (ipv4MoreFragments(got, 0)) more++
        }
        expect(more).toBe(left.sent.length - 1)
        expect(data).toEqual(packet.subarray(20))
      }),
      { numRuns: 60 },
    )
  })

  it('XfrmOutStateInvalid: its state is removed between two fragments', () => {
    const { left, ts } = pairOf(4, 4, 'tunnel', 1000)
    const state = [...left.xfrm.states()].find(({ direction }) => direction === 'out')!
    const push = left.sent.push.bind(left.sent)
    left.sent.push = (...all) => {
      left.xfrm.delSa(state)
      return push(...all)
    }
    left.send(packetOf(ts, 3000, false))
    expect(left.sent).toHaveLength(1)
    expect(left.xfrm.stats.value('XfrmOutStateInvalid')).toBe(1)
    expect(state.drops()).toEqual({ XfrmOutStateInvalid: 1 })
  })

  it('goes whole, without DF outside, where fragments outside are wanted, and where IPv6 allows no less', () => {
    for (const extra of [
      { flags: { noPmtuDisc: true }, path: { mtu: 1400 } },
      { path: { mtu: 1400, df: 'clear' } },
    ] as const) {
      const { left, ts } = pairOf(4, 4, 'tunnel', 1400, { extra })
      expect(left.send(packetOf(ts, 1500))).toBe(DatapathStatus.DONE)
      expect(left.sent[0]!.outer.dontFragment).toBe(false)
      expect(left.delivered).toEqual([])
    }
    const { left, ts } = pairOf(6, 6, 'tunnel', 1280)
    expect(left.send(packetOf(ts, 1280))).toBe(DatapathStatus.DONE)
    expect(left.sent[0]!.outer.dontFragment).toBe(false)
    expect(droppedAs(left.send(packetOf(ts, 1281)))).toBe('XfrmOutStateModeError')
    expect(readU32(left.delivered[0]!, 44)).toBe(1280)
  })

  it('goes whole in transport mode without DF, to be cut outside: ESP is for whole packets', () => {
    const { left, ts } = pairOf(4, 4, 'transport', 1400)
    expect(left.send(packetOf(ts, 1500, false))).toBe(DatapathStatus.DONE)
    expect(left.sent).toMatchObject([{ outer: { dontFragment: false } }])
    expect(droppedAs(left.send(packetOf(ts, 1500, true)))).toBe('XfrmOutStateModeError')
    expect(readU16(left.delivered[0]!, 26)).toBeLessThan(1400)
  })
})

describe('TCP connections', () => {
  function syn(source: string, destination: string, mss: number): Uint8Array {
    const addresses = { source: parseIp(source), destination: parseIp(destination) }
    const segment = new Uint8Array(24)
    segment.set([0x60, 0x02], 12)
    segment.set([2, 4, mss >>> 8, mss & 0xff], 20)
    writeU16(segment, 16, transportChecksum(addresses.source, addresses.destination, 6, segment, 0, 24))
    return buildIp({ ...addresses, protocol: 6, payload: segment })
  }

  it.each([4, 6] as const)('IPv%i: are told segments that fit, both ways, where that is set', (family) => {
    const headers = family === 4 ? 40 : 60
    const { left, right, out, ts } = pairOf(4, family, 'tunnel', 1400, { extra: { path: { mtu: 1400, mss: 'path' } } })
    const [a, b] = [ts.leftTs.replace(/\/.*/, ''), ts.rightTs.replace(/\/.*/, '')]
    right.receive(left.seal(syn(a, b, 1460)), left.socket)
    left.receive(right.seal(syn(b, a, 500)), right.socket)
    const mssOf = (packet: Uint8Array) => readU16(packet, headers + 2)
    expect(mssOf(right.delivered[0]!)).toBe(innerMtuOf(out, family) - headers)
    expect(mssOf(left.delivered[0]!)).toBe(500)
    // Clamped where it arrives as well: the far end may not do it.
    const lone = pairOf(4, family, 'tunnel', 1400, { extra: { path: { mss: 1000 } } })
    const plain = pairOf(4, family, 'tunnel', 1400, { extra: {} })
    lone.right.receive(plain.left.seal(syn(a, b, 1460)), lone.left.socket)
    expect(mssOf(lone.right.delivered[0]!)).toBe(1000)
  })

  it('are left alone otherwise', () => {
    const { left, right } = pairOf(4, 4, 'tunnel', 1400)
    const packet = syn('10.1.0.1', '10.2.0.1', 1460)
    right.receive(left.seal(packet), left.socket)
    expect(right.delivered).toEqual([packet])
  })
})

describe('fragments behind the first', () => {
  const fragment = (place: number, more: boolean, identification = 7) =>
    buildIpv4({
      ...{ source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.1'), protocol: 17 },
      ...{ payload: buildUdp({ ...v4, sourcePort: 5000, destinationPort: 7, data: new Uint8Array(32) }).slice(20) },
      ...{ identification, fragmentOffset: place, moreFragments: more, dontFragment: false },
    })
  const v4 = addressesOf(inside[4])
  type Rule = 'match' | 'stateful' | 'drop'
  /** A pair whose policies are for UDP port 7 alone. */
  function portPair(fragments?: Rule) {
    const pair = modePair({ ...inside[4], ...(fragments === undefined ? {} : { options: { fragments } }) })
    for (const side of [pair.left, pair.right]) {
      for (const policy of [...side.xfrm.policies()]) {
        side.xfrm.updPolicy({
          ...{
            index: policy.index,
            direction: policy.direction === 1 ? 'out' : 'in',
            action: 'allow',
            priority: 1,
            label: '',
          },
          selector: {
            ...policy.selector,
            protocol: 17,
            ...((policy.index === 1) === (side === pair.left) ? toPort : fromPort),
          },
          templates: [policy.template!],
        })
      }
    }
    return pair
  }
  const any = { first: 0, last: 65535 }
  const seven = { first: 7, last: 7 }
  const toPort = { sourcePort: any, destinationPort: seven }
  const fromPort = { sourcePort: any, destinationPort: any }

  it.each([
    [undefined, true, 'XfrmOutPolBlock'],
    ['match', true, 'XfrmOutPolBlock'],
    ['stateful', true, undefined],
    ['drop', true, 'XfrmOutPolBlock'],
  ] as const)('%s: with a policy for a port', (rule, _, dropped) => {
    const { left, right } = portPair(rule)
    expect(left.send(fragment(0, true))).toBe(DatapathStatus.DONE)
    const status = left.send(fragment(40, false))
    expect(droppedAs(status)).toBe(dropped)
    for (const sent of left.sent) expect(right.take(sent, left.socket)).toBe(DatapathStatus.DONE)
    expect(right.delivered).toHaveLength(dropped === undefined ? 2 : 1)
  })

  it('have no ports, with `stateful`, when their first one has not been seen, or too long ago', () => {
    const { left } = portPair('stateful')
    expect(droppedAs(left.send(fragment(40, false, 8)))).toBe('XfrmOutPolBlock')
    left.send(fragment(0, true, 8))
    left.clock.now += 60_000
    expect(droppedAs(left.send(fragment(40, false, 8)))).toBe('XfrmOutPolBlock')
  })

  it('go where a selector is for packets without ports alone (OPAQUE)', () => {
    const pair = modePair(inside[4])
    for (const policy of [...pair.left.xfrm.policies()]) {
      if (policy.direction !== 1) continue
      const opaque = { first: 65535, last: 0 }
      const selector = { ...policy.selector, protocol: 17, sourcePort: opaque, destinationPort: opaque }
      const rest = { index: policy.index, direction: 'out', action: 'allow', priority: 1, label: '' } as const
      pair.left.xfrm.updPolicy({ ...rest, selector, templates: [policy.template!] })
    }
    expect(droppedAs(pair.left.send(fragment(0, true)))).toBe('XfrmOutPolBlock')
    expect(pair.left.send(fragment(40, false))).toBe(DatapathStatus.DONE)
  })

  it('go where any port goes, but not with `drop`', () => {
    for (const [rule, passes] of [
      ['match', true],
      ['stateful', true],
      ['drop', false],
    ] as const) {
      const { left } = modePair({ ...inside[4], options: { fragments: rule } })
      expect(left.send(fragment(40, false)) === DatapathStatus.DONE).toBe(passes)
    }
  })
})

it('keeps the header checksum of what it delivers', () => {
  const { left, right, ts } = pairOf(4, 4, 'beet', 1400)
  right.receive(left.seal(packetOf(ts, 500)), left.socket)
  expect(checksum(right.delivered[0]!, 0, 20)).toBe(0)
})
