import { describe, expect, it } from 'vitest'
import { writeU32 } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { DatapathStatus, droppedAs, HEADROOM } from '../../src/datapath/index.ts'
import { EspEncapsulator } from '../../src/esp/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import type { XfrmCounterName } from '../../src/xfrm/stats.ts'
import { countingRandom, parametersOf, suites } from '../esp/suites.ts'
import { policyConfig, selector, stateConfig } from '../xfrm/support.ts'
import { inner, type Side, twoSides } from './support.ts'

const spi = 0x1000

/** Expects that the packet was dropped under this counter, that nothing else was counted, and nothing came out. */
function expectDrop(side: Side, status: number, counter: XfrmCounterName, times = 1): void {
  expect(droppedAs(status)).toBe(counter)
  const counted = Object.entries(side.xfrm.stats.snapshot()).filter(([, value]) => value !== 0)
  expect(counted).toEqual([[counter, times]])
  expect(side.delivered).toEqual([])
}

/** What the peer would make of any octets: a good ESP packet, whatever is in it. */
function sealAnything(contents: Uint8Array, nextHeader: number): Uint8Array {
  const esp = new EspEncapsulator(nodeProvider, { ...parametersOf(suites[0]!, false), spi }, countingRandom())
  const buffer = new Uint8Array(esp.headerBytes + contents.length + esp.maxTrailerBytes)
  buffer.set(contents, esp.headerBytes)
  return buffer.slice(0, esp.encapsulate(buffer, esp.headerBytes, contents.length, nextHeader))
}

const only = (side: Side, direction: 'in' | 'out') =>
  [...side.xfrm.states()].find((state) => state.direction === direction)!

