import type { SocketAddress } from '../ip/index.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import { type Deliver, Inbound } from './inbound.ts'
import type { DatapathOptions } from './options.ts'
import { Outbound, type SendEsp } from './outbound.ts'
import { type OuterFields, unknownOuter } from './outer.ts'

/** Where packets go. Both are called within the call that brought the packet, must not throw, and may call the datapath again. */
export interface DatapathSinks {
  readonly sendEsp: SendEsp
  readonly deliver: Deliver
}

/** Carries packets between the inner side (a TUN device) and the outer side (UDP), by the databases of one `Xfrm`. */
export class Datapath {
  readonly #inbound: Inbound
  readonly #outbound: Outbound

  /** One datapath for each `Xfrm`: it becomes the one who holds packets back for it. */
  constructor(xfrm: Xfrm, sinks: DatapathSinks, options: DatapathOptions = {}) {
    this.#inbound = new Inbound(xfrm, sinks.deliver, options)
    this.#outbound = new Outbound(xfrm, sinks.sendEsp, sinks.deliver, options)
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
   * that it comes from: only policies and states that are for them are used.
   */
  sendInner(buffer: Uint8Array, offset: number, length: number, now: number, mark = 0, ifId = 0): number {
    return this.#outbound.send(buffer, offset, length, now, mark, ifId)
  }
}
