import { equalBytes } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'
import type { XfrmPolicyConfig, XfrmPort, XfrmSelector, XfrmTemplate } from '../xfrm/port.ts'
import type { TrafficSelectorConfig } from './config.ts'
import { toXfrmSelectors } from './traffic-selector.ts'
import { formatTrafficSelector } from './traffic-selector-text.ts'

/** The outer addresses of a CHILD_SA, seen from here. */
export interface OuterAddresses {
  readonly local: IpAddress
  readonly remote: IpAddress
}

/** The traffic that policies are for, and the configured child that it belongs to. */
export interface PolicySubject {
  readonly connection: string
  readonly child: string
  readonly localTs: readonly TrafficSelectorConfig[]
  readonly remoteTs: readonly TrafficSelectorConfig[]
  readonly mode: 'tunnel' | 'transport'
}

interface PolicySet {
  readonly key: string
  readonly reqid: number
  readonly mode: 'tunnel' | 'transport'
  policies: XfrmPolicyConfig[]
  /** Where each user's packets go, in the order in which they came: the last one's addresses are the templates'. */
  readonly users: Map<object, OuterAddresses>
  /** The trap whose reqid the set has. */
  trap: Trap | undefined
}

interface Trap {
  readonly reqid: number
  readonly policies: readonly XfrmPolicyConfig[]
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
  readonly #setOf = new Map<object, PolicySet>()
  /** By connection and child. */
  readonly #traps = new Map<string, Trap>()
  #nextReqid = 1
  #nextIndex = 1

  constructor(xfrm: XfrmPort) {
    this.#xfrm = xfrm
  }

  /**
   * Adds `user` (any object, each once) to the set of this traffic and returns its reqid. The first user installs the
   * policies, later ones only move the templates. `peer` is the peer's identity as text. A user that `replaces` the only
   * one of a set for other traffic (the peer agreed to more, or to less, than last time) gets that set's reqid, so that
   * packets of both find the states of both. When it throws, `release` undoes what was done.
   */
  acquire(user: object, subject: PolicySubject, peer: string, outer: OuterAddresses, replaces?: object): number {
    const key = setKey(subject, peer)
    const known = this.#sets.get(key)
    if (known !== undefined) {
      this.#setOf.set(user, known)
      known.users.set(user, outer)
      this.#retarget(known)
      return known.reqid
    }
    const before = replaces === undefined ? undefined : this.#setOf.get(replaces)
    const heirTo = before?.users.size === 1 ? before : undefined
    const trap = heirTo === undefined ? this.#freeTrap(subject) : heirTo.trap
    if (heirTo !== undefined) heirTo.trap = undefined
    const reqid = heirTo?.reqid ?? trap?.reqid ?? this.#nextReqid++
    const policies = this.#build(subject, reqid, outer, ['out', 'in', 'fwd'])
    const set: PolicySet = { key, reqid, mode: subject.mode, policies, users: new Map([[user, outer]]), trap }
    this.#sets.set(key, set)
    this.#setOf.set(user, set)
    for (const policy of policies) this.#xfrm.newPolicy(policy)
    // The trap may be wider than what the peer agreed to, and has the reqid: its packets would find the state.
    for (const policy of trap?.policies ?? []) this.#xfrm.updPolicy({ ...policy, action: 'block' })
    return reqid
  }

