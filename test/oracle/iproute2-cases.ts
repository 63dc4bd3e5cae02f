import type fc from 'fast-check'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import {
  decodeXfrmMessages,
  encodeNewSa,
  encodeXfrmMessage,
  type FormatOptions,
  formatEvent,
  formatPolicy,
  formatState,
  formatXfrmMessage,
  kernelEvent,
  kernelPolicy,
  kernelState,
  PolicyDirection,
  type XfrmMessage,
} from '../../src/xfrm/index.ts'
import { flowOf } from '../xfrm/support.ts'
import type { Dice } from './dice.ts'
import { distinct, emptyXfrm, isKernels, larvalState, policyConfig, stateConfig, useTables } from './iproute2-tables.ts'

/** One thing to print, in two ways. */
export interface Case {
  readonly title: string
  readonly bytes: Uint8Array
  ours(style: FormatOptions): string
  /** Keys are hidden by us, for our tables do not have them: theirs are zeros. */
  readonly hidesKeys?: true
}

export type Sample = <T>(arbitrary: fc.Arbitrary<T>, runs: number) => T[]

export const caseOfMessage = (message: XfrmMessage): Case => ({
  title: message.type,
  bytes: encodeXfrmMessage(message),
  ours: (style) => formatXfrmMessage(message, style),
})

/** What stands in our tables after some use, and all that was told meanwhile. */
export function tableCases(sample: Sample, dice: Dice, rounds: number, styles: readonly FormatOptions[]): Case[] {
  const clock = { now: 1000 }
  const xfrm = emptyXfrm(clock)
  const calendarAt = () => ({ now: clock.now, unixMs: 1.7e12 + clock.now })
  const cases: Case[] = []
  xfrm.monitor.listen((event) => {
    const message = kernelEvent(event, calendarAt())
    const calendar = calendarAt()
    // Told by what is then: the state is another one afterwards.
    const texts = new Map(styles.map((style) => [style, formatEvent(event, { ...style, calendar })]))
    const bytes = encodeXfrmMessage(message)
    cases.push({ title: `event ${event.type}`, bytes, ours: (style) => texts.get(style)!, hidesKeys: true })
  })
  const configs = sample(stateConfig, 2 * rounds)
  const numbers = () => dice.below(2 ** 32)
  useTables(xfrm, clock, distinct(configs), numbers)
  for (const larval of distinct(sample(larvalState, rounds))) xfrm.allocSpi(larval)
  for (const [index, config] of sample(policyConfig, 2 * rounds).entries()) {
    xfrm.newPolicy({ ...config, index })
    if (dice.percent(30)) xfrm.updPolicy({ ...config, index, priority: numbers() })
    if (dice.percent(10)) xfrm.delPolicy(index)
  }
  const flow = flowOf(
    buildUdp({
      ...{ source: parseIp('10.0.0.1'), destination: parseIp('10.0.0.2'), sourcePort: 1, destinationPort: 2 },
      data: new Uint8Array(8),
    }),
  )
  for (const policy of xfrm.policies()) {
    if (policy.direction === PolicyDirection.OUT && policy.template !== undefined) xfrm.acquire(policy, flow, clock.now)
  }
  for (const larval of xfrm.acquires()) cases.push(caseOfState(larval))
  clock.now += 40_000
  xfrm.expireDue(clock.now)
  for (const state of xfrm.states()) cases.push(caseOfState(state))
  for (const policy of xfrm.policies()) {
    const { body, attributes } = kernelPolicy(policy)
    const bytes = encodeXfrmMessage({ type: 'newpolicy', body, attributes })
    cases.push({ title: 'policy', bytes, ours: (style) => formatPolicy(policy, style) })
  }
  for (const config of configs.filter(isKernels)) {
    const bytes = encodeNewSa(config)
    const [decoded] = decodeXfrmMessages(bytes)
    cases.push({ title: 'configuration', bytes, ours: (style) => formatXfrmMessage(decoded!.message, style) })
  }
  return cases

  function caseOfState(state: Parameters<typeof formatState>[0]): Case {
    const calendar = calendarAt()
    const bytes = encodeXfrmMessage({ type: 'newsa', ...kernelState(state, calendar) })
    return { title: 'state', bytes, ours: (style) => formatState(state, { ...style, calendar }), hidesKeys: true }
  }
}
