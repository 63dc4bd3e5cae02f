import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/index.ts'
import { ACQUIRE_TIMEOUT_MS } from '../../src/xfrm/asking.ts'
import { OutVerdict } from '../../src/xfrm/bundle.ts'
import type { XfrmPolicyConfig, XfrmTemplate } from '../../src/xfrm/port.ts'
import { inner } from '../datapath/support.ts'
import { flowOf, newXfrm, policyConfig, Recorder, selector, stateConfig } from './support.ts'

const [left, right] = ['192.0.2.1', '198.51.100.2']
const template: XfrmTemplate = { saddr: parseIp(left), daddr: parseIp(right), proto: 50, mode: 'tunnel', reqid: 1 }

function setUp(...policies: Partial<XfrmPolicyConfig>[]) {
  const clock = { now: 0 }
  const told = new Recorder()
  const xfrm = newXfrm(told, clock)
  for (const [at, fields] of policies.entries()) {
    const nets = selector('10.1.0.0/16', `10.2.${at}.0/24`)
    const config = policyConfig({ index: at + 1, direction: 'out', selector: nets })
    xfrm.newPolicy({ ...config, templates: [template], ...fields })
  }
  /** Asks for what a packet to the network of this policy lacks. */
  const ask = (at = 0, mark = 0, ifId = 0) => {
    const flow = flowOf(inner('10.1.0.1', `10.2.${at}.9`))
    const verdict = xfrm.decide(flow, mark, ifId)
    xfrm.acquireMissing(flow, clock.now)
    return verdict
  }
  return { xfrm, told, clock, ask }
}

const outbound = (fields: Partial<Parameters<typeof stateConfig>[0]> = {}) =>
  stateConfig({ spi: 0x2001, saddr: left, daddr: right, direction: 'out', ...fields })

describe('an acquire', () => {
  it('leaves a larval state with its number, the packet as selector, and the time after which it goes', () => {
    const { xfrm, told, clock, ask } = setUp({})
    expect(ask()).toBe(OutVerdict.WAIT)
    const [larval] = xfrm.acquires()
    expect(told.acquires).toMatchObject([{ policyIndex: 1, seq: larval!.seq, packet: larval!.selector }])
    expect(xfrm.stateBySeq(larval!.seq)).toBe(larval)
    expect(larval).toMatchObject({ spi: 0, direction: 'out', daddr: template.daddr, mode: 'tunnel', reqid: 1 })
    expect([...xfrm.states()]).toEqual([])
    clock.now = ACQUIRE_TIMEOUT_MS
    xfrm.expireDue(clock.now)
    expect([...xfrm.acquires()]).toEqual([])
    expect(told.expires).toEqual([])
    ask()
    expect(told.acquires).toHaveLength(2)
  })

  it('holds back those of other policies with such a template; one state answers them all', () => {
    const { xfrm, told, ask } = setUp({}, {}, { templates: [{ ...template, reqid: 2 }] })
    for (const at of [0, 1, 2, 1]) ask(at)
    expect(told.acquires.map(({ policyIndex }) => policyIndex)).toEqual([1, 3])
    xfrm.newSa(outbound())
    expect([...xfrm.acquires()].map(({ reqid }) => reqid)).toEqual([2])
    expect([ask(0), ask(1), ask(2)]).toEqual([OutVerdict.TRANSFORM, OutVerdict.TRANSFORM, OutVerdict.WAIT])
  })

  it('of no mark holds back those of any; of a mark only those of this mark', () => {
    const { told, ask } = setUp({ mark: { value: 1, mask: 1 } }, { mark: { value: 2, mask: 3 } }, {})
    ask(0, 1)
    ask(1, 2)
    expect(told.acquires).toHaveLength(2)
    const other = setUp({ mark: { value: 1, mask: 1 } }, {})
    other.ask(1)
    other.ask(0, 1)
    expect(other.told.acquires).toHaveLength(1)
  })

  it('is for each pair of addresses in transport mode', () => {
    const any = { saddr: parseIp('0.0.0.0'), daddr: parseIp('0.0.0.0') }
    const templates = [{ ...template, ...any, mode: 'transport' as const }]
    const { xfrm, told } = setUp({ selector: selector('10.0.0.0/8', '10.0.0.0/8'), templates })
    for (const to of ['10.3.0.1', '10.3.0.2', '10.3.0.1']) {
      const flow = flowOf(inner('10.1.0.1', to))
      xfrm.decide(flow)
      xfrm.acquireMissing(flow, 0)
    }
    expect([...xfrm.acquires()].map(({ daddr }) => daddr)).toEqual([parseIp('10.3.0.1'), parseIp('10.3.0.2')])
    expect(told.acquires).toHaveLength(2)
  })

  it('is made for a template of level use, and the packet goes without', () => {
    const { told, ask } = setUp({ templates: [{ ...template, mode: 'transport', level: 'use' }] })
    expect(ask()).toBe(OutVerdict.BYPASS)
    expect(told.acquires).toHaveLength(1)
  })

  it('is answered by a state of its number, whatever its source, but only to its destination', () => {
    const { xfrm, told, ask } = setUp({})
    ask()
    const { seq } = told.acquires[0]!
    xfrm.newSa(outbound({ seq: seq!, daddr: '203.0.113.1' }))
    expect([...xfrm.acquires()]).toHaveLength(1)
    xfrm.newSa(outbound({ seq: seq!, saddr: '203.0.113.1', reqid: 9 }))
    expect([...xfrm.acquires()]).toEqual([])
    expect(xfrm.stateBySeq(seq!)?.seq).toBe(seq)
  })

  it('goes with the last policy that waits for it', () => {
    const { xfrm, ask } = setUp({}, {})
    ask(0)
    ask(1)
    xfrm.delPolicy(1)
    expect([...xfrm.acquires()]).toHaveLength(1)
    xfrm.delPolicy(2)
    expect([...xfrm.acquires()]).toEqual([])
  })
})

