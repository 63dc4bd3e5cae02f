import { readU32 } from '../bytes/index.ts'
import type { PacketFlow } from '../ip/index.ts'
import { isBefore, matchesPolicy, type XfrmPolicy } from './policy.ts'
import type { AddressRange } from './port.ts'

/** So many policies of one destination are kept as a list; more of them are told apart by their sources. */
const LIST_LENGTH = 8

/** Policies of one prefix, ordered, hanging in `nextHere`; or those of a destination by their sources. */
interface Bucket {
  first: XfrmPolicy | undefined
  count: number
  sources: PrefixTable | undefined
}

/** The prefixes of one length, by a hash of their bits. Two that share a hash share a bucket: each policy is compared as a whole. */
class Level {
  readonly bits: number
  readonly buckets = new Map<number, Bucket>()
  /** No policy here has a lower one; there may be none left that has it. */
  leastPriority = Number.POSITIVE_INFINITY
  readonly #mask0: number
  readonly #mask1: number
  readonly #mask2: number
  readonly #mask3: number

  constructor(bits: number) {
    this.bits = bits
    this.#mask0 = maskOf(bits)
    this.#mask1 = maskOf(bits - 32)
    this.#mask2 = maskOf(bits - 64)
    this.#mask3 = maskOf(bits - 96)
  }

  /** The address in words of 32 bits; IPv4 has only the first. */
  keyOf(word0: number, word1: number, word2: number, word3: number): number {
    const first = word0 & this.#mask0
    if (this.bits <= 32) return first
    let hash = Math.imul(first, 0x9e3779b1) ^ (word1 & this.#mask1)
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ (word2 & this.#mask2)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) ^ (word3 & this.#mask3)
    return hash | 0
  }
}

/** Buckets by prefix, for each length that there is. */
class PrefixTable {
  /** The longest first: policies are mostly the more urgent the narrower they are, and then the first that is found ends the search. */
  readonly levels: Level[] = []

  /** The bucket of a range, that of the longest prefix which holds all of it, for a policy of this priority. Made when it is not there. */
  bucketFor(range: AddressRange, priority: number): Bucket {
    const bits = commonBits(range)
    let at = this.levels.findIndex((level) => level.bits <= bits)
    if (at < 0) at = this.levels.length
    if (this.levels[at]?.bits !== bits) this.levels.splice(at, 0, new Level(bits))
    const level = this.levels[at]!
    if (priority < level.leastPriority) level.leastPriority = priority
    const key = keyIn(level, range.start)
    let bucket = level.buckets.get(key)
    if (bucket === undefined) {
      bucket = { first: undefined, count: 0, sources: undefined }
      level.buckets.set(key, bucket)
    }
    return bucket
  }

  /** Takes the bucket of the range away. */
  drop(range: AddressRange): void {
    const bits = commonBits(range)
    const at = this.levels.findIndex((level) => level.bits === bits)
    const { buckets } = this.levels[at]!
    buckets.delete(keyIn(this.levels[at]!, range.start))
    if (buckets.size === 0) this.levels.splice(at, 1)
  }
}

/**
 * Policies of one family by the prefixes of their destinations, and behind those of many policies by their sources. A look-up asks once for
 * each length of prefix that there is, however many policies have it. A range stands at the longest prefix that holds all of it.
 */
export class PolicyTable {
  readonly #destinations = new PrefixTable()
  size = 0

  add(policy: XfrmPolicy): void {
    this.size++
    const bucket = this.#destinations.bucketFor(policy.selector.destination, policy.priority)
    bucket.count++
    if (bucket.sources !== undefined) addSource(bucket.sources, policy)
    else {
      bucket.first = insert(bucket.first, policy)
      if (bucket.count > LIST_LENGTH) splitBySource(bucket)
    }
  }

  /** The policy must have been added, and have the selector that it had then. */
  remove(policy: XfrmPolicy): void {
    this.size--
    const { priority } = policy
    const { destination, source } = policy.selector
    const bucket = this.#destinations.bucketFor(destination, priority)
    if (bucket.sources === undefined) bucket.first = without(bucket.first, policy)
    else {
      const of = bucket.sources.bucketFor(source, priority)
      of.first = without(of.first, policy)
      if (--of.count === 0) bucket.sources.drop(source)
    }
    if (--bucket.count === 0) this.#destinations.drop(destination)
  }

  /** The first of the policies, in their order, that matches. No allocation. */
  lookup(flow: PacketFlow, mark: number): XfrmPolicy | undefined {
    const { levels } = this.#destinations
    const { destination } = flow
    const isIpv6 = flow.addressBytes === 16
    const word0 = readU32(destination, 0)
    const word1 = isIpv6 ? readU32(destination, 4) : 0
    const word2 = isIpv6 ? readU32(destination, 8) : 0
    const word3 = isIpv6 ? readU32(destination, 12) : 0
    let best: XfrmPolicy | undefined
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i]!
      if (best !== undefined && best.priority < level.leastPriority) continue
      const bucket = level.buckets.get(level.keyOf(word0, word1, word2, word3))
      if (bucket === undefined) continue
      if (bucket.sources === undefined) best = scan(bucket.first, flow, mark, best)
      else best = lookupSources(bucket.sources, flow, mark, best)
    }
    return best
  }
}

function lookupSources({ levels }: PrefixTable, flow: PacketFlow, mark: number, before: XfrmPolicy | undefined) {
  const { source } = flow
  const isIpv6 = flow.addressBytes === 16
  const word0 = readU32(source, 0)
  const word1 = isIpv6 ? readU32(source, 4) : 0
  const word2 = isIpv6 ? readU32(source, 8) : 0
  const word3 = isIpv6 ? readU32(source, 12) : 0
  let best = before
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!
    if (best !== undefined && best.priority < level.leastPriority) continue
    const bucket = level.buckets.get(level.keyOf(word0, word1, word2, word3))
    if (bucket !== undefined) best = scan(bucket.first, flow, mark, best)
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

// Shifts are modulo 32.
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? -1 : -1 << (32 - bits)
}

function keyIn(level: Level, address: Uint8Array): number {
  const isIpv6 = address.length === 16
  const word = (at: number) => (isIpv6 ? readU32(address, at) : 0)
  return level.keyOf(readU32(address, 0), word(4), word(8), word(12))
}

/** Bits that all addresses of the range have alike. */
function commonBits({ start, end }: AddressRange): number {
  for (let i = 0; i < start.length; i++) {
    const difference = start[i]! ^ end[i]!
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24
  }
  return start.length * 8
}

function splitBySource(bucket: Bucket): void {
  const sources = new PrefixTable()
  let policy = bucket.first
  bucket.first = undefined
  while (policy !== undefined) {
    const next: XfrmPolicy | undefined = policy.nextHere
    addSource(sources, policy)
    policy = next
  }
  bucket.sources = sources
}

function addSource(sources: PrefixTable, policy: XfrmPolicy): void {
  const bucket = sources.bucketFor(policy.selector.source, policy.priority)
  bucket.count++
  bucket.first = insert(bucket.first, policy)
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
