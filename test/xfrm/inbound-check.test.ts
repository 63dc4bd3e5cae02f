import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newPacketFlow, parseIp } from '../../src/ip/index.ts'
import { POLICY_OK } from '../../src/xfrm/inbound-check.ts'
import { PolicyDirection } from '../../src/xfrm/policy.ts'
import { unlimited, type XfrmMode, type XfrmTemplate } from '../../src/xfrm/port.ts'
import { SharedParts } from '../../src/xfrm/shared-parts.ts'
import { XfrmState } from '../../src/xfrm/state.ts'
import { type XfrmCounterName, xfrmCounterNames } from '../../src/xfrm/stats.ts'
import { newXfrm, policyConfig, Recorder, selector } from './support.ts'

const mode = fc.constantFrom<XfrmMode>('tunnel', 'tunnel', 'transport')
const reqid = fc.integer({ min: 1, max: 2 })
const template = fc.record({
  mode,
  reqid: fc.oneof(reqid, fc.constant(0)),
  level: fc.constantFrom('required' as const, 'required' as const, 'use' as const),
  saddr: fc.constantFrom('192.0.2.1', '192.0.2.2', '0.0.0.0'),
  spi: fc.constantFrom(undefined, undefined, 300),
})
const aPolicy = fc.record({
  action: fc.constantFrom('allow' as const, 'allow' as const, 'allow' as const, 'block' as const),
  templates: fc.array(template, { maxLength: 3 }),
})
const aState = fc.record({
  mode,
  reqid,
  saddr: fc.constantFrom('192.0.2.1', '192.0.2.2'),
  spi: fc.constantFrom(300, 301),
})
const world = fc.record({
  main: fc.option(aPolicy, { nil: undefined }),
  sub: fc.option(aPolicy, { nil: undefined, freq: 2 }),
  path: fc.array(aState, { maxLength: 3 }),
  family: fc.constantFrom(4 as const, 6 as const),
})
type World = typeof world extends fc.Arbitrary<infer T> ? T : never
type Template = NonNullable<World['main']>['templates'][number]

/** The kernel's rules, one after the other, with lists. */
function slow({ main, sub, path, family }: World): XfrmCounterName | 'OK' {
  const all = [sub, main].filter((one) => one !== undefined)
  const [first, second] = all
  if (first === undefined) return path.length === 0 ? 'OK' : 'XfrmInNoPols'
  if (first.action === 'block' || (sub !== undefined && second?.action === 'block')) return 'XfrmInPolBlock'
  const used = sub === undefined ? [first] : all
  let templates = used.flatMap((one): readonly Template[] => one.templates)
  if (templates.length >= 6) return 'XfrmInBufferError'
  if (used.length > 1 && family === 6) {
    templates = [
      ...templates.filter((one) => one.mode === 'transport'),
      ...templates.filter((one) => one.mode !== 'transport'),
    ]
  }
  const meets = (one: Template, state: World['path'][number]) =>
    (one.spi === undefined || one.spi === state.spi) &&
    (one.reqid === 0 || one.reqid === state.reqid) &&
    one.mode === state.mode &&
    (state.mode === 'transport' || one.saddr === '0.0.0.0' || one.saddr === state.saddr)
  let left = [...path]
  for (const one of [...templates].reverse()) {
    if (one.level === 'use' && one.mode === 'transport') continue
    const tunnel = left.findIndex((state) => state.mode !== 'transport')
    const reach = tunnel < 0 ? left : left.slice(0, tunnel + 1)
    const at = reach.findIndex((state) => meets(one, state))
    if (at >= 0) left = left.slice(at + 1)
    else if (one.level !== 'use') return 'XfrmInTmplMismatch'
  }
  return left.some((state) => state.mode !== 'transport') ? 'XfrmInTmplMismatch' : 'OK'
}

describe('the check of what came in', () => {
  it('is what the rules say, for templates and states in any order', () => {
    const nets = { 4: selector('10.0.0.0/8', '10.0.0.0/8'), 6: selector('fd00::/8', 'fd00::/8') }
    fc.assert(
      fc.property(world, (given) => {
        const xfrm = newXfrm(new Recorder(), { now: 0 })
        for (const [index, type] of (['main', 'sub'] as const).entries()) {
          const policy = given[type]
          if (policy === undefined) continue
          const templates = policy.templates.map((one) => {
            return { ...one, saddr: parseIp(one.saddr), daddr: parseIp('198.51.100.1'), proto: 50 } as XfrmTemplate
          })
          const config = policyConfig({
            index,
            direction: 'in',
            selector: nets[given.family],
            type,
            action: policy.action,
          })
          xfrm.newPolicy({ ...config, templates })
        }
        const path = given.path.map(({ saddr, ...rest }) => {
          const fixed = { saddr: parseIp(saddr), daddr: parseIp('198.51.100.1'), proto: 50, lifetime: unlimited }
          return XfrmState.acquiring({ ...rest, ...fixed }, 0, new SharedParts())
        })
        const flow = Object.assign(newPacketFlow(), {
          family: given.family,
          addressBytes: given.family === 4 ? 4 : 16,
          protocol: 6,
        })
        for (const address of [flow.source, flow.destination]) address[0] = given.family === 4 ? 10 : 0xfd
        const found = xfrm.checkInboundPath(PolicyDirection.IN, flow, path, path.length)
        expect(found === POLICY_OK ? 'OK' : xfrmCounterNames[found]).toBe(slow(given))
      }),
      { numRuns: 2000 },
    )
  })

  it('asks a state for whom it is: XfrmInStateMismatch before any policy', () => {
    const xfrm = newXfrm(new Recorder(), { now: 0 })
    const fixed = {
      spi: 1,
      proto: 50,
      saddr: parseIp('192.0.2.1'),
      daddr: parseIp('192.0.2.2'),
      reqid: 1,
      lifetime: unlimited,
    }
    const state = XfrmState.acquiring(
      { ...fixed, mode: 'transport', selector: selector('192.0.2.1', '192.0.2.2') },
      0,
      new SharedParts(),
    )
    const flow = Object.assign(newPacketFlow(), { family: 4, addressBytes: 4, protocol: 6 })
    flow.source.set([192, 0, 2, 3])
    flow.destination.set([192, 0, 2, 2])
    expect(xfrmCounterNames[xfrm.checkInbound(PolicyDirection.IN, flow, state)]).toBe('XfrmInStateMismatch')
  })
})
