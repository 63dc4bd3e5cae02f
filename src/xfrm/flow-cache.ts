import type { PacketFlow } from '../ip/index.ts'
import type { XfrmPolicy } from './policy.ts'

/** Flows that are remembered for each direction. A power of two. */
export const FLOW_CACHE_SLOTS = 1024

/** source 16 | destination 16 | family | protocol | ports known | source port 2 | destination port 2 */
const KEY_BYTES = 39

/**
 * Which policies a flow met, so that its next packets need no look-up. Direct-mapped and of fixed size: a flow that hashes to
 * a taken slot replaces what is there, so a flood of flows costs time and no memory.
 */
export class FlowCache {
  readonly #keys = new Uint8Array(FLOW_CACHE_SLOTS * KEY_BYTES)
  readonly #marks = new Uint32Array(FLOW_CACHE_SLOTS * 2)
  readonly #first = new Array<XfrmPolicy | undefined>(FLOW_CACHE_SLOTS).fill(undefined)
  readonly #also = new Array<XfrmPolicy | undefined>(FLOW_CACHE_SLOTS).fill(undefined)
  readonly #generations = new Float64Array(FLOW_CACHE_SLOTS)

  /** The slot that belongs to the flow, with this mark at this interface. */
  slotOf(flow: PacketFlow, mark: number, ifId: number): number {
    let hash = flow.protocol ^ (flow.sourcePort << 16) ^ flow.destinationPort ^ mark ^ (ifId << 8)
    for (let i = 0; i < flow.addressBytes; i++) {
      hash = Math.imul(hash ^ flow.source[i]!, 0x01000193)
      hash = Math.imul(hash ^ flow.destination[i]!, 0x01000193)
    }
    return ((hash >>> 16) ^ hash) & (FLOW_CACHE_SLOTS - 1)
  }

  /** True when the slot holds the answer for just this flow, made in this generation of the database. */
  holds(slot: number, flow: PacketFlow, mark: number, ifId: number, generation: number): boolean {
    if (this.#generations[slot] !== generation) return false
    if (this.#marks[2 * slot] !== mark || this.#marks[2 * slot + 1] !== ifId) return false
    const keys = this.#keys
    const at = slot * KEY_BYTES
    if (keys[at + 32] !== flow.family || keys[at + 33] !== flow.protocol) return false
    if ((keys[at + 34] === 1) !== flow.portsKnown) return false
    if (keys[at + 35]! * 256 + keys[at + 36]! !== flow.sourcePort) return false
    if (keys[at + 37]! * 256 + keys[at + 38]! !== flow.destinationPort) return false
    for (let i = 0; i < flow.addressBytes; i++) {
      if (keys[at + i] !== flow.source[i] || keys[at + 16 + i] !== flow.destination[i]) return false
    }
    return true
  }

  /** What the slot holds: undefined is the answer that no policy matches. */
  first(slot: number): XfrmPolicy | undefined {
    return this.#first[slot]
  }

  /** The policy that must agree with the first one. */
  also(slot: number): XfrmPolicy | undefined {
    return this.#also[slot]
  }

  /** Remembers the answer for the flow (copied) in the slot. */
  store(
    slot: number,
    flow: PacketFlow,
    mark: number,
    ifId: number,
    generation: number,
    first: XfrmPolicy | undefined,
    also: XfrmPolicy | undefined,
  ): void {
    const keys = this.#keys
    const at = slot * KEY_BYTES
    for (let i = 0; i < flow.addressBytes; i++) {
      keys[at + i] = flow.source[i]!
      keys[at + 16 + i] = flow.destination[i]!
    }
    keys[at + 32] = flow.family
    keys[at + 33] = flow.protocol
    keys[at + 34] = flow.portsKnown ? 1 : 0
    keys[at + 35] = flow.sourcePort >>> 8
    keys[at + 36] = flow.sourcePort
    keys[at + 37] = flow.destinationPort >>> 8
    keys[at + 38] = flow.destinationPort
    this.#marks[2 * slot] = mark
    this.#marks[2 * slot + 1] = ifId
    this.#first[slot] = first
    this.#also[slot] = also
    this.#generations[slot] = generation
  }
}
