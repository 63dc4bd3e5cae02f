/**
 * Room in front of each packet for what is put before it without a copy: ESP header and the longest IV are 24 octets, a
 * UDP and an outer IPv6 header would be 48 on their own, a device's own header (virtio_net_hdr) is at most 12. One cache
 * line, so that packets begin aligned.
 */
export const HEADROOM = 64

/**
 * Room behind each packet: ESP adds at most 49 octets (15 padding, 2 trailer, 32 ICV of HMAC-SHA2-512). The rest is for a
 * transform with larger blocks, and keeps slots a power of two.
 */
export const TAILROOM = 96

/** A slot holds any packet of a 1,500-octet link, in the clear or as ESP; two fill a page. */
export const SLOT_BYTES = 2048

/** Octets of the longest packet that fits a slot. */
export const SLOT_PACKET_BYTES = SLOT_BYTES - HEADROOM - TAILROOM

/**
 * Packet buffers in one preallocated region: slots `[HEADROOM][packet][TAILROOM]`, so that a packet goes from socket to
 * device without being copied or allocated. Not more slots are ever made: an empty pool is back-pressure.
 */
export class PacketPool {
  /** All slots; a packet's place is (region, offsetOf(slot)). */
  readonly region: Uint8Array
  readonly slots: number
  /** A stack of the slots that are not taken. */
  readonly #free: Uint32Array
  readonly #taken: Uint8Array
  #freeCount: number

  constructor(slots: number) {
    this.slots = slots
    this.region = new Uint8Array(slots * SLOT_BYTES)
    this.#free = Uint32Array.from({ length: slots }, (_, i) => slots - 1 - i)
    this.#taken = new Uint8Array(slots)
    this.#freeCount = slots
  }

  /** Slots that can still be taken. */
  get available(): number {
    return this.#freeCount
  }

  /** Takes a slot; -1 when there is none. Its octets are whatever they were. */
  take(): number {
    if (this.#freeCount === 0) return -1
    const slot = this.#free[--this.#freeCount]!
    this.#taken[slot] = 1
    return slot
  }

  /** Gives a slot back. False, and nothing done, when it was not taken. */
  release(slot: number): boolean {
    if (this.#taken[slot] !== 1) return false
    this.#taken[slot] = 0
    this.#free[this.#freeCount++] = slot
    return true
  }

  /** Offset in `region` of the slot's packet, behind the headroom. */
  offsetOf(slot: number): number {
    return slot * SLOT_BYTES + HEADROOM
  }
}
