import { equalBytes } from '../../bytes/index.ts'
import type { IpAddress } from '../../ip/address.ts'
import type { XfrmPolicyConfig, XfrmPort, XfrmSelector, XfrmTemplate } from '../../xfrm/port.ts'
import type { TrafficSelectorConfig } from '../config.ts'
import { toXfrmSelectors } from '../negotiation/traffic-selector.ts'
import { formatTrafficSelector } from '../negotiation/traffic-selector-text.ts'

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
  /** Workers ask for CHILD_SAs of their own. RFC 9611. */
  readonly forWorkers?: boolean
}

interface PolicySet {
  readonly key: string
  readonly reqid: number
  readonly subject: PolicySubject
  /** The policies are made from what stands here whenever they are needed, with this index and those that follow. */
  readonly firstIndex: number
  readonly count: number
  /** In the order in which they came. */
  users: readonly User[]
  /** The addresses of the templates: those of the last user. */
  outer: OuterAddresses
  /** The trap whose reqid the set has. */
  trap: Trap | undefined
  /** All sets with this reqid, when there ever was more than one. */
  kin: Set<PolicySet> | undefined
}

interface User {
  readonly user: object
  /** Where its packets go. */
  readonly outer: OuterAddresses
}

interface Trap {
  /** A set has its reqid. */
  isTaken: boolean
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
      known.users = [...known.users, { user, outer }]
      this.#retarget(known)
      return known.reqid
    }
    const before = replaces === undefined ? undefined : this.#setOf.get(replaces)
    const heirTo = before?.users.length === 1 ? before : undefined
    const trap = heirTo === undefined ? this.#freeTrap(subject) : heirTo.trap
    if (heirTo !== undefined) heirTo.trap = undefined
    const reqid = heirTo?.reqid ?? trap?.reqid ?? this.#nextReqid++
    const firstIndex = this.#nextIndex
    const policies = build({ reqid, subject, outer, firstIndex }, allDirections)
    const count = policies.length
    this.#nextIndex += count
    const users = [{ user, outer }]
    const set: PolicySet = { key, reqid, subject, firstIndex, count, users, outer, trap, kin: undefined }
    this.#sets.set(key, set)
    this.#setOf.set(user, set)
    if (trap !== undefined) trap.isTaken = true
    if (heirTo !== undefined) joinKin(set, heirTo)
    for (const policy of policies) this.#xfrm.newPolicy(policy)
    // The trap may be wider than what the peer agreed to, and has the reqid: its packets would find the state.
    for (const policy of trap?.policies ?? []) this.#xfrm.updPolicy({ ...policy, action: 'block' })
    return reqid
  }

  /** The users of the reqid of `user` but itself, oldest first. */
  othersOf(user: object): object[] {
    const set = this.#setOf.get(user)
    if (set === undefined) return []
    const users = [...(set.kin ?? [set])].flatMap((one) => one.users)
    return users.map((one) => one.user).filter((other) => other !== user)
  }

  /** Takes a user away. The last one removes the policies; else they lead to the newest that is left. */
  release(user: object): void {
    const set = this.#setOf.get(user)
    if (set === undefined) return
    this.#setOf.delete(user)
    set.users = set.users.filter((other) => other.user !== user)
    if (set.users.length > 0) {
      this.#retarget(set)
      return
    }
    this.#sets.delete(set.key)
    for (let at = 0; at < set.count; at++) this.#xfrm.delPolicy(set.firstIndex + at)
    set.kin?.delete(set)
    const [twin] = set.kin ?? []
    if (twin !== undefined) twin.trap ??= set.trap
    else if (set.trap !== undefined) this.#free(set.trap)
  }

  /** The peer of a user moved, or we did. The templates follow the newest user only. */
  move(user: object, outer: OuterAddresses): void {
    const set = this.#setOf.get(user)
    if (set === undefined) return
    set.users = set.users.map((other) => (other.user === user ? { user, outer } : other))
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
    const policies = build({ reqid, subject, outer, firstIndex: this.#nextIndex }, ['out'], TRAP_PENALTY)
    this.#nextIndex += policies.length
    this.#traps.set(trapKey(subject), { reqid, policies, isTaken: false })
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
    return trap?.isTaken === false ? trap : undefined
  }

  #free(trap: Trap): void {
    trap.isTaken = false
    for (const policy of trap.policies) this.#xfrm.updPolicy(policy)
  }

  #retarget(set: PolicySet): void {
    const { outer } = set.users.at(-1)!
    const isSame = equalBytes(outer.local, set.outer.local) && equalBytes(outer.remote, set.outer.remote)
    if (isSame) return
    set.outer = outer
    for (const policy of build(set, allDirections)) this.#xfrm.updPolicy(policy)
  }
}

function joinKin(set: PolicySet, heirTo: PolicySet): void {
  heirTo.kin ??= new Set([heirTo])
  heirTo.kin.add(set)
  set.kin = heirTo.kin
}

const allDirections = ['out', 'in', 'fwd'] as const

function build(
  { subject, reqid, outer, firstIndex }: Pick<PolicySet, 'subject' | 'reqid' | 'outer' | 'firstIndex'>,
  directions: readonly XfrmPolicyConfig['direction'][],
  penalty = 0,
): XfrmPolicyConfig[] {
  const { connection, child, localTs, remoteTs, mode, forWorkers = false } = subject
  const [outward, inward] = [toXfrmSelectors(localTs, remoteTs, 'out'), toXfrmSelectors(localTs, remoteTs, 'in')]
  const label = `${connection}/${child}`
  let index = firstIndex
  return directions.flatMap((direction) => {
    const templates = [template(direction, reqid, outer, mode)]
    return (direction === 'out' ? outward : inward).map((selector) => {
      const priority = selectorPriority(selector) + penalty
      const workerAcquires = forWorkers && direction === 'out' ? { workerAcquires: true } : {}
      return { index: index++, direction, selector, action: 'allow', priority, templates, ...workerAcquires, label }
    })
  })
}

const trapKey = ({ connection, child }: PolicySubject): string => JSON.stringify([connection, child])

function setKey({ connection, child, localTs, remoteTs, mode }: PolicySubject, peer: string): string {
  const texts = (selectors: readonly TrafficSelectorConfig[]) => selectors.map(formatTrafficSelector)
  return JSON.stringify([connection, child, texts(localTs), texts(remoteTs), mode, peer])
}

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
