import { equalBytes } from '../bytes/index.ts'
import type { PacketFlow } from '../ip/index.ts'
import { MAX_TEMPLATES, type PolicyDirection, type XfrmPolicy } from './policy.ts'
import type { XfrmTemplate } from './port.ts'
import { matchesSelector } from './selector.ts'
import type { Spd } from './spd.ts'
import type { XfrmState } from './state.ts'
import { XfrmCounter } from './stats.ts'

/** What `checkInbound` returns for a packet that may pass. */
export const POLICY_OK = -1

/**
 * Whether a packet may have come through the first `count` states of `path` (in the order in which they were opened, the outermost
 * first): `POLICY_OK`, or the `XfrmCounter` to count it under. A packet of no state and no policy may pass. RFC 4301 §5.2.
 */
export function checkPath(
  spd: Spd,
  direction: PolicyDirection,
  flow: PacketFlow,
  path: readonly (XfrmState | undefined)[],
  count: number,
  mark: number,
  ifId: number,
): number {
  for (let i = count - 1; i >= 0; i--) {
    const { selector } = path[i]!
    if (selector !== undefined && !matchesSelector(selector, flow)) return XfrmCounter.XfrmInStateMismatch
  }
  const policy = spd.lookup(direction, flow, mark, ifId)
  const { also } = spd
  if (policy === undefined) return count === 0 ? POLICY_OK : XfrmCounter.XfrmInNoPols
  if (policy.block) return XfrmCounter.XfrmInPolBlock
  if (policy.templates.length >= MAX_TEMPLATES) return XfrmCounter.XfrmInBufferError
  if (also !== undefined) {
    if (also.block) return XfrmCounter.XfrmInPolBlock
    if (policy.templates.length + also.templates.length >= MAX_TEMPLATES) return XfrmCounter.XfrmInBufferError
  }
  const checked = checkTemplates(policy, also, flow.family === 6, path, count, ifId)
  // Whatever no template spoke of must not be a tunnel: its inside would have passed for nothing.
  if (checked < 0 || hasTunnel(path, checked, count)) return XfrmCounter.XfrmInTmplMismatch
  return POLICY_OK
}

/** From the outermost template to the innermost; returns how many states they spoke of, -1 when one is not met. */
function checkTemplates(
  policy: XfrmPolicy,
  also: XfrmPolicy | undefined,
  isIpv6: boolean,
  path: readonly (XfrmState | undefined)[],
  count: number,
  ifId: number,
): number {
  if (also === undefined) return checkList(policy.templates, '', path, 0, count, ifId)
  // The kernel puts transport mode inside of tunnels when it adds up the templates of two policies, in IPv6 alone.
  const rounds = isIpv6 ? outermostFirst : anyMode
  let at = 0
  for (let round = 0; round < rounds.length && at >= 0; round++) {
    at = checkList(also.templates, rounds[round]!, path, at, count, ifId)
    if (at >= 0) at = checkList(policy.templates, rounds[round]!, path, at, count, ifId)
  }
  return at
}

const anyMode = [''] as const
const outermostFirst = ['not transport', 'transport'] as const

function checkList(
  templates: readonly XfrmTemplate[],
  which: '' | 'transport' | 'not transport',
  path: readonly (XfrmState | undefined)[],
  from: number,
  count: number,
  ifId: number,
): number {
  let at = from
  for (let i = templates.length - 1; i >= 0 && at >= 0; i--) {
    const template = templates[i]!
    if (which !== '' && (template.mode === 'transport') !== (which === 'transport')) continue
    at = checkOne(template, path, at, count, ifId)
  }
  return at
}

/** The place behind the state that meets the template, looked for from `from`; -1 when there is none and one is required. */
function checkOne(
  template: XfrmTemplate,
  path: readonly (XfrmState | undefined)[],
  from: number,
  count: number,
  ifId: number,
): number {
  const optional = template.level === 'use'
  if (optional && template.mode === 'transport') return from
  for (let at = from; at < count; at++) {
    if (fitsTemplate(template, path[at]!, ifId)) return at + 1
    if (path[at]!.mode !== 'transport') break
  }
  return optional ? from : -1
}

/**
 * True when a packet that came through `state` satisfies the template: one of reqid 0 any reqid, one without source any source. The
 * destination is always ours. No allocation.
 */
export function fitsTemplate(template: XfrmTemplate, state: XfrmState, ifId = 0): boolean {
  return (
    template.proto === state.proto &&
    (template.spi === undefined || template.spi === 0 || template.spi === state.spi) &&
    (template.reqid === 0 || template.reqid === state.reqid) &&
    template.mode === state.mode &&
    (ifId === 0 || ifId === state.ifId) &&
    (state.mode === 'transport' || isAnyAddress(template.saddr) || equalBytes(template.saddr, state.saddr))
  )
}

function hasTunnel(path: readonly (XfrmState | undefined)[], from: number, count: number): boolean {
  for (let at = from; at < count; at++) if (path[at]!.mode !== 'transport') return true
  return false
}

export function isAnyAddress(address: Uint8Array): boolean {
  for (let i = 0; i < address.length; i++) if (address[i] !== 0) return false
  return true
}
