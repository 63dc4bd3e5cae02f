import { UsageError } from '../errors.ts'
import type { PacketFlow } from '../ip/index.ts'
import { FlowCache } from './flow-cache.ts'
import { isBefore, PolicyDirection, XfrmPolicy } from './policy.ts'
import { PolicyTable } from './policy-table.ts'
import type { XfrmPolicyConfig, XfrmTemplate } from './port.ts'
import { SharedParts } from './shared-parts.ts'

const directions = [PolicyDirection.IN, PolicyDirection.OUT, PolicyDirection.FWD]
/** Tables of one interface: for each direction those of IPv4 and IPv6, main and then sub. */
const TABLES = 12

/**
 * The policy database of RFC 4301 §4.4.1: for each direction the policies in order of priority (lower first), then of
 * installation; the first that matches decides. Sub policies are asked before all main ones. Iterates by direction in, out, fwd, in that
 * order.
 */
export class Spd implements Iterable<XfrmPolicy> {
  /** After `lookup`: the main policy that must allow the packet as well, when a sub policy came first. */
  also: XfrmPolicy | undefined
  readonly #byIndex = new Map<number, XfrmPolicy>()
  /** By interface. */
  readonly #tables = new Map<number, PolicyTable[]>()
  readonly #caches = directions.map(() => new FlowCache())
  // Cached answers of an older generation are void.
  #generation = 1
  readonly #parts: SharedParts
  #lastSerial = 0

  constructor(parts = new SharedParts()) {
    this.#parts = parts
  }

  get size(): number {
    return this.#byIndex.size
  }

  [Symbol.iterator](): Iterator<XfrmPolicy> {
    return directions.flatMap((direction) => this.inOrder(direction)).values()
  }

  /** The policies of one direction in the order in which they are tried. */
  inOrder(direction: PolicyDirection): readonly XfrmPolicy[] {
    const chosen = [...this.#byIndex.values()].filter((policy) => policy.direction === direction)
    return chosen.sort((a, b) => Number(b.sub) - Number(a.sub) || (isBefore(a, b) ? -1 : 1))
  }

  /** All policies, in no order. */
  all(): Iterable<XfrmPolicy> {
    return this.#byIndex.values()
  }

  byIndex(index: number): XfrmPolicy | undefined {
    return this.#byIndex.get(index)
  }

  /** Throws `UsageError` when the index is taken, or for a policy that cannot be carried out. */
  add(config: XfrmPolicyConfig): XfrmPolicy {
    if (this.#byIndex.has(config.index)) throw new UsageError('index', `policy ${config.index} is installed already`)
    const policy = new XfrmPolicy(config, ++this.#lastSerial, this.#parts)
    this.#byIndex.set(policy.index, policy)
    this.#insert(policy)
    return policy
  }

  /**
   * Changes the policy of this index, which keeps its place among equals, but for a change of priority, which makes it the last of them;
   * adds it when there is none, as the kernel does. Throws `UsageError`.
   */
  update(config: XfrmPolicyConfig): XfrmPolicy {
    const policy = this.#byIndex.get(config.index)
    if (policy === undefined) return this.add(config)
    this.#take(policy)
    try {
      policy.update(config, ++this.#lastSerial, this.#parts)
    } finally {
      this.#insert(policy)
    }
    return policy
  }

  /** Returns the policy that was removed, undefined when there was none. */
  remove(index: number): XfrmPolicy | undefined {
    const policy = this.#byIndex.get(index)
    if (policy === undefined) return undefined
    this.#byIndex.delete(index)
    this.#take(policy)
    return policy
  }

  /** The policy that decides about the flow, undefined when none matches; see `also`. No allocation. */
  lookup(direction: PolicyDirection, flow: PacketFlow, mark = 0, ifId = 0): XfrmPolicy | undefined {
    const cache = this.#caches[direction]!
    const slot = cache.slotOf(flow, mark, ifId)
    if (cache.holds(slot, flow, mark, ifId, this.#generation)) {
      this.also = cache.also(slot)
      return cache.first(slot)
    }
    const first = this.lookupUncached(direction, flow, mark, ifId)
    cache.store(slot, flow, mark, ifId, this.#generation, first, this.also)
    return first
  }

  /** As `lookup`, from the tables. */
  lookupUncached(direction: PolicyDirection, flow: PacketFlow, mark: number, ifId: number): XfrmPolicy | undefined {
    this.also = undefined
    const tables = this.#tables.get(ifId)
    if (tables === undefined) return undefined
    const at = tableAt(direction, flow.addressBytes === 16)
    const sub = tables[at + 1]!.lookup(flow, mark)
    if (sub === undefined) return tables[at]!.lookup(flow, mark)
    if (direction === PolicyDirection.OUT) this.also = sub.block ? undefined : tables[at]!.lookup(flow, mark)
    // The kernel asks the main policies of `in` also for what is routed on.
    else this.also = tables[tableAt(PolicyDirection.IN, flow.addressBytes === 16)]!.lookup(flow, mark)
    return sub
  }

  /** The first match among the sub or the main policies alone. */
  lookupType(direction: PolicyDirection, sub: boolean, flow: PacketFlow, ifId: number): XfrmPolicy | undefined {
    const at = tableAt(direction, flow.addressBytes === 16)
    return this.#tables.get(ifId)?.[at + (sub ? 1 : 0)]?.lookup(flow, 0)
  }

  /** Gives a policy other templates, copied. */
  retarget(policy: XfrmPolicy, templates: readonly XfrmTemplate[]): void {
    policy.templates = this.#parts.templates(templates)
    policy.stateGeneration = 0
  }

  #insert(policy: XfrmPolicy): void {
    this.#generation++
    let tables = this.#tables.get(policy.ifId)
    if (tables === undefined) {
      tables = Array.from({ length: TABLES }, () => new PolicyTable())
      this.#tables.set(policy.ifId, tables)
    }
    tables[ownTable(policy)]!.add(policy)
  }

  #take(policy: XfrmPolicy): void {
    this.#generation++
    const tables = this.#tables.get(policy.ifId)!
    tables[ownTable(policy)]!.remove(policy)
    if (tables.every(({ size }) => size === 0)) this.#tables.delete(policy.ifId)
  }
}

function tableAt(direction: PolicyDirection, isIpv6: boolean): number {
  return direction * 4 + (isIpv6 ? 2 : 0)
}

function ownTable({ direction, selector, sub }: XfrmPolicy): number {
  return tableAt(direction, selector.source.start.length === 16) + (sub ? 1 : 0)
}
