/** A NAT keepalive's UDP payload: one octet 0xFF. Shared; do not write to it. RFC 3948 §2.3. */
export const KEEPALIVE_PAYLOAD: Uint8Array = Uint8Array.of(0xff)

/** RFC 3948 §4: the default interval between keepalives. */
export const DEFAULT_KEEPALIVE_MS = 20_000

/**
 * When to send a NAT keepalive to one peer: once nothing at all was sent to it for `intervalMs`. Only the side behind the NAT
 * needs one. Times are monotonic milliseconds from the caller. RFC 3948 §4.
 */
export class Keepalive {
  readonly intervalMs: number
  #lastSent: number

  /** `intervalMs` 0 means never. */
  constructor(intervalMs: number, now: number) {
    this.intervalMs = intervalMs
    this.#lastSent = now
  }

  /** Call for every datagram to the peer, IKE or ESP. */
  sent(now: number): void {
    if (now > this.#lastSent) this.#lastSent = now
  }

  /** When `due` will become true if nothing is sent before; `Infinity` for never. */
  nextAt(): number {
    return this.intervalMs > 0 ? this.#lastSent + this.intervalMs : Number.POSITIVE_INFINITY
  }

  /** True when a keepalive is to be sent; counts it as sent, so that it is true once an interval. */
  due(now: number): boolean {
    if (now < this.nextAt()) return false
    this.#lastSent = now
    return true
  }
}
