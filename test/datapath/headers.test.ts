import { describe, expect, it } from 'vitest'
import { DatapathStatus, droppedAs, newOuterFields } from '../../src/datapath/index.ts'
import { buildIpv4, buildIpv6, checksum, parseIp, trafficClass } from '../../src/ip/index.ts'
import { modePair, type PairFields } from './mode-support.ts'
import { inner } from './support.ts'

const v4 = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.1') }
const v6 = { source: parseIp('fd00:1::1'), destination: parseIp('fd00:2::1') }
const payload = inner().slice(20)
const nets6 = { leftTs: 'fd00:1::/64', rightTs: 'fd00:2::/64' }
const outer6 = { left: '2001:db8::1', right: '2001:db8::2' }

type Fields = { trafficClass?: number; dontFragment?: boolean; hopLimit?: number }
const packet4 = (fields: Fields = {}) => buildIpv4({ ...v4, protocol: 17, payload, ...fields })
const packet6 = (fields: Fields = {}) => buildIpv6({ ...v6, protocol: 17, payload, ...fields })

/** The four mixes of inner and outer family. */
const mixes = [
  ['IPv4 in IPv4', {}, packet4],
  ['IPv4 in IPv6', outer6, packet4],
  ['IPv6 in IPv4', nets6, packet6],
  ['IPv6 in IPv6', { ...nets6, ...outer6 }, packet6],
] as const satisfies readonly (readonly [string, PairFields, typeof packet4])[]

function outerOf(fields: PairFields, packet: Uint8Array) {
  const { left } = modePair(fields)
  left.seal(packet)
  return left.sent[0]!.outer
}

describe.each(mixes)('the outer header of %s', (_, fields, make) => {
  it('has DSCP and ECN of the inner one, as far as the state says', () => {
    for (const value of [0, 0x2d, 0xb8, 0xff, 0x03]) {
      const packet = make({ trafficClass: value })
      const withFlags = (flags: object) => outerOf({ ...fields, extra: { flags } }, packet).trafficClass
      expect(withFlags({})).toBe(value)
      expect(withFlags({ noEcn: true })).toBe(value & 0xfc)
      expect(withFlags({ dontEncapDscp: true })).toBe(value & 3)
    }
  })

  it('has the TTL of the system, and leaves the inner one as it is', () => {
    const { left, right } = modePair(fields)
    left.seal(make({ hopLimit: 3 }))
    expect(left.sent[0]!.outer.hopLimit).toBe(0)
    right.take({ ...left.sent[0]!, outer: { ...newOuterFields(), hopLimit: 9 } }, left.socket)
    expect(right.delivered).toEqual([make({ hopLimit: 3 })])
  })

  it('has DF as the inner one, or as it is set', () => {
    const isV6 = make === packet6
    for (const dontFragment of [true, false]) {
      const df = (extra: PairFields['extra']) => outerOf({ ...fields, extra }, make({ dontFragment })).dontFragment
      expect(df({})).toBe(isV6 || dontFragment)
      expect(df({ path: { df: 'copy' } })).toBe(isV6 || dontFragment)
      expect(df({ path: { df: 'set' } })).toBe(true)
      expect(df({ path: { df: 'clear' } })).toBe(false)
      expect(df({ flags: { noPmtuDisc: true }, path: { df: 'set' } })).toBe(false)
    }
  })

  it('tells congestion inside, and drops what the inner ends cannot hear of', () => {
    for (const [innerEcn, outerEcn, after] of [
      [2, 3, 3],
      [1, 3, 3],
      [2, 1, 1],
      [0, 2, 0],
      [3, 0, 3],
    ] as const) {
      const { left, right } = modePair(fields)
      left.seal(make({ trafficClass: 0x28 | innerEcn }))
      const outer = { ...newOuterFields(), trafficClass: 0xe0 | outerEcn }
      expect(right.take({ ...left.sent[0]!, outer }, left.socket)).toBe(DatapathStatus.DONE)
      const [got] = right.delivered
      expect(trafficClass(got!, 0)).toBe(0x28 | after)
      if (make === packet4) expect(checksum(got!, 0, 20)).toBe(0)
    }
    const pair = modePair(fields)
    pair.left.seal(make({ trafficClass: 0x28 }))
    const outer = { ...newOuterFields(), trafficClass: 3 }
    expect(droppedAs(pair.right.take({ ...pair.left.sent[0]!, outer }, pair.left.socket))).toBe('XfrmInError')
    expect(pair.in.ecnAlarms).toBe(1)
    expect(pair.right.delivered).toEqual([])
  })

  it('replaces the inner DSCP where that is set, and is not looked at where ECN is off or nothing is known', () => {
    const got = (extra: PairFields['extra'], outerClass: number) => {
      const { left, right } = modePair({ ...fields, ...(extra === undefined ? {} : { extra }) })
      left.seal(make({ trafficClass: 0x28 }))
      right.take({ ...left.sent[0]!, outer: { ...newOuterFields(), trafficClass: outerClass } }, left.socket)
      return trafficClass(right.delivered[0]!, 0)
    }
    expect(got({ flags: { decapDscp: true } }, 0xe0)).toBe(0xe0)
    expect(got({ flags: { noEcn: true } }, 0xe3)).toBe(0x28)
    expect(got({}, -1)).toBe(0x28)
  })
})

describe('the outer flow label', () => {
  const label = (fields: PairFields, packet: Uint8Array) =>
    outerOf({ ...nets6, ...outer6, ...fields }, packet).flowLabel
  const flow = (port: number) => inner('fd00:1::1', 'fd00:2::1', 40, port)

  it('is one for each inner flow, of 20 bits and not 0', () => {
    const labels = new Set(Array.from({ length: 200 }, (_, i) => label({}, flow(1000 + i))))
    expect(labels.size).toBeGreaterThan(195)
    for (const one of labels) expect(one > 0 && one < 2 ** 20).toBe(true)
    expect(label({}, flow(1000))).toBe(label({}, flow(1000)))
  })

  it('is there in IPv6 alone, and not where it is off', () => {
    expect(outerOf(nets6, flow(1000)).flowLabel).toBe(0)
    expect(label({ options: { flowLabels: 'none' } }, flow(1000))).toBe(0)
  })

  it('is one for all fragments of a packet', () => {
    const part = (fields: object) => buildIpv4({ ...v4, protocol: 17, payload, identification: 9, ...fields })
    const pair = (packet: Uint8Array) => outerOf(outer6, packet).flowLabel
    expect(pair(part({ moreFragments: true, dontFragment: false }))).toBe(pair(part({ fragmentOffset: 64 })))
  })
})
