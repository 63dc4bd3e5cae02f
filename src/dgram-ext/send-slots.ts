/** The memory and the description of one datagram until the kernel has taken it. */
export interface SendSlot {
  bytes: Uint8Array
  length: number
  /** Text, because a text cannot change under us as a caller's array can. */
  address: string
  port: number
  /** Passed to dgram's `send`; made once for each slot, so that sending makes no closure. */
  readonly done: (error: Error | null) => void
}

/** Fits an ESP packet of a 1500-octet link. Larger datagrams get larger memory, which their slot then keeps. */
const usualBytes = 2048

/**
 * The slots of a socket's queued datagrams: made when first needed, at most `limit`, used again. node:dgram may read a
 * buffer until the callback of `send`, long after our caller has written the next packet into it; hence the copy.
 */
export class SendSlots {
  readonly #free: SendSlot[] = []
  readonly #limit: number
  readonly #finish: (slot: SendSlot, error: Error | null) => void
  #made = 0

  /** `finish` runs when the kernel has taken a slot's datagram or refused it, after the slot became free. */
  constructor(limit: number, finish: (slot: SendSlot, error: Error | null) => void) {
    this.#limit = limit
    this.#finish = finish
  }

  /** Datagrams that the kernel has not yet taken. */
  get inUse(): number {
    return this.#made - this.#free.length
  }

  /** A slot that holds a copy of the octets, or undefined when all are in use. */
  take(buffer: Uint8Array, offset: number, length: number): SendSlot | undefined {
    const slot = this.#free.pop() ?? (this.#made < this.#limit ? this.#make() : undefined)
    if (slot === undefined) return undefined
    if (slot.bytes.length < length) slot.bytes = new Uint8Array(length)
    if (offset === 0 && length === buffer.length) slot.bytes.set(buffer)
    else slot.bytes.set(buffer.subarray(offset, offset + length))
    slot.length = length
    return slot
  }

  #make(): SendSlot {
    this.#made++
    const slot: SendSlot = {
      bytes: new Uint8Array(usualBytes),
      length: 0,
      address: '',
      port: 0,
      done: (error) => {
        this.#free.push(slot)
        this.#finish(slot, error)
      },
    }
    return slot
  }
}
