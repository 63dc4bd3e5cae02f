import type { PacketFlow } from '../ip/index.ts'
import { isBefore, matchesPolicy, type XfrmPolicy } from './policy.ts'
import type { AddressRange } from './port.ts'

/** So many policies of one destination are kept as a list; more of them are told apart by their sources. */
const LIST_LENGTH = 8

/** A prefix, with the policies of just this one (ordered, hanging in `nextHere`), or a tree of their sources. */
interface Node {
  /** Its first `bits` bits count. Borrowed from a selector, never changed. */
  readonly key: Uint8Array
  readonly bits: number
  zero: Node | undefined
  one: Node | undefined
  first: XfrmPolicy | undefined
  count: number
  sources: Node | undefined
}

/**
 * Policies of one family by destination, and by source behind it: two binary trees of prefixes with the branches alone that there are. A
 * look-up walks down the prefixes of one address, so ten thousand policies cost a few steps more than ten. A range stands at the longest
 * prefix that holds all of it.
 */
export class PolicyTree {
  #root: Node | undefined
  size = 0

  add(policy: XfrmPolicy): void {
    this.size++
    const { destination } = policy.selector
    const { start } = destination
    const bits = commonBits(destination)
    this.#root = withNode(this.#root, start, bits)
    const node = nodeAt(this.#root, start, bits)!
    node.count++
    if (node.sources !== undefined) addSource(node, policy)
    else {
      node.first = insert(node.first, policy)
      if (node.count > LIST_LENGTH) splitBySource(node)
    }
  }

  /** The policy must have been added, and have the selector that it had then. */
  remove(policy: XfrmPolicy): void {
    this.size--
    const { destination, source } = policy.selector
    const bits = commonBits(destination)
    const node = nodeAt(this.#root, destination.start, bits)!
    node.count--
    if (node.sources === undefined) node.first = without(node.first, policy)
    else {
      const sourceBits = commonBits(source)
      const at = nodeAt(node.sources, source.start, sourceBits)!
      at.count--
      at.first = without(at.first, policy)
      node.sources = pruned(node.sources, source.start, sourceBits)
    }
    this.#root = pruned(this.#root, destination.start, bits)
  }

  /** The first of the policies, in their order, that matches. No allocation. */
  lookup(flow: PacketFlow, mark: number): XfrmPolicy | undefined {
    let best: XfrmPolicy | undefined
    const { destination } = flow
    for (let node = this.#root; node !== undefined; node = childOf(node, destination)) {
      if (node.count === 0) continue
      if (!startsWith(destination, node.key, node.bits)) break
      best = node.sources === undefined ? scan(node.first, flow, mark, best) : lookupSources(node, flow, mark, best)
    }
    return best
  }
}

function lookupSources(under: Node, flow: PacketFlow, mark: number, best: XfrmPolicy | undefined) {
  const { source } = flow
  for (let node = under.sources; node !== undefined; node = childOf(node, source)) {
    if (node.count === 0) continue
    if (!startsWith(source, node.key, node.bits)) break
    best = scan(node.first, flow, mark, best)
  }
  return best
}

/** The better one of `best` and the first match of the list. */
function scan(first: XfrmPolicy | undefined, flow: PacketFlow, mark: number, best: XfrmPolicy | undefined) {
  for (let policy = first; policy !== undefined; policy = policy.nextHere) {
    if (best !== undefined && !isBefore(policy, best)) return best
    if (matchesPolicy(policy, flow, mark)) return policy
  }
  return best
}

function childOf(node: Node, address: Uint8Array): Node | undefined {
  if (node.bits === 128) return undefined
  return bitAt(address, node.bits) === 0 ? node.zero : node.one
}

function bitAt(address: Uint8Array, bit: number): number {
  return (address[bit >>> 3]! >>> (7 - (bit & 7))) & 1
}

function startsWith(address: Uint8Array, key: Uint8Array, bits: number): boolean {
  const whole = bits >>> 3
  for (let i = 0; i < whole; i++) if (address[i] !== key[i]) return false
  const rest = bits & 7
  return rest === 0 || (address[whole]! ^ key[whole]!) >>> (8 - rest) === 0
}

/** Bits that all addresses of the range have alike. */
function commonBits({ start, end }: AddressRange): number {
  return sharedBits(start, end, start.length * 8)
}

function sharedBits(a: Uint8Array, b: Uint8Array, most: number): number {
  for (let i = 0; i * 8 < most; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return Math.min(most, 8 * i + Math.clz32(difference) - 24)
  }
  return most
}

function newNode(key: Uint8Array, bits: number): Node {
  return { key, bits, zero: undefined, one: undefined, first: undefined, count: 0, sources: undefined }
}

/** The tree with a node of this prefix in it. */
function withNode(root: Node | undefined, key: Uint8Array, bits: number): Node {
  if (root === undefined) return newNode(key, bits)
  const shared = sharedBits(key, root.key, Math.min(bits, root.bits))
  if (shared === root.bits) {
    if (shared === bits) return root
    if (bitAt(key, shared) === 0) root.zero = withNode(root.zero, key, bits)
    else root.one = withNode(root.one, key, bits)
    return root
  }
  const fork = newNode(key, shared)
  const leaf = shared === bits ? undefined : newNode(key, bits)
  if (bitAt(root.key, shared) === 0) [fork.zero, fork.one] = [root, leaf]
  else [fork.zero, fork.one] = [leaf, root]
  return fork
}

function nodeAt(root: Node | undefined, key: Uint8Array, bits: number): Node | undefined {
  let node = root
  while (node !== undefined && node.bits < bits) node = childOf(node, key)
  return node
}

/** The tree without the nodes on the way to this prefix that nothing needs. */
function pruned(root: Node | undefined, key: Uint8Array, bits: number): Node | undefined {
  if (root === undefined) return undefined
  if (root.bits < bits) {
    if (bitAt(key, root.bits) === 0) root.zero = pruned(root.zero, key, bits)
    else root.one = pruned(root.one, key, bits)
  }
  if (root.count > 0 || (root.zero !== undefined && root.one !== undefined)) return root
  return root.zero ?? root.one
}

function splitBySource(node: Node): void {
  let policy = node.first
  node.first = undefined
  while (policy !== undefined) {
    const next: XfrmPolicy | undefined = policy.nextHere
    addSource(node, policy)
    policy = next
  }
}

function addSource(node: Node, policy: XfrmPolicy): void {
  const { source } = policy.selector
  const bits = commonBits(source)
  node.sources = withNode(node.sources, source.start, bits)
  const at = nodeAt(node.sources, source.start, bits)!
  at.count++
  at.first = insert(at.first, policy)
}

function insert(first: XfrmPolicy | undefined, policy: XfrmPolicy): XfrmPolicy {
  if (first === undefined || isBefore(policy, first)) {
    policy.nextHere = first
    return policy
  }
  let before = first
  while (before.nextHere !== undefined && isBefore(before.nextHere, policy)) before = before.nextHere
  policy.nextHere = before.nextHere
  before.nextHere = policy
  return first
}

function without(first: XfrmPolicy | undefined, policy: XfrmPolicy): XfrmPolicy | undefined {
  const { nextHere } = policy
  policy.nextHere = undefined
  if (first === policy) return nextHere
  let before = first!
  while (before.nextHere !== policy) before = before.nextHere!
  before.nextHere = nextHere
  return first
}
