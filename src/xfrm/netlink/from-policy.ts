import { UsageError } from '../../errors.ts'
import { PolicyDirection, type XfrmPolicy } from '../policy.ts'
import { unlimited, type XfrmPolicyConfig, type XfrmTemplate } from '../port.ts'
import type { XfrmAttributes } from './attributes.ts'
import { familyOf, kernelAddress, kernelSelector, zeroSelector } from './from-selector.ts'
import { kernelLifetime, kernelModes, markAttribute } from './from-state.ts'
import type { KernelPolicyInfo, KernelTemplate } from './structs.ts'

/** A policy as the kernel's messages have it. */
export interface KernelPolicy {
  readonly body: KernelPolicyInfo
  readonly attributes: XfrmAttributes
}

export const kernelDirections = { in: PolicyDirection.IN, out: PolicyDirection.OUT, fwd: PolicyDirection.FWD } as const

/** XFRM_POLICY_BLOCK. */
const BLOCK = 1
/** Any algorithm, of templates. */
const ALL_ALGORITHMS = 0xffffffff
const noLimits = kernelLifetime(unlimited)

/** The index of a policy in the kernel, where the direction stands in the low three bits and 0 is none. */
export const kernelIndex = (index: number, direction: PolicyDirection): number => (index + 1) * 8 + direction

type PolicyFields = Pick<
  XfrmPolicy,
  'selector' | 'index' | 'direction' | 'priority' | 'block' | 'templates' | 'mark' | 'ifId' | 'sub'
>

/** A policy of our tables. A selector that the kernel cannot have is left out. */
export function kernelPolicy(policy: PolicyFields): KernelPolicy {
  const { selector, index, direction, priority, block, templates, mark, ifId, sub } = policy
  return {
    body: {
      selector: kernelSelector(selector) ?? zeroSelector,
      lifetime: noLimits,
      current: { bytes: 0n, packets: 0n, addTime: 0n, useTime: 0n },
      ...{ priority, index: kernelIndex(index, direction), dir: direction },
      ...{ action: block ? BLOCK : 0, flags: 0, share: 0 },
    },
    attributes: {
      ...(templates.length === 0 ? {} : { templates: templates.map(kernelTemplate) }),
      policyType: { type: sub ? 1 : 0 },
      ...markAttribute(mark),
      ...(ifId === 0 ? {} : { ifId }),
    },
  }
}

/** A policy that is to be installed. Throws `UsageError` for ranges that the kernel does not have. */
export function kernelPolicyOfConfig(config: XfrmPolicyConfig): KernelPolicy {
  const { selector, direction, action, type, ifId = 0, mark } = config
  if (kernelSelector(selector) === undefined) {
    throw new UsageError('selector', 'the kernel has prefixes and single ports only')
  }
  return kernelPolicy({
    ...config,
    ...{ direction: kernelDirections[direction], block: action === 'block', sub: type === 'sub', ifId, mark },
  })
}

function kernelTemplate({ saddr, daddr, proto, mode, reqid, spi = 0, level }: XfrmTemplate): KernelTemplate {
  return {
    id: { daddr: kernelAddress(daddr), spi, proto },
    family: familyOf(daddr),
    saddr: kernelAddress(saddr),
    ...{ reqid, mode: kernelModes[mode], share: 0, optional: level === 'use' ? 1 : 0 },
    ...{ aalgos: ALL_ALGORITHMS, ealgos: ALL_ALGORITHMS, calgos: ALL_ALGORITHMS },
  }
}