describe('inbound, one packet for each counter', () => {
  it('XfrmInBufferError: outside its buffer', () => {
    const { left, right } = twoSides()
    const status = right.datapath.receiveEsp(new Uint8Array(20), 10, 11, left.socket, right.socket, 0)
    expectDrop(right, status, 'XfrmInBufferError')
  })

  it('XfrmInHdrError: no room for SPI and sequence number', () => {
    const { left, right } = twoSides()
    expectDrop(right, right.receive(left.seal(inner()).subarray(0, 7), left.socket), 'XfrmInHdrError')
  })

  it('XfrmInNoStates: an SPI that nobody has', () => {
    const { left, right } = twoSides()
    const esp = left.seal(inner())
    writeU32(esp, 0, 0xdead)
    expectDrop(right, right.receive(esp, left.socket), 'XfrmInNoStates')
  })

  it('an SPI that nobody has is told with where the packet came from, once a second', () => {
    const { left, right } = twoSides()
    const esp = left.seal(inner())
    for (const spi of [0xdead, 0xbeef, 255]) {
      writeU32(esp, 0, spi)
      right.receive(esp, left.socket)
    }
    expect(right.told.unknown).toEqual([{ spi: 0xdead, local: right.socket, remote: left.socket }])
    right.clock.now += 1000
    right.receive(esp, left.socket)
    expect(right.told.unknown).toHaveLength(1)
    writeU32(esp, 0, 0xbeef)
    right.receive(esp, left.socket)
    expect(right.told.unknown.map(({ spi }) => spi)).toEqual([0xdead, 0xbeef])
  })

  it('XfrmInStateDirError: the SPI of a state that sends', () => {
    const { left, right } = twoSides()
    const esp = left.seal(inner())
    const outbound = only(right, 'out')
    writeU32(esp, 0, outbound.spi)
    const toPeer = { address: outbound.daddr, port: 4500 }
    expectDrop(right, right.datapath.receiveEsp(esp, 0, esp.length, left.socket, toPeer, 0), 'XfrmInStateDirError')
  })

  it('XfrmInStateInvalid: a larval state', () => {
    const { left, right } = twoSides()
    right.xfrm.allocSpi({ spi: 77, proto: 50, saddr: left.socket.address, daddr: right.socket.address, reqid: 1 })
    const esp = left.seal(inner())
    writeU32(esp, 0, 77)
    expectDrop(right, right.receive(esp, left.socket), 'XfrmInStateInvalid')
  })

  it('XfrmInStateMismatch: plain ESP for a state in UDP', () => {
    const { left, right } = twoSides()
    const status = right.receive(left.seal(inner()), { ...left.socket, port: 0 })
    expectDrop(right, status, 'XfrmInStateMismatch')
  })

  it('XfrmInStateExpired: after the hard limit', () => {
    const { left, right } = twoSides({ lifetime: { hardMs: 1000 } })
    const esp = left.seal(inner())
    right.clock.now = 1000
    expectDrop(right, right.receive(esp, left.socket), 'XfrmInStateExpired')
    expect(right.told.expires).toMatchObject([{ spi, hard: true }])
    expect(droppedAs(right.receive(esp, left.socket))).toBe('XfrmInNoStates')
  })

  it('XfrmInStateSeqError: a packet for the second time, or older than the window', () => {
    const { left, right } = twoSides()
    const first = left.seal(inner())
    expect(right.receive(first, left.socket)).toBe(DatapathStatus.DONE)
    right.delivered.length = 0
    expectDrop(right, right.receive(first, left.socket), 'XfrmInStateSeqError')
    expect(only(right, 'in')).toMatchObject({ replayDrops: 1, replayWindowDrops: 0, packets: 1 })
    for (let i = 0; i < 64; i++) right.receive(left.seal(inner()), left.socket)
    right.delivered.length = 0
    expectDrop(right, right.receive(first, left.socket), 'XfrmInStateSeqError', 2)
    expect(only(right, 'in')).toMatchObject({ replayDrops: 1, replayWindowDrops: 1, packets: 65 })
  })

  it('XfrmInStateProtoError: every octet of the packet that was changed, but for the SPI', () => {
    const { left, right } = twoSides()
    const esp = left.seal(inner())
    for (let at = 4; at < esp.length; at++) {
      const tampered = esp.slice()
      tampered[at]! ^= 0x40
      expectDrop(right, right.receive(tampered, left.socket), 'XfrmInStateProtoError', at - 3)
    }
    expect(only(right, 'in')).toMatchObject({ integrityFailures: esp.length - 4, packets: 0, bytes: 0 })
    expect(right.receive(esp, left.socket)).toBe(DatapathStatus.DONE)
  })

  it('XfrmInStateProtoError: too short for IV and ICV, without an integrity failure', () => {
    const { left, right } = twoSides()
    expectDrop(right, right.receive(left.seal(inner()).subarray(0, 20), left.socket), 'XfrmInStateProtoError')
    expect(only(right, 'in').integrityFailures).toBe(0)
  })

  it.each([
    ['a next header that is not IP', inner(), 17],
    ['IPv4 that says it is IPv6', inner(), 41],
    ['IPv6 that says it is IPv4', inner('fd00::1', 'fd00::2'), 4],
    ['less than its own length', inner().subarray(0, 30), 4],
    ['nothing', new Uint8Array(0), 4],
    ['no IP version', new Uint8Array(40), 4],
  ])('XfrmInStateModeError: authentic, but inside is %s', (_, contents, nextHeader) => {
    const { left, right } = twoSides()
    expectDrop(right, right.receive(sealAnything(contents, nextHeader), left.socket), 'XfrmInStateModeError')
  })

  it('XfrmInNoPols: inner addresses that no policy names', () => {
    const { left, right } = twoSides()
    const status = right.receive(sealAnything(inner('10.9.0.1', '10.2.0.1'), 4), left.socket)
    expectDrop(right, status, 'XfrmInNoPols')
  })

  it('XfrmInPolBlock: a policy that blocks before the one that allows', () => {
    const { left, right } = twoSides()
    const rule = selector('10.1.0.1', '0.0.0.0/0')
    right.xfrm.newPolicy(policyConfig({ index: 1, direction: 'in', selector: rule, action: 'block', priority: 1 }))
    expectDrop(right, right.receive(left.seal(inner()), left.socket), 'XfrmInPolBlock')
  })

  it('XfrmInTmplMismatch: a policy that wants these packets in the clear', () => {
    const { left, right } = twoSides()
    const rule = selector('10.1.0.1', '0.0.0.0/0')
    right.xfrm.newPolicy(policyConfig({ index: 1, direction: 'in', selector: rule, priority: 1 }))
    expectDrop(right, right.receive(left.seal(inner()), left.socket), 'XfrmInTmplMismatch')
  })

  it('XfrmInBufferError: policies that ask for more states than a packet can have come through', () => {
    const { left, right } = twoSides()
    const [policy] = right.xfrm.policies()
    const rule = policyConfig({ index: 1, direction: 'in', selector: selector('10.1.0.1', '0.0.0.0/0'), priority: 1 })
    right.xfrm.newPolicy({ ...rule, templates: new Array(6).fill(policy!.template) })
    expectDrop(right, right.receive(left.seal(inner()), left.socket), 'XfrmInBufferError')
  })

  it('XfrmInStateMismatch: an inside that the selector of its state does not name', () => {
    const { left, right } = twoSides()
    right.xfrm.delSa({ daddr: right.socket.address, spi, proto: 50 })
    const narrow = selector('10.1.0.9', '0.0.0.0/0')
    const state = stateConfig({ spi, saddr: left.address, daddr: right.address, direction: 'in' })
    right.xfrm.newSa({ ...state, selector: narrow })
    expectDrop(right, right.receive(left.seal(inner()), left.socket), 'XfrmInStateMismatch')
  })

  it('tells of each state why its packets were dropped', () => {
    const { left, right } = twoSides()
    const first = left.seal(inner())
    for (let times = 0; times < 3; times++) right.receive(first, left.socket)
    right.receive(sealAnything(inner('10.9.0.1', '10.2.0.1'), 4), left.socket)
    right.receive(sealAnything(inner(), 17).subarray(0, 30), left.socket)
    expect(only(right, 'in').drops()).toEqual({ XfrmInStateSeqError: 3, XfrmInStateProtoError: 1 })
    expect(only(right, 'out').drops()).toEqual({})
  })

  it("drops a dummy packet without any counter but its state's own", () => {
    const { left, right } = twoSides()
    expect(right.receive(sealAnything(new Uint8Array(60), 59), left.socket)).toBe(DatapathStatus.DUMMY)
    expect(right.delivered).toEqual([])
    expect(Object.values(right.xfrm.stats.snapshot()).every((value) => value === 0)).toBe(true)
    expect(only(right, 'in')).toMatchObject({ dummies: 1, packets: 1, bytes: 0 })
  })

  it('cuts padding for traffic flow confidentiality', () => {
    const { left, right } = twoSides()
    const padded = new Uint8Array(500)
    padded.set(inner())
    expect(right.receive(sealAnything(padded, 4), left.socket)).toBe(DatapathStatus.DONE)
    expect(right.delivered).toEqual([inner()])
  })

  it('takes a packet in UDP for a state without encapsulation', () => {
    const { left, right } = twoSides()
    right.xfrm.delSa({ daddr: right.socket.address, spi, proto: 50 })
    right.xfrm.newSa(stateConfig({ spi, saddr: left.address, daddr: right.address, direction: 'in', encap: 'none' }))
    expect(right.receive(left.seal(inner()), left.socket)).toBe(DatapathStatus.DONE)
    expect(right.told.mappings).toEqual([])
  })
})

