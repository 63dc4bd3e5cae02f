import type { SocketAddress } from '../ip/index.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { NO_WORKER } from '../xfrm/workers.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import { type Deliver, Inbound } from './inbound.ts'
import type { DatapathOptions } from './options.ts'
import { Outbound, type SendEsp } from './outbound.ts'
import { type OuterFields, unknownOuter } from './outer.ts'
import { OuterIcmp, type OuterTooBig } from './outer-icmp.ts'
import { type ProbeReport, Prober } from './prober.ts'

/** Where packets go. Both are called within the call that brought the packet, must not throw, and may call the datapath again. */
export interface DatapathSinks {
  readonly sendEsp: SendEsp
  readonly deliver: Deliver
  /** Told when an ICMP error has lowered what is believed of a state's path (`state.pathMtu`). */
  readonly pathLowered?: (state: XfrmState, now: number) => void
  /** Told what came of probing a path. */
  readonly probed?: (report: ProbeReport) => void
}

/** Carries packets between the inner side (a TUN device) and the outer side (UDP), by the databases of one `Xfrm`. */
export class Datapath {
  readonly #inbound: Inbound
  readonly #outbound: Outbound
  readonly #outerIcmp: OuterIcmp
  readonly #prober: Prober

  /** One datapath for each `Xfrm`: it becomes the one who holds packets back for it. */
  constructor(xfrm: Xfrm, sinks: DatapathSinks, options: DatapathOptions = {}) {
    this.#prober = new Prober(xfrm, sinks.sendEsp, (report) => sinks.probed?.(report))
    this.#inbound = new Inbound(xfrm, sinks.deliver, this.#prober, options)
    this.#outbound = new Outbound(xfrm, sinks.sendEsp, sinks.deliver, options)
    this.#outerIcmp = new OuterIcmp(xfrm, (state, now) => sinks.pathLowered?.(state, now))
  }

  /**
   * Opens an ESP packet in place and delivers what is inside. `buffer[offset]` is the first octet of its SPI, `length` in
   * octets. `remote` is where it came from (port 0: plain ESP, not in UDP), `local` where it came to (an all-zero address when
   * that is not known), `outer` what the outer IP header said. Returns a `DatapathStatus`, or a negative number for `droppedAs`; never throws for any octets.
   * The buffer's contents are unspecified afterwards.
   */
  receiveEsp(
    buffer: Uint8Array,
    offset: number,
    length: number,
    remote: SocketAddress,
    local: SocketAddress,
    now: number,
    outer: Readonly<OuterFields> = unknownOuter,
  ): number {
    return this.#inbound.receive(buffer, offset, length, remote, local, now, outer)
  }

  /**
   * Encapsulates the inner IP packet at `buffer[offset, offset + length)` in place and sends it. The buffer has at
   * least `HEADROOM` octets in front of the packet and `TAILROOM` behind it, which are written to. Returns a
   * `DatapathStatus`, or a negative number for `droppedAs`; never throws for any octets. `mark` and `ifId` are those of the device
   * that it comes from: only policies and states that are for them are used. `worker`, from 0, is who carries it: a state of just that worker
   * is preferred (RFC 9611).
   */
  sendInner(
    buffer: Uint8Array,
    offset: number,
    length: number,
    now: number,
    mark = 0,
    ifId = 0,
    worker: number = NO_WORKER,
  ): number {
    return this.#outbound.send(buffer, offset, length, now, mark, ifId, worker)
  }

  /**
   * Takes an ICMP (`protocol` 1) or ICMPv6 (58) message of the outer network, without its IP header. True when it lowered what is believed
   * of a path: it must quote a packet of ours, and counts for ten minutes and in limited number. Never throws. RFC 4301 §8.2.
   */
  receiveIcmp(buffer: Uint8Array, offset: number, length: number, protocol: number, now: number): boolean {
    return this.#outerIcmp.receive(buffer, offset, length, protocol, now)
  }

  /** The same where the system has read the message (an error queue). */
  tooBigOutside(told: OuterTooBig, now: number): boolean {
    return this.#outerIcmp.tell(told, now)
  }

  /**
   * Finds out how long a packet may be on the path of an outbound state; see `DatapathSinks.probed`. Takes some seconds, of which
   * `serve` has to hear. Where long packets vanish, `state.pathMtu` is lowered and the path is looked at again before it is forgotten.
   */
  probe(state: XfrmState, now: number): void {
    this.#prober.start(state, now)
  }

  /** When `serve` may next have something to do, `Infinity` for never. Monotonic ms. */
  nextTimeoutAt(): number {
    return this.#prober.nextTimeoutAt()
  }

  /** Call it at `nextTimeoutAt()` or at any time. */
  serve(now: number): void {
    this.#prober.serve(now)
  }

  /**
   * Sends a dummy packet (RFC 4303 §2.6) through an outbound state of this datapath's `Xfrm`: `length` octets of zeros that the receiver drops, as long as an
   * inner packet of so many octets. When, and how often, is the caller's to decide. One that is too long for the path is not sent. Returns as `sendInner`.
   */
  sendDummy(state: XfrmState, length: number, now: number): number {
    return this.#outbound.sendDummy(state, length, now)
  }
}
