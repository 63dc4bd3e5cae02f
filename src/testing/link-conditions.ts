import { IPV4_HEADER_BYTES, IPV6_HEADER_BYTES } from '../ip/header.ts'
import type { Dice } from './hostile-dice.ts'
import type { LossReason, VirtualDatagram } from './virtual-datagram.ts'

/** How a network treats datagrams in one direction. Chances are from 0 to 1. */
export interface LinkConditions {
  readonly latencyMs: number
  /** Up to this many ms on top, each time others; what is sent later does not arrive earlier by that. */
  readonly jitterMs: number
  readonly loss: number
  readonly duplicate: number
  /** The chance that a datagram falls behind later ones, by `reorderMs`. */
  readonly reorder: number
  readonly reorderMs: number
  /** Octets of an IP packet; what is longer travels in fragments. */
  readonly mtu: number
  /** Whether fragments of IP arrive, all of them or none. */
  readonly fragments: 'pass' | 'drop'
}

export const defaultConditions: LinkConditions = Object.freeze({
  latencyMs: 5,
  jitterMs: 0,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderMs: 50,
  mtu: 1500,
  fragments: 'pass',
})

const UDP_HEADER_BYTES = 8

/** One direction between two places. */
export class Link {
  conditions: LinkConditions
  readonly #dice: Dice
  /** Arrival of the last datagram that was not held behind on purpose. */
  #lastAt = 0

  constructor(conditions: LinkConditions, dice: Dice) {
    this.conditions = conditions
    this.#dice = dice
  }

  /** Why the datagram does not arrive, undefined when it does. */
  loses(datagram: VirtualDatagram): LossReason | undefined {
    const { loss, mtu, fragments } = this.conditions
    if (fragments === 'drop' && packetBytes(datagram) > mtu) return 'mtu'
    return this.#happens(loss) ? 'loss' : undefined
  }

  doubles(): boolean {
    return this.#happens(this.conditions.duplicate)
  }

  /** When a datagram that is sent at `now` arrives. */
  arrivalOf({ delayMs = 0 }: VirtualDatagram, now: number): number {
    const { latencyMs, jitterMs, reorder, reorderMs } = this.conditions
    const jitter = jitterMs === 0 ? 0 : (this.#dice.u32() / 0x1_0000_0000) * jitterMs
    const at = now + latencyMs + jitter
    if (delayMs !== 0) return at + delayMs
    if (this.#happens(reorder)) return at + reorderMs
    if (jitterMs === 0) return at
    this.#lastAt = Math.max(at, this.#lastAt)
    return this.#lastAt
  }

  #happens(chance: number): boolean {
    return chance > 0 && this.#dice.u32() < chance * 0x1_0000_0000
  }
}

const packetBytes = ({ to, payload }: VirtualDatagram): number =>
  (to.address.length === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) + UDP_HEADER_BYTES + payload.length