describe('outbound, one packet for each counter', () => {
  const expectNotSent = (side: Side, status: number, counter: XfrmCounterName) => {
    expectDrop(side, status, counter)
    expect(side.sent).toEqual([])
  }

  it('XfrmOutError: not an IP packet', () => {
    const { left } = twoSides()
    expectNotSent(left, left.send(new Uint8Array(60)), 'XfrmOutError')
  })

  it('XfrmOutBundleGenError: no room around it', () => {
    const { left } = twoSides()
    const packet = inner()
    expectNotSent(left, left.datapath.sendInner(packet, 0, packet.length, 0), 'XfrmOutBundleGenError')
    expect(left.seal(packet)[7]).toBe(1)
  })

  it('XfrmOutPolBlock: no policy, or one that blocks', () => {
    const { left } = twoSides()
    expectNotSent(left, left.send(inner('10.1.0.1', '10.9.0.1')), 'XfrmOutPolBlock')
    const rule = selector('10.1.0.0/16', '10.2.0.9')
    left.xfrm.newPolicy(policyConfig({ index: 1, direction: 'out', selector: rule, action: 'block', priority: 1 }))
    expect(droppedAs(left.send(inner('10.1.0.1', '10.2.0.9')))).toBe('XfrmOutPolBlock')
  })

  it('XfrmOutPolError: a policy to bypass', () => {
    const { left } = twoSides()
    const rule = selector('10.1.0.0/16', '10.2.0.9')
    left.xfrm.newPolicy(policyConfig({ index: 1, direction: 'out', selector: rule, priority: 1 }))
    expectNotSent(left, left.send(inner('10.1.0.1', '10.2.0.9')), 'XfrmOutPolError')
  })

  it.each([
    ['XfrmOutPolError', 'more templates than a packet can go through', 6],
    ['XfrmOutBundleGenError', 'states inside of each other', 2],
  ] as const)('%s: %s', (counter, _, count) => {
    const { left } = twoSides()
    const [policy] = [...left.xfrm.policies()].filter(({ direction }) => direction === 1)
    const rule = selector('10.1.0.0/16', '10.2.0.9')
    left.xfrm.newPolicy({
      ...policyConfig({ index: 1, direction: 'out', selector: rule, priority: 1 }),
      templates: new Array(count).fill(policy!.template),
    })
    expectNotSent(left, left.send(inner('10.1.0.1', '10.2.0.9')), counter)
  })

  it('XfrmOutStateExpired: after the hard limit of packets, which is all that were sent', () => {
    const { left } = twoSides({ lifetime: { softPackets: 2, hardPackets: 3 } })
    for (let i = 0; i < 3; i++) left.seal(inner())
    expect(left.told.expires).toMatchObject([{ spi, hard: false }])
    left.sent.length = 0
    expectNotSent(left, left.send(inner()), 'XfrmOutStateExpired')
    expect(left.told.expires).toMatchObject([
      { spi, hard: false },
      { spi, hard: true },
    ])
    expect(left.send(inner())).toBe(DatapathStatus.QUEUED)
    expect(left.told.expires).toHaveLength(2)
    expect(left.told.acquires).toHaveLength(1)
  })

  it('XfrmOutStateSeqError: the last sequence number was used, and the state is gone', () => {
    const { left } = twoSides()
    only(left, 'out').encapsulator!.startAfter(0xffffffff, 0)
    expectNotSent(left, left.send(inner()), 'XfrmOutStateSeqError')
    expect(left.told.expires).toMatchObject([{ spi, hard: true }])
    expect(left.send(inner())).toBe(DatapathStatus.QUEUED)
  })

  it('XfrmOutStateModeError: longer than a UDP datagram and not to be fragmented, which its sender is told', () => {
    const { left } = twoSides()
    const status = left.send(inner('10.1.0.1', '10.2.0.1', 65_450))
    expect(left.delivered.splice(0)).toMatchObject([{ 9: 1, 20: 3, 21: 4 }])
    expectNotSent(left, status, 'XfrmOutStateModeError')
  })

  it('counts octets and packets of both ends alike, and limits by octets', () => {
    const packet = inner()
    const { left, right } = twoSides({ lifetime: { softBytes: packet.length * 2, hardBytes: packet.length * 3 } })
    for (let i = 0; i < 3; i++) right.receive(left.seal(packet), left.socket)
    for (const state of [only(left, 'out'), only(right, 'in')]) {
      expect(state).toMatchObject({ packets: 3, bytes: 3 * packet.length, usedAt: 0 })
    }
    expect(left.told.expires).toMatchObject([{ spi, hard: false }])
    expect(right.told.expires).toMatchObject([{ spi, hard: false }])
  })

  it('ignores octets behind the IP packet', () => {
    const { left, right } = twoSides()
    const buffer = new Uint8Array(2048)
    buffer.set(inner(), HEADROOM)
    left.datapath.sendInner(buffer, HEADROOM, 1000, 0)
    right.receive(left.sent[0]!.packet, left.socket)
    expect(right.delivered).toEqual([inner()])
    expect(left.sent[0]!.state.daddr).toEqual(parseIp(right.address))
  })
})
