import { formatRange, isIcmp } from '../../ip/index.ts'
import type { XfrmEvent } from '../monitor.ts'
import { kernelEvent } from '../netlink/from-event.ts'
import { kernelPolicy } from '../netlink/from-policy.ts'
import { kernelSelector } from '../netlink/from-selector.ts'
import { type Calendar, kernelState } from '../netlink/from-state.ts'
import type { XfrmPolicy } from '../policy.ts'
import type { PortRange, XfrmSelector } from '../port.ts'
import { isAnyPort } from '../selector.ts'
import type { XfrmState } from '../state.ts'
import { formatXfrmMessage } from './format-message.ts'
import { formatPolicyInfo } from './format-policy.ts'
import { formatSaInfo } from './format-state.ts'
import { protocolName } from './protocol-names.ts'
import type { FormatOptions } from './style.ts'

/** How what stands in our tables is printed. */
export interface TableFormatOptions extends Omit<FormatOptions, 'keys'> {
  /** The moment of printing on both clocks. Without it times are printed as `-`. */
  readonly calendar?: Calendar
}

/**
 * A state as `ip xfrm state list nokeys` of iproute2 6.1 prints it, lines ended by newlines. Keys are hidden: a state does not keep their
 * octets.
 */
export function formatState(state: XfrmState, options: TableFormatOptions = {}): string {
  const { body, attributes } = kernelState(state, options.calendar)
  return formatSaInfo(body, attributes, { ...options, keys: false })
}

/** A policy as `ip xfrm policy` prints it, lines ended by newlines. Ranges, which the kernel does not have, are written `start-end`. */
export function formatPolicy(policy: XfrmPolicy, options: TableFormatOptions = {}): string {
  const { body, attributes } = kernelPolicy(policy)
  const { selector } = policy
  const place = kernelSelector(selector) === undefined ? { selector: formatRanges(selector, options) } : {}
  return formatPolicyInfo(body, attributes, options, place)
}

/** An event as `ip xfrm monitor nokeys` prints it, lines ended by newlines. What the kernel cannot have is left out of it. */
export function formatEvent(event: XfrmEvent, options: TableFormatOptions = {}): string {
  return formatXfrmMessage(kernelEvent(event, options.calendar), { ...options, keys: false })
}

function formatRanges(selector: XfrmSelector, { stats }: TableFormatOptions): string {
  const protocol = selector.protocol === 0 ? '' : `proto ${protocolName(selector.protocol)} `
  const ports = isIcmp(selector.protocol)
    ? formatPort('type-code', selector.sourcePort)
    : `${formatPort('sport', selector.sourcePort)}${formatPort('dport', selector.destinationPort)}`
  const user = stats === true ? 'uid 0' : ''
  return `src ${formatRange(selector.source)} dst ${formatRange(selector.destination)} ${protocol}${ports}${user}`
}

function formatPort(name: string, range: PortRange): string {
  if (isAnyPort(range)) return ''
  return `${name} ${range.first === range.last ? range.first : `${range.first}-${range.last}`} `
}
