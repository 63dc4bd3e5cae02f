import { Fragment, type PacketFlow } from '../ip/index.ts'
import type { DatapathOptions } from './options.ts'

/** A power of two: packets in fragments that may be under way at once. */
const SLOTS = 1024
/** As long as a host waits for the rest of a packet. RFC 8200 §4.5, RFC 1122 §3.3.2. */
const LIFE_MS = 60_000

/**
 * What ports a fragment behind the first is taken to have. RFC 4301 §7. Bounded: an entry gives way to another packet's of the same
 * slot, and its later fragments then have no ports, as with `match`.
 */
export class FragmentRule {
  readonly #rule: NonNullable<DatapathOptions['fragments']>
  readonly #keys = new Float64Array(SLOTS)
  readonly #until = new Float64Array(SLOTS)
  /** Source port << 16 | destination port. */
  readonly #ports = new Uint32Array(SLOTS)

  constructor(rule: DatapathOptions['fragments'] = 'match') {
    this.#rule = rule
  }

  /** Fills in the ports of a later fragment, or remembers those of a first one. False when the packet is to be dropped. No allocation. */
  admit(flow: PacketFlow, now: number): boolean {
    if (flow.fragment === Fragment.NONE || this.#rule === 'match') return true
    if (this.#rule === 'drop') return flow.fragment === Fragment.FIRST
    const key = keyOf(flow)
    const slot = key % SLOTS
    if (flow.fragment === Fragment.FIRST) {
      this.#keys[slot] = key
      this.#until[slot] = flow.portsKnown ? now + LIFE_MS : 0
      this.#ports[slot] = ((flow.sourcePort << 16) | flow.destinationPort) >>> 0
    } else if (this.#keys[slot] === key && now < this.#until[slot]!) {
      flow.portsKnown = true
      flow.sourcePort = this.#ports[slot]! >>> 16
      flow.destinationPort = this.#ports[slot]! & 0xffff
    }
    return true
  }
}

/** 53 bits of addresses, protocol and identification: two packets in fragments share one by chance of one in 2^43 or so. */
function keyOf(flow: PacketFlow): number {
  let high = 0x811c9dc5
  let low = 0x1000193
  for (let i = 0; i < flow.addressBytes; i++) {
    high = Math.imul(high ^ flow.source[i]!, 0x01000193)
    low = Math.imul(low ^ flow.destination[i]!, 0x01000193) ^ high
  }
  high = Math.imul(high ^ flow.identification, 0x85ebca6b)
  low = Math.imul(low ^ flow.protocol ^ (flow.identification >>> 3), 0xc2b2ae35)
  return ((high ^ (high >>> 15)) & 0x1fffff) * 0x1_0000_0000 + ((low ^ (low >>> 13) ^ high) >>> 0)
}
