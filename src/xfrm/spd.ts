import { UsageError } from '../errors.ts'
import type { PacketFlow } from '../ip/index.ts'
import { FlowCache } from './flow-cache.ts'
import { PolicyDirection, XfrmPolicy } from './policy.ts'
import type { XfrmPolicyConfig } from './port.ts'
import { matchesSelector } from './selector.ts'
import { SharedParts } from './shared-parts.ts'

const directions = [PolicyDirection.IN, PolicyDirection.OUT, PolicyDirection.FWD]

/**
 * The policy database of RFC 4301 §4.4.1: for each direction the policies in order of priority (lower first), then of
 * installation; the first that matches decides. Iterates by direction in, out, fwd, in that order.
 */
export class Spd implements Iterable<XfrmPolicy> {
  readonly #byIndex = new Map<number, XfrmPolicy>()
  /** Each sorted; indexed by `PolicyDirection`. */
  readonly #ordered: readonly XfrmPolicy[][] = directions.map(() => [])
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
    return this.#ordered.flat().values()
  }

  /** The policies of one direction in the order in which they are tried. Borrowed. */
  inOrder(direction: PolicyDirection): readonly XfrmPolicy[] {
    return this.#ordered[direction]!
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
   * Changes the policy of this index, which keeps its place among equals; adds it when there is none, as the kernel
   * does. Throws `UsageError`.
   */
  update(config: XfrmPolicyConfig): XfrmPolicy {
    const policy = this.#byIndex.get(config.index)
    if (policy === undefined) return this.add(config)
    policy.update(config, this.#parts)
    this.#take(policy)
    this.#insert(policy)
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

  /** The policy that decides about the flow, undefined when none matches. No allocation. */
  lookup(direction: PolicyDirection, flow: PacketFlow): XfrmPolicy | undefined {
    const cache = this.#caches[direction]!
    const slot = cache.slotOf(flow)
    if (cache.holds(slot, flow, this.#generation)) return cache.policy(slot)
    const policy = firstMatch(this.#ordered[direction]!, flow)
    cache.store(slot, flow, this.#generation, policy)
    return policy
  }

  #insert(policy: XfrmPolicy): void {
    this.#generation++
    const ordered = this.#ordered[policy.direction]!
    ordered.splice(placeOf(policy, ordered), 0, policy)
  }

  #take(policy: XfrmPolicy): void {
    this.#generation++
    const ordered = this.#ordered[policy.direction]!
    ordered.splice(ordered.indexOf(policy), 1)
  }
}

/** Where the policy belongs, by halving: a sort for each of ten thousand policies would take seconds. */
function placeOf(policy: XfrmPolicy, ordered: readonly XfrmPolicy[]): number {
  let from = 0
  let to = ordered.length
  while (from < to) {
    const middle = (from + to) >>> 1
    const other = ordered[middle]!
    if ((other.priority - policy.priority || other.serial - policy.serial) < 0) from = middle + 1
    else to = middle
  }
  return from
}

function firstMatch(policies: readonly XfrmPolicy[], flow: PacketFlow): XfrmPolicy | undefined {
  for (let i = 0; i < policies.length; i++) {
    if (matchesSelector(policies[i]!.selector, flow)) return policies[i]
  }
  return undefined
}