  /** The users of the reqid of `user` but itself, oldest first. */
  othersOf(user: object): object[] {
    const reqid = this.#setOf.get(user)?.reqid
    const sets = [...this.#sets.values()].filter((set) => set.reqid === reqid)
    return sets.flatMap(({ users }) => [...users.keys()]).filter((other) => other !== user)
  }

  /** Takes a user away. The last one removes the policies; else they lead to the newest that is left. */
  release(user: object): void {
    const set = this.#setOf.get(user)
    if (set === undefined) return
    this.#setOf.delete(user)
    set.users.delete(user)
    if (set.users.size > 0) {
      this.#retarget(set)
      return
    }
    this.#sets.delete(set.key)
    for (const policy of set.policies) this.#xfrm.delPolicy(policy.index)
    const twin = [...this.#sets.values()].find(({ reqid }) => reqid === set.reqid)
    if (twin !== undefined) twin.trap ??= set.trap
    else for (const policy of set.trap?.policies ?? []) this.#xfrm.updPolicy(policy)
  }

  /** The peer of a user moved, or we did. The templates follow the newest user only. */
  move(user: object, outer: OuterAddresses): void {
    const set = this.#setOf.get(user)
    if (set === undefined) return
    set.users.set(user, outer)
    this.#retarget(set)
  }

  /**
   * Outbound policies without a state: the first packet gives an acquire with the reqid that is returned. They stay until
   * the endpoint ends, and block while a CHILD_SA has their reqid. A child has one trap: again gives the same.
   */
  installTrap(subject: PolicySubject, outer: OuterAddresses): number {
    const known = this.#traps.get(trapKey(subject))
    if (known !== undefined) return known.reqid
    const reqid = this.#nextReqid++
    const policies = this.#build(subject, reqid, outer, ['out'], TRAP_PENALTY)
    this.#traps.set(trapKey(subject), { reqid, policies })
    for (const policy of policies) this.#xfrm.newPolicy(policy)
    return reqid
  }

  /**
   * The child's trap, when its reqid is free. A CHILD_SA has the reqid of its trap, so that the packets held back find their
   * state, whatever the peer made of the traffic selectors. But only one set at a time: the state that a template finds is
   * the newest of its reqid, so packets of one set would leave through an SA that was agreed on for the other's.
   */
  #freeTrap(subject: PolicySubject): Trap | undefined {
    const trap = this.#traps.get(trapKey(subject))
    return [...this.#sets.values()].some((set) => set.trap === trap) ? undefined : trap
  }

  #build(
    subject: PolicySubject,
    reqid: number,
    outer: OuterAddresses,
    directions: readonly XfrmPolicyConfig['direction'][],
    penalty = 0,
  ): XfrmPolicyConfig[] {
    const { connection, child, localTs, remoteTs } = subject
    return directions.flatMap((direction) =>
      toXfrmSelectors(localTs, remoteTs, direction === 'out' ? 'out' : 'in').map((selector) => ({
        index: this.#nextIndex++,
        direction,
        selector,
        action: 'allow' as const,
        priority: selectorPriority(selector) + penalty,
        templates: [template(direction, reqid, outer, subject.mode)],
        label: `${connection}/${child}`,
      })),
    )
  }

  #retarget(set: PolicySet): void {
    const outer = [...set.users.values()].at(-1)!
    const before = set.policies[0]?.templates[0]
    const wanted = set.policies.map((policy) => ({
      ...policy,
      templates: [template(policy.direction, set.reqid, outer, set.mode)],
    }))
    if (before !== undefined && sameTemplate(before, wanted[0]!.templates[0]!)) return
    set.policies = wanted
    for (const policy of wanted) this.#xfrm.updPolicy(policy)
  }
}

const trapKey = ({ connection, child }: PolicySubject): string => JSON.stringify([connection, child])

function setKey({ connection, child, localTs, remoteTs, mode }: PolicySubject, peer: string): string {
  const texts = (selectors: readonly TrafficSelectorConfig[]) => selectors.map(formatTrafficSelector)
  return JSON.stringify([connection, child, texts(localTs), texts(remoteTs), mode, peer])
}

const sameTemplate = (a: XfrmTemplate, b: XfrmTemplate): boolean =>
  equalBytes(a.saddr, b.saddr) && equalBytes(a.daddr, b.daddr)

function template(
  direction: 'in' | 'out' | 'fwd',
  reqid: number,
  outer: OuterAddresses,
  mode: 'tunnel' | 'transport',
): XfrmTemplate {
  const [saddr, daddr] = direction === 'out' ? [outer.local, outer.remote] : [outer.remote, outer.local]
  return { saddr, daddr, proto: 50, mode, reqid }
}

/**
 * Narrower selectors win: four for each address bit left open in either range, one for each open protocol or port field.
 * Lower is better, as in the kernel.
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
