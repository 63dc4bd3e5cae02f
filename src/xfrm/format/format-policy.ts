import type { XfrmAttributes } from '../netlink/attributes.ts'
import { Family, PolicyFlag } from '../netlink/numbers.ts'
import type { KernelPolicyInfo } from '../netlink/structs.ts'
import { formatAttributes, shareName } from './attributes.ts'
import { formatLifetime } from './lifetime.ts'
import { formatSelector } from './selector.ts'
import { type FormatOptions, formatFlags } from './style.ts'

const flagNames = [
  [PolicyFlag.LOCALOK, 'localok'],
  [PolicyFlag.ICMP, 'icmp'],
] as const
const directionNames: readonly string[] = ['in', 'out', 'fwd']
const actionNames: readonly string[] = ['allow', 'block']
const typeNames: readonly string[] = ['main', 'sub']

/** Directions from here on are those of sockets' own policies. */
const SOCKET_DIRECTIONS = 3

export const policyTypeName = (type: number): string => typeNames[type] ?? String(type)

/** Where a policy stands in something larger. */
export interface PolicyPlace {
  /** Before the selector. */
  readonly title?: string
  /** Before each line behind the first. */
  readonly indent?: string
  /** In place of the selector's line, for what the kernel cannot have. */
  readonly selector?: string
}

/** A policy as `ip xfrm policy` of iproute2 6.1 prints it, lines ended by newlines. */
export function formatPolicyInfo(
  policy: KernelPolicyInfo,
  attributes: XfrmAttributes,
  options: FormatOptions = {},
  place: PolicyPlace = {},
): string {
  const indent = `${place.indent ?? ''}\t`
  const selector = place.selector ?? formatSelector(policy.selector, Family.UNSPEC, options)
  const limits = options.stats === true ? formatLifetime(policy.lifetime, policy.current, indent, options) : ''
  return (
    `${place.title ?? ''}${selector}\n` +
    `${indent}${formatHead(policy, attributes, options)}\n` +
    limits +
    formatAttributes(attributes, {
      ...options,
      ...{ family: policy.selector.family, indent },
    })
  )
}

function formatHead(policy: KernelPolicyInfo, { policyType }: XfrmAttributes, options: FormatOptions): string {
  const { dir, action, index, priority, share, flags } = policy
  const stats = options.stats === true
  const ofSocket = dir >= SOCKET_DIRECTIONS
  const direction = ofSocket ? dir - SOCKET_DIRECTIONS : dir
  return [
    `${ofSocket ? 'socket' : 'dir'} ${directionNames[direction] ?? direction} `,
    stats || action !== 0 ? `action ${actionNames[action] ?? action} ` : '',
    stats ? `index ${index} ` : '',
    `priority ${priority} `,
    policyType === undefined ? '' : `ptype ${policyTypeName(policyType.type)} `,
    stats ? `share ${shareName(share)} ` : '',
    stats || flags !== 0 ? `flag ${formatFlags(flags, flagNames)}` : '',
    stats ? ` (0x${flags.toString(2).padStart(8, '0')})` : '',
  ].join('')
}
