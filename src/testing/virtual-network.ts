import { formatSocketAddress, type SocketAddress } from '../ip/address.ts'

/** A datagram on its way. `payload` is the whole UDP payload. */
export interface VirtualDatagram {
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly payload: Uint8Array
  /** Ms on top of the network's latency: what a path sets to let a datagram fall behind later ones. */
  readonly delayMs?: number
}

/** Decides what becomes of a datagram: any number of datagrams in its place, none to lose it. */
export type VirtualPath = (datagram: VirtualDatagram) => readonly VirtualDatagram[]

type Receiver = (datagram: VirtualDatagram, now: number) => void

interface Scheduled {
  readonly at: number
  readonly order: number
  readonly run: (now: number) => void
}

/** Time that passes only when it is told to, in ms. Events of one moment happen in the order in which they were scheduled. */
export class VirtualClock {
  #now = 0
  #order = 0
  #scheduled: Scheduled[] = []

  get now(): number {
    return this.#now
  }

  /** Runs `run` at `at`, or at once when that is past, during the next `advance`. */
  schedule(at: number, run: (now: number) => void): void {
    this.#scheduled.push({ at: Math.max(at, this.#now), order: this.#order++, run })
  }

  /** Lets `ms` pass and runs everything that falls due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let next = this.#takeUntil(end); next !== undefined; next = this.#takeUntil(end)) {
      this.#now = next.at
      next.run(next.at)
    }
    this.#now = end
  }

  #takeUntil(end: number): Scheduled | undefined {
    let best: Scheduled | undefined
    for (const one of this.#scheduled) {
      if (one.at > end) continue
      if (best === undefined || one.at < best.at || (one.at === best.at && one.order < best.order)) best = one
    }
    this.#scheduled = this.#scheduled.filter((one) => one !== best)
    return best
  }
}

/** Carries datagrams between addresses on a virtual clock, with a latency and a path that may drop, change or copy them. */
export class VirtualNetwork {
  readonly clock: VirtualClock
  readonly latencyMs: number
  /** Replaced by tests at any time. */
  path: VirtualPath = (datagram) => [datagram]
  /** Every datagram that was sent, in order, before `path` saw it. */
  readonly sent: VirtualDatagram[] = []
  readonly #receivers = new Map<string, Receiver>()

  constructor(clock: VirtualClock, latencyMs = 5) {
    this.clock = clock
    this.latencyMs = latencyMs
  }

  /** Datagrams to this address and port come to `receiver`. */
  bind(address: SocketAddress, receiver: Receiver): void {
    this.#receivers.set(formatSocketAddress(address), receiver)
  }

  send(datagram: VirtualDatagram): void {
    this.sent.push(datagram)
    for (const one of this.path(datagram)) {
      this.clock.schedule(this.clock.now + this.latencyMs + (one.delayMs ?? 0), (now) =>
        this.#receivers.get(formatSocketAddress(one.to))?.(one, now),
      )
    }
  }
}
