import type { IpAddress } from '../ip/address.ts'
import type { XfrmPolicyConfig, XfrmPort, XfrmSelector, XfrmTemplate } from '../xfrm/port.ts'
import type { TrafficSelectorConfig } from './config.ts'
import { formatTrafficSelector } from './traffic-selector-text.ts'

/** What tells one set of policies from another. `peer` is the peer's identity as text, empty when it is not known yet. */
export function policyKey(
  label: string,
  localTs: readonly TrafficSelectorConfig[],
  remoteTs: readonly TrafficSelectorConfig[],
  peer: string,
): string {
  return [label, ...localTs.map(formatTrafficSelector), '===', ...remoteTs.map(formatTrafficSelector), peer].join(' ')
}

/** The outer addresses of a CHILD_SA, seen from here. */
export interface OuterAddresses {
  readonly local: IpAddress
  readonly remote: IpAddress
}

/** The inner packets of a CHILD_SA in both directions, pair by pair. */
export interface ChildSelectors {
  readonly inbound: readonly XfrmSelector[]
  readonly outbound: readonly XfrmSelector[]
}

interface PolicySet {
  readonly reqid: number
  readonly label: string
  policies: XfrmPolicyConfig[]
  users: number
}

/** A trap's policies give way to those of an established CHILD_SA for the same packets. */
const TRAP_PENALTY = 0x10000

/**
 * The policies of CHILD_SAs and traps, one set for each distinct (connection, child, peer, traffic selectors), shared
 * by the CHILD_SAs that carry the same traffic (a peer that came back, a rekeyed SA). Each set has its own reqid, so
 * that traffic of one pair of subnets never leaves through the SA of another.
 */
export class ChildPolicies {
  readonly #xfrm: XfrmPort
  readonly #sets = new Map<string, PolicySet>()
  // A trap and the CHILD_SA that it brings up share one reqid, so that the packets held back find their state.
  readonly #trapReqids = new Map<string, number>()
  #nextReqid = 1
  #nextIndex = 1

  constructor(xfrm: XfrmPort) {
    this.#xfrm = xfrm
  }

  /** Adds a user of the set; the first one installs its policies, later ones only move the templates. */
  acquire(key: string, label: string, selectors: ChildSelectors, outer: OuterAddresses): number {
    const known = this.#sets.get(key)
    if (known !== undefined) {
      known.users++
      this.#retarget(known, outer)
      return known.reqid
    }
    const reqid = this.#trapReqids.get(key) ?? this.#nextReqid++
    const set: PolicySet = { reqid, label, users: 1, policies: [] }
    this.#sets.set(key, set)
    set.policies = this.#build(set, selectors, outer, 0)
    for (const policy of set.policies) this.#xfrm.newPolicy(policy)
    return reqid
  }

  /** Takes a user away; the last one removes the policies. */
  release(key: string): void {
    const set = this.#sets.get(key)
    if (set === undefined || --set.users > 0) return
    this.#sets.delete(key)
    for (const policy of set.policies) this.#xfrm.delPolicy(policy.index)
  }

  /** The peer moved, or we did: the templates of the set follow. */
  move(key: string, outer: OuterAddresses): void {
    const set = this.#sets.get(key)
    if (set !== undefined) this.#retarget(set, outer)
  }

  /** Outbound policies without a state: the first packet gives an acquire. They stay until the endpoint ends. */
  installTrap(key: string, label: string, outbound: readonly XfrmSelector[], outer: OuterAddresses): number {
    const reqid = this.#nextReqid++
    this.#trapReqids.set(key, reqid)
    const set: PolicySet = { reqid, label, users: 1, policies: [] }
    for (const policy of this.#build(set, { inbound: [], outbound }, outer, TRAP_PENALTY)) this.#xfrm.newPolicy(policy)
    return reqid
  }

  #build(set: PolicySet, selectors: ChildSelectors, outer: OuterAddresses, penalty: number): XfrmPolicyConfig[] {
    const make = (direction: 'in' | 'out' | 'fwd', selector: XfrmSelector): XfrmPolicyConfig => ({
      index: this.#nextIndex++,
      direction,
      selector,
      action: 'allow',
      priority: selectorPriority(selector) + penalty,
      templates: [template(direction, set.reqid, outer)],
      label: set.label,
    })
    return [
      ...selectors.outbound.map((selector) => make('out', selector)),
      ...selectors.inbound.map((selector) => make('in', selector)),
      ...selectors.inbound.map((selector) => make('fwd', selector)),
    ]
  }

  #retarget(set: PolicySet, outer: OuterAddresses): void {
    set.policies = set.policies.map((policy) => ({
      ...policy,
      templates: [template(policy.direction, set.reqid, outer)],
    }))
    for (const policy of set.policies) this.#xfrm.updPolicy(policy)
  }
}

function template(direction: 'in' | 'out' | 'fwd', reqid: number, outer: OuterAddresses): XfrmTemplate {
  const [saddr, daddr] = direction === 'out' ? [outer.local, outer.remote] : [outer.remote, outer.local]
  return { saddr, daddr, proto: 50, mode: 'tunnel', reqid }
}

/**
 * Narrower selectors win: the priority is the number of address bits left open in both ranges, doubled, plus one for
 * each open protocol or port field. Lower is better, as in the kernel.
 */
export function selectorPriority(selector: XfrmSelector): number {
  const openBits = rangeBits(selector.source) + rangeBits(selector.destination)
  const openFields =
    Number(selector.protocol === 0) +
    Number(selector.sourcePort.first !== selector.sourcePort.last) +
    Number(selector.destinationPort.first !== selector.destinationPort.last)
  return 1000 + 4 * openBits + openFields
}

/** Bits from the first one in which start and end differ. */
function rangeBits(range: { readonly start: IpAddress; readonly end: IpAddress }): number {
  for (let i = 0; i < range.start.length; i++) {
    const difference = range.start[i]! ^ range.end[i]!
    if (difference !== 0) return 8 * (range.start.length - i) - (Math.clz32(difference) - 24)
  }
  return 0
}
