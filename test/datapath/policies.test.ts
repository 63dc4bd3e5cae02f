import { describe, expect, it } from 'vitest'
import { readU32, writeU32 } from '../../src/bytes/index.ts'
import { DatapathStatus, droppedAs } from '../../src/datapath/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { policyConfig, selector, stateConfig } from '../xfrm/support.ts'
import { inner, tunnel, twoSides } from './support.ts'

describe('two pairs of subnets with a CHILD_SA each', () => {
  const setUp = () => {
    const sides = twoSides({ reqid: 1 })
    tunnel(sides.left, sides.right, { reqid: 2, left: '10.3.0.0/16', right: '10.4.0.0/16' })
    return sides
  }

  it('send each through its own SA', () => {
    const { left, right } = setUp()
    const first = left.seal(inner('10.1.0.1', '10.2.0.1'))
    const second = left.seal(inner('10.3.0.1', '10.4.0.1'))
    expect([readU32(first, 0), readU32(second, 0)]).toEqual([0x1000, 0x2000])
    expect(right.receive(first, left.socket)).toBe(DatapathStatus.DONE)
    expect(right.receive(second, left.socket)).toBe(DatapathStatus.DONE)
  })

  it('refuse a packet of one that came through the SA of the other', () => {
    const { left, right } = setUp()
    // The left side's databases are made to send the second pair through the first SA.
    const rule = { direction: 'out', selector: selector('10.3.0.0/16', '10.4.0.0/16'), priority: 1 } as const
    left.xfrm.newPolicy(policyConfig({ ...rule, index: 1, template: [left.address, right.address, 1] }))
    const esp = left.seal(inner('10.3.0.1', '10.4.0.1'))
    expect(readU32(esp, 0)).toBe(0x1000)
    expect(droppedAs(right.receive(esp, left.socket))).toBe('XfrmInTmplMismatch')
    expect(right.xfrm.stats.value('XfrmInTmplMismatch')).toBe(1)
    expect(right.delivered).toEqual([])
  })
})

describe('a state whose peer moved', () => {
  it('serves its policies again when their templates follow', () => {
    const { left, right } = twoSides()
    const saddr = parseIp('203.0.113.9')
    right.xfrm.updSa({ daddr: right.socket.address, spi: 0x1000, proto: 50 }, { saddr })
    expect(droppedAs(right.receive(left.seal(inner()), left.socket))).toBe('XfrmInTmplMismatch')
    const rule = { index: 101, direction: 'in', selector: selector('10.1.0.0/16', '10.2.0.0/16') } as const
    right.xfrm.updPolicy(policyConfig({ ...rule, template: ['203.0.113.9', right.address, 1] }))
    expect(right.receive(left.seal(inner()), left.socket)).toBe(DatapathStatus.DONE)
  })
})

describe('the outbound state', () => {
  it('is the newest of those that fit, and the older one when that is gone', () => {
    const { left, right } = twoSides()
    left.xfrm.newSa(stateConfig({ spi: 0x1100, saddr: left.address, daddr: right.address, direction: 'out' }))
    expect(readU32(left.seal(inner()), 0)).toBe(0x1100)
    left.xfrm.delSa({ daddr: right.socket.address, spi: 0x1100, proto: 50 })
    expect(readU32(left.seal(inner()), 0)).toBe(0x1000)
  })

  it('keeps both inbound states of a rekeying usable', () => {
    const { left, right } = twoSides()
    const late = left.seal(inner())
    const next = { spi: 0x1100, saddr: left.address, daddr: right.address }
    right.xfrm.newSa(stateConfig({ ...next, direction: 'in' }))
    left.xfrm.newSa(stateConfig({ ...next, direction: 'out' }))
    expect(right.receive(left.seal(inner()), left.socket)).toBe(DatapathStatus.DONE)
    expect(right.receive(late, left.socket)).toBe(DatapathStatus.DONE)
  })

  it('does not take a packet that was sealed for another SPI', () => {
    const { left, right } = twoSides()
    right.xfrm.newSa(stateConfig({ spi: 0x1100, saddr: left.address, daddr: right.address, direction: 'in' }))
    const esp = left.seal(inner())
    writeU32(esp, 0, 0x1100)
    expect(droppedAs(right.receive(esp, left.socket))).toBe('XfrmInStateProtoError')
  })
})