describe('several templates', () => {
  const outer = { ...template, daddr: parseIp('203.0.113.1'), reqid: 2 }

  it('lead to a state each, the innermost first; the first one that is missing is asked for', () => {
    const { xfrm, told, ask } = setUp({ templates: [template, outer] })
    expect(ask()).toBe(OutVerdict.WAIT)
    expect(told.acquires.map(({ reqid }) => reqid)).toEqual([1])
    xfrm.newSa(outbound())
    expect(ask()).toBe(OutVerdict.WAIT)
    expect(told.acquires.map(({ reqid }) => reqid)).toEqual([1, 2])
    xfrm.newSa(outbound({ daddr: '203.0.113.1', reqid: 2 }))
    expect(ask()).toBe(OutVerdict.TRANSFORM)
    const { states, count } = xfrm.bundle
    expect(states.slice(0, count).map((state) => state?.reqid)).toEqual([1, 2])
  })

  it('of a sub and a main policy add up; more than five of both are an error', () => {
    const { xfrm, ask } = setUp({ templates: [template] })
    const nets = selector('10.1.0.0/16', '10.2.0.0/16')
    const sub = policyConfig({ index: 9, direction: 'out', selector: nets, type: 'sub' })
    xfrm.newPolicy({ ...sub, templates: [outer] })
    xfrm.newSa(outbound())
    xfrm.newSa(outbound({ daddr: '203.0.113.1', reqid: 2 }))
    expect(ask()).toBe(OutVerdict.TRANSFORM)
    const { states, count } = xfrm.bundle
    expect(states.slice(0, count).map((state) => state?.reqid)).toEqual([2, 1])
    xfrm.updPolicy({ ...sub, templates: new Array(5).fill(outer) })
    expect(ask()).toBe(OutVerdict.ERROR)
    xfrm.updPolicy({ ...sub, action: 'block' })
    expect(ask()).toBe(OutVerdict.BLOCK)
  })
})
