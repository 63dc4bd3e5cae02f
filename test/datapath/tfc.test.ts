import { describe, expect, it } from 'vitest'
import { DatapathStatus, droppedAs } from '../../src/datapath/index.ts'
import { PAD_TO_PATH, type XfrmStateConfig } from '../../src/xfrm/port.ts'
import { selector as policySelector, stateConfig } from '../xfrm/support.ts'
import { inner, policies, Side } from './support.ts'

/** Two sides; what the left one sends is padded. */
function padded(tfcPad: number, more: Partial<XfrmStateConfig> = {}) {
  const clock = { now: 0 }
  const [left, right] = [new Side('192.0.2.1', clock), new Side('198.51.100.2', clock)]
  const forth = stateConfig({ spi: 0x1000, saddr: left.address, daddr: right.address, direction: 'out' })
  left.xfrm.newSa({ ...forth, tfcPad, ...more })
  right.xfrm.newSa({ ...forth, direction: 'in' })
  policies(left, right.address, '10.1.0.0/16', '10.2.0.0/16')
  policies(right, left.address, '10.2.0.0/16', '10.1.0.0/16')
  const state = [...left.xfrm.states()][0]!
  return { left, right, state }
}

/** Of an IPv4 header, UDP and ESP. */
const outerLengths = ({ sent }: Side) => sent.map(({ packet }) => 20 + 8 + packet.length)

describe('padding for traffic flow confidentiality', () => {
  it('gives all packets one length, and the receiver the packets as they were', () => {
    const { left, right } = padded(600)
    const packets = [0, 1, 100, 400, 571, 572].map((bytes) => inner('10.1.0.1', '10.2.0.1', bytes))
    for (const packet of packets) right.receive(left.seal(packet), left.socket)
    expect(new Set(left.sent.map(({ packet }) => packet.length)).size).toBe(1)
    expect(right.delivered).toEqual(packets)
  })

  it('leaves a longer packet alone', () => {
    const { left, right, state } = padded(600)
    const packet = inner('10.1.0.1', '10.2.0.1', 700)
    const sealed = left.seal(packet)
    expect(sealed.length).toBe(state.encapsulator!.sealedLength(packet.length))
    right.receive(sealed, left.socket)
    expect(right.delivered).toEqual([packet])
  })

  it('goes no further than the path, and as far as it where that is asked for', () => {
    for (const tfcPad of [1500, PAD_TO_PATH]) {
      const { left, right } = padded(tfcPad, { path: { mtu: 1400 } })
      const packet = inner()
      right.receive(left.seal(packet), left.socket)
      expect(right.delivered).toEqual([packet])
      const [outer] = outerLengths(left)
      expect(outer).toBeLessThanOrEqual(1400)
      expect(outer).toBeGreaterThan(1400 - 4)
    }
  })

  it('follows a path that takes less than was thought', () => {
    const { left, state } = padded(PAD_TO_PATH, { path: { mtu: 1500 } })
    left.send(inner())
    state.pathMtu = 1000
    left.send(inner())
    const [first, second] = outerLengths(left)
    expect([first! > 1496, first! <= 1500, second! > 996, second! <= 1000]).toEqual([true, true, true, true])
  })

  it('goes as far as every path where the path is not known, or is in TCP', () => {
    for (const more of [{}, { encap: { type: 'tcp' as const, sport: 4500, dport: 4500 } }]) {
      const { left } = padded(PAD_TO_PATH, more)
      left.send(inner())
      const [outer] = outerLengths(left)
      expect(outer).toBeGreaterThan(1200)
      expect(outer).toBeLessThanOrEqual(1300)
    }
  })

  it('is not for transport mode, where nothing tells the length of what is inside', () => {
    const { left, state } = padded(600, { mode: 'transport' })
    const packet = inner(left.address, '198.51.100.2')
    left.xfrm.updPolicy({
      ...{ index: 300, direction: 'out', action: 'allow', priority: 1, label: '' },
      selector: policySelector(`${left.address}/32`, '198.51.100.2/32'),
      templates: [{ saddr: state.saddr, daddr: state.daddr, proto: 50, mode: 'transport', reqid: 1 }],
    })
    left.send(packet)
    expect(left.sent[0]!.packet.length).toBe(state.encapsulator!.sealedLength(packet.length - 20))
  })

  it('counts the octets of the inner packet, not those of the padding', () => {
    const { left, state } = padded(600)
    const packet = inner()
    left.send(packet)
    expect([state.packets, state.bytes]).toEqual([1, packet.length])
  })
})

describe('a dummy packet', () => {
  it('looks like any other of its length, and is dropped by the receiver', () => {
    const { left, right, state } = padded(0)
    const packet = inner('10.1.0.1', '10.2.0.1', 472)
    left.send(packet)
    expect(left.datapath.sendDummy(state, packet.length, 0)).toBe(DatapathStatus.DONE)
    const [real, dummy] = left.sent.map(({ packet: esp }) => esp)
    expect(dummy!.length).toBe(real!.length)
    expect(right.receive(dummy!, left.socket)).toBe(DatapathStatus.DUMMY)
    expect([right.delivered.length, [...right.xfrm.states()][0]!.dummies]).toEqual([0, 1])
  })

  it('that is too long for the path is not sent', () => {
    const { left, state } = padded(0, { path: { mtu: 1400 } })
    expect(droppedAs(left.datapath.sendDummy(state, 1400, 0))).toBe('XfrmOutStateModeError')
    expect(left.datapath.sendDummy(state, state.encapsulator!.maxInnerLength(1400 - 28), 0)).toBe(DatapathStatus.DONE)
    expect(outerLengths(left)[0]).toBeLessThanOrEqual(1400)
  })

  it('can be none of an inbound state', () => {
    const { right } = padded(0)
    const [inbound] = [...right.xfrm.states()]
    expect(droppedAs(right.datapath.sendDummy(inbound!, 100, 0))).toBe('XfrmOutStateProtoError')
  })
})
