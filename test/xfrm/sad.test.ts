import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/index.ts'
import { Sad } from '../../src/xfrm/sad.ts'
import { XfrmState } from '../../src/xfrm/state.ts'
import { newXfrm, Recorder, stateConfig } from './support.ts'

const addresses = ['192.0.2.1', '192.0.2.2', '2001:db8::1']
const anAddress = fc.constantFrom(...addresses)
const aState = fc.record({
  spi: fc.integer({ min: 1, max: 4 }),
  saddr: anAddress,
  daddr: anAddress,
  reqid: fc.integer({ min: 1, max: 2 }),
})
const steps = fc.oneof(
  { weight: 3, arbitrary: aState.map((fields) => ({ verb: 'add' as const, ...fields })) },
  { weight: 1, arbitrary: aState.map((fields) => ({ verb: 'remove' as const, ...fields })) },
  {
    weight: 1,
    arbitrary: fc.tuple(aState, anAddress, anAddress).map(([fields, newSaddr, newDaddr]) => ({
      verb: 'move' as const,
      ...fields,
      newSaddr,
      newDaddr,
    })),
  },
)

interface Row {
  spi: number
  saddr: string
  daddr: string
  reqid: number
}

const larval = ({ spi, saddr, daddr, reqid }: Row) =>
  XfrmState.larval({ spi, proto: 50, saddr: parseIp(saddr), daddr: parseIp(daddr), reqid }, 0)

function accepted(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return false
  }
}

describe('Sad', () => {
  it('answers like a plain list, whatever was added, removed and moved', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 40 }), (run) => {
        const sad = new Sad()
        const rows: Row[] = []
        const states = new Map<Row, XfrmState>()
        const rowOf = (daddr: string, spi: number) => rows.find((row) => row.daddr === daddr && row.spi === spi)
        for (const step of run) {
          const row = rowOf(step.daddr, step.spi)
          if (step.verb === 'add') {
            const fresh: Row = { spi: step.spi, saddr: step.saddr, daddr: step.daddr, reqid: step.reqid }
            const state = larval(fresh)
            expect(accepted(() => sad.add(state))).toBe(row === undefined)
            if (row === undefined) states.set(rows[rows.push(fresh) - 1]!, state)
          } else if (step.verb === 'remove' && row !== undefined) {
            sad.remove(states.get(row)!)
            rows.splice(rows.indexOf(row), 1)
          } else if (step.verb === 'move' && row !== undefined) {
            const taken = rowOf(step.newDaddr, step.spi)
            const change = { saddr: parseIp(step.newSaddr), daddr: parseIp(step.newDaddr) }
            const free = taken === undefined || taken === row
            expect(accepted(() => sad.move(states.get(row)!, change))).toBe(free)
            if (free) Object.assign(row, { saddr: step.newSaddr, daddr: step.newDaddr })
          }
          compare(sad, rows, states)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('finds an inbound state by SPI alone when the local address is not known', () => {
    const sad = new Sad()
    const state = larval({ spi: 7, saddr: '192.0.2.1', daddr: '192.0.2.2', reqid: 1 })
    sad.add(state)
    expect(sad.findInbound(7, parseIp('0.0.0.0'))).toBe(state)
    expect(sad.findInbound(7, parseIp('::'))).toBe(state)
    expect(sad.findInbound(7, parseIp('192.0.2.3'))).toBeUndefined()
    expect(sad.findInbound(8, parseIp('0.0.0.0'))).toBeUndefined()
  })

  it('finds an inbound state behind outbound ones of the same SPI, which peers choose', () => {
    const xfrm = newXfrm(new Recorder(), { now: 0 })
    const own = { spi: 7, saddr: '192.0.2.1', daddr: '192.0.2.2' }
    const unknown = parseIp('0.0.0.0')
    xfrm.newSa(stateConfig({ spi: 7, saddr: '192.0.2.2', daddr: '192.0.2.1', direction: 'out' }))
    expect(xfrm.inboundState(7, unknown)?.direction).toBe('out')
    xfrm.newSa(stateConfig({ ...own, direction: 'in' }))
    xfrm.newSa(stateConfig({ spi: 7, saddr: '192.0.2.2', daddr: '192.0.2.9', direction: 'out' }))
    expect(xfrm.inboundState(7, unknown)?.direction).toBe('in')
  })

  it('prefers the newest valid outbound state for a template, and never a larval or inbound one', () => {
    const clock = { now: 0 }
    const xfrm = newXfrm(new Recorder(), clock)
    const template = {
      saddr: parseIp('192.0.2.1'),
      daddr: parseIp('192.0.2.2'),
      proto: 50,
      mode: 'tunnel',
      reqid: 3,
    } as const
    const sad = new Sad()
    const add = (spi: number, direction: 'in' | 'out', reqid = 3) => {
      const config = stateConfig({ spi, saddr: '192.0.2.1', daddr: '192.0.2.2', direction, reqid })
      xfrm.newSa(config)
      const state = [...xfrm.states()].at(-1)!
      sad.add(state)
      return state
    }
    sad.add(larval({ spi: 1, saddr: '192.0.2.1', daddr: '192.0.2.2', reqid: 3 }))
    add(2, 'in')
    add(3, 'out', 4)
    expect(sad.findForTemplate(template)).toBeUndefined()
    const old = add(4, 'out')
    expect(sad.findForTemplate(template)).toBe(old)
    const young = add(5, 'out')
    expect(sad.findForTemplate(template)).toBe(young)
    sad.remove(young)
    expect(sad.findForTemplate(template)).toBe(old)
  })
})

function compare(sad: Sad, rows: readonly Row[], states: ReadonlyMap<Row, XfrmState>): void {
  expect([...sad]).toEqual(rows.map((row) => states.get(row)))
  expect(sad.size).toBe(rows.length)
  for (const daddr of addresses) {
    for (const spi of [1, 2, 3, 4]) {
      const row = rows.find((candidate) => candidate.daddr === daddr && candidate.spi === spi)
      expect(sad.find(parseIp(daddr), spi)).toBe(row && states.get(row))
      expect(sad.findInbound(spi, parseIp(daddr))).toBe(row && states.get(row))
    }
    for (const saddr of addresses) {
      const oldestFirst = rows.filter((row) => row.saddr === saddr && row.daddr === daddr)
      expect(sad.between(parseIp(saddr), parseIp(daddr))).toEqual(oldestFirst.map((row) => states.get(row)))
    }
  }
}
