import type { XfrmPolicy } from '../xfrm/policy.ts'
import { NO_WORKER } from '../xfrm/workers.ts'
import { HEADROOM, TAILROOM } from './room.ts'

/** Packets held back for each policy: a TCP handshake's or a resolver's few retries. Each is copied, so there must be a bound. */
export const MAX_WAITING_PACKETS = 16

/** `octets` are `[HEADROOM][packet][TAILROOM]`; it came from a device of this mark and interface, by this worker. */
export interface WaitingPacket {
  readonly octets: Uint8Array
  readonly mark: number
  readonly ifId: number
  readonly worker: number
}

/** Inner packets that wait for a state of their policy, copied with the room that encapsulation needs. */
export class WaitingPackets {
  readonly #byPolicy = new Map<XfrmPolicy, WaitingPacket[]>()

  /** Copies the packet. False when the policy's queue is full. */
  add(
    policy: XfrmPolicy,
    buffer: Uint8Array,
    offset: number,
    length: number,
    mark = 0,
    ifId = 0,
    worker: number = NO_WORKER,
  ): boolean {
    let packets = this.#byPolicy.get(policy)
    if (packets === undefined) {
      packets = []
      this.#byPolicy.set(policy, packets)
    }
    if (packets.length >= MAX_WAITING_PACKETS) return false
    const copy = new Uint8Array(HEADROOM + length + TAILROOM)
    copy.set(buffer.subarray(offset, offset + length), HEADROOM)
    packets.push({ octets: copy, mark, ifId, worker })
    return true
  }

  /** Takes all packets of the policy out, in order. */
  take(policy: XfrmPolicy): readonly WaitingPacket[] {
    const packets = this.#byPolicy.get(policy)
    this.#byPolicy.delete(policy)
    return packets ?? []
  }
}
