import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newPacketFlow, parseIp, parseRange } from '../../src/ip/index.ts'
import type { XfrmMark, XfrmMode, XfrmTemplate } from '../../src/xfrm/port.ts'
import { unlimited } from '../../src/xfrm/port.ts'
import { Sad } from '../../src/xfrm/sad.ts'
import { SharedParts } from '../../src/xfrm/shared-parts.ts'
import { StatePhase, XfrmState } from '../../src/xfrm/state.ts'
import { StateTable } from '../../src/xfrm/state-table.ts'
import { selector } from './support.ts'

interface Row {
  readonly spi: number
  readonly saddr: string
  readonly daddr: string
  readonly reqid: number
  readonly mode: XfrmMode
  readonly mark: XfrmMark | undefined
  readonly ifId: number
  readonly inner: string | undefined
  readonly dying: boolean
  readonly larval: boolean
}

const saddr = fc.constantFrom('192.0.2.1', '192.0.2.2', '0.0.0.0')
const daddr = fc.constantFrom('198.51.100.1', '198.51.100.2')
const mode = fc.constantFrom<XfrmMode>('tunnel', 'transport')
const mark = fc.constantFrom<XfrmMark | undefined>(undefined, { value: 1, mask: 1 }, { value: 2, mask: 3 })
const reqid = fc.integer({ min: 1, max: 2 })
const ifId = fc.constantFrom(0, 0, 9)
const rows = fc.array(
  fc.record({
    ...{ saddr, daddr, reqid, mode, mark, ifId },
    spi: fc.integer({ min: 256, max: 400 }),
    inner: fc.constantFrom(undefined, undefined, '10.0.0.0/8', '10.1.0.0/16'),
    dying: fc.boolean(),
    larval: fc.boolean(),
  }),
  { maxLength: 30 },
)
const asked = fc.record({
  ...{ saddr, daddr, reqid, mode, ifId },
  spi: fc.option(fc.integer({ min: 256, max: 400 }), { nil: undefined }),
  mark: fc.nat(3),
  source: fc.constantFrom('10.0.0.1', '10.1.0.1', '172.16.0.1'),
})

const meets = (value: number, of: XfrmMark | undefined) =>
  of === undefined || (value & of.mask) === (of.value & of.mask)

/** The rules in the order in which the kernel's documentation of xfrm_state_find gives them. */
function slow(list: readonly Row[], want: typeof asked extends fc.Arbitrary<infer T> ? T : never): Row | undefined {
  const fits = list.filter(
    (row) =>
      !row.larval &&
      row.daddr === want.daddr &&
      row.reqid === want.reqid &&
      row.mode === want.mode &&
      row.ifId === want.ifId &&
      meets(want.mark, row.mark) &&
      (want.spi === undefined || row.spi === want.spi) &&
      (row.inner === undefined ||
        parseRange(row.inner).start[1]! === parseIp(want.source)[1]! ||
        row.inner === '10.0.0.0/8') &&
      (row.inner === undefined || want.source.startsWith('10.')),
  )
  const best = (some: readonly Row[]) => some.findLast(({ dying }) => !dying) ?? some.at(-1)
  if (want.saddr === '0.0.0.0') return best(fits)
  return best(fits.filter((row) => row.saddr === want.saddr)) ?? best(fits.filter((row) => row.saddr === '0.0.0.0'))
}

function stateOf(row: Row): XfrmState {
  const state = XfrmState.acquiring(
    {
      ...{ spi: row.spi, proto: 50, saddr: parseIp(row.saddr), daddr: parseIp(row.daddr), reqid: row.reqid },
      ...{ mode: row.mode, ifId: row.ifId, lifetime: unlimited },
      ...(row.mark === undefined ? {} : { mark: row.mark }),
      ...(row.inner === undefined ? {} : { selector: selector(row.inner, '0.0.0.0/0') }),
    },
    0,
    new SharedParts(),
  )
  if (!row.larval) state.phase = StatePhase.VALID
  state.softExpired = row.dying
  return state
}

describe('the state for a template', () => {
  it('is the one that a list of the rules gives', () => {
    fc.assert(
      fc.property(rows, fc.array(asked, { minLength: 10, maxLength: 10 }), (list, wants) => {
        const sad = new Sad()
        const added: Row[] = []
        const states = new Map<Row, XfrmState>()
        for (const row of list) {
          const taken = added.some((one) => {
            return (
              one.spi === row.spi &&
              one.daddr === row.daddr &&
              meets((row.mark?.value ?? 0) & (row.mark?.mask ?? 0), one.mark)
            )
          })
          const state = stateOf(row)
          if (taken) expect(() => sad.add(state)).toThrow(/in use/)
          else {
            sad.add(state)
            states.set(row, state)
            added.push(row)
          }
        }
        for (const want of wants) {
          const template: XfrmTemplate = {
            ...want,
            saddr: parseIp(want.saddr),
            daddr: parseIp(want.daddr),
            proto: 50,
          } as XfrmTemplate
          const flow = Object.assign(newPacketFlow(), { family: 4, addressBytes: 4, protocol: 17 })
          flow.source.set(parseIp(want.source))
          flow.destination.set([10, 9, 9, 9])
          const found = sad.choose(template, template.saddr, template.daddr, 4, flow, want.mark, want.ifId)
          const expected = slow(added, want)
          expect(found).toBe(expected && states.get(expected))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('StateTable', () => {
  it('holds what a map holds, whatever was put in and taken out, while it grows and shrinks', () => {
    const state = stateOf({
      spi: 1,
      saddr: '192.0.2.1',
      daddr: '192.0.2.2',
      reqid: 1,
      mode: 'tunnel',
      mark: undefined,
      ifId: 0,
      inner: undefined,
      dying: false,
      larval: true,
    })
    // Few keys in many steps, and blocks of keys that make it grow.
    const steps = fc.array(
      fc.record({ key: fc.integer({ min: -40, max: 40 }), count: fc.constantFrom(1, 1, 1, 400), remove: fc.boolean() }),
      { maxLength: 80 },
    )
    fc.assert(
      fc.property(steps, fc.integer(), (run, seed) => {
        const table = new StateTable(() => seed)
        const twin = new Map<number, XfrmState>()
        for (const { key, count, remove } of run) {
          for (let one = key; one < key + count; one++) {
            const spread = Math.imul(one, 0x10001)
            if (remove) {
              table.delete(spread)
              twin.delete(spread)
            } else {
              table.set(spread, state)
              twin.set(spread, state)
            }
          }
          for (let one = -40; one < 440; one++) {
            const spread = Math.imul(one, 0x10001)
            if (table.get(spread) !== twin.get(spread)) expect.fail(`key ${spread}`)
          }
        }
      }),
      { numRuns: 60 },
    )
  })
})
