import { droppedAs } from '../datapath/index.ts'
import { UsageError } from '../errors.ts'
import { answerIcmpEcho } from '../ip/icmp.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import { GatewayInside, type PacketWatcher } from './gateway-inside.ts'
import { GatewayPlane } from './gateway-plane.ts'
import { VirtualPeer, type VirtualPeerOptions } from './virtual-peer.ts'
import type { VirtualSegment } from './virtual-segment.ts'

export type VirtualGatewayOptions = Omit<VirtualPeerOptions, 'xfrm'> & {
  /** Octets of an inner packet; default 1400. */
  readonly mtu?: number
  /** Which worker carries the inner packet at `buffer[offset]`, -1 for none; default: none carries any. */
  readonly workerOf?: (buffer: Uint8Array, offset: number) => number
}

/**
 * A whole gateway without a machine: the IKE core, the real SA and policy databases and the real datapath, on a virtual
 * network and the virtual clock. Inner packets go in by `inject` and come out at `onInner`; between they are really encrypted.
 */
export class VirtualGateway extends VirtualPeer {
  readonly #inside: GatewayInside
  readonly #planes: { readonly current?: GatewayPlane }

  constructor(segment: VirtualSegment, { mtu = 1400, workerOf, ...options }: VirtualGatewayOptions) {
    const inside = new GatewayInside(mtu)
    if (workerOf !== undefined) inside.workerOf = workerOf
    // The first plane is made before there is a `this`, and a restart makes another.
    const planes: { current?: GatewayPlane } = {}
    super(segment, options, (peer) => {
      planes.current = new GatewayPlane(peer, inside)
      return planes.current
    })
    this.#inside = inside
    this.#planes = planes
  }

  /** The SA and policy databases, with their counters. A restart makes new ones. */
  get databases(): Xfrm {
    // The constructor hands over nothing else.
    return this.xfrm as Xfrm
  }

  /**
   * Sends an inner IP packet as a host behind the gateway would. `sent`: it left, encrypted. `queued`: it waits for a CHILD_SA.
   * Otherwise it was dropped, for the reason that is returned (a name of `XfrmCounter`, or `device` when it is too long).
   */
  inject(packet: Uint8Array): string {
    if (this.isDown) throw new UsageError('gateway', 'is down')
    const status = this.#inside.inject(packet)
    if (status === undefined) return 'device'
    return droppedAs(status) ?? (status === 0 ? 'sent' : 'queued')
  }

  /** Tells `listener` of every inner packet that arrives; it may keep the packet. Returns what ends it. */
  onInner(listener: (packet: Uint8Array) => void): () => void {
    this.#inside.listeners.add(listener)
    return () => this.#inside.listeners.delete(listener)
  }

  /** Answers pings in place of the hosts behind the gateway, at the same time of the clock. Returns what ends it. */
  answerPings(): () => void {
    return this.onInner((packet) => {
      const reply = answerIcmpEcho(packet)
      if (reply === undefined) return
      // Not within the call: the gateway is to be done with the request first, as one whose host is elsewhere.
      this.segment.network.clock.schedule(this.now, () => {
        if (!this.isDown) this.inject(reply)
      })
    })
  }

  /** Probes the paths of all CHILD_SAs; what is found out stands in the `pathMtu` of the outbound states of `databases`. */
  probePaths(): void {
    this.#planes.current!.probePaths(this.now)
  }

  /** Lets `watcher` name inner packets and hear what becomes of them. Returns what ends it. */
  watch(watcher: PacketWatcher): () => void {
    this.#inside.watchers.add(watcher)
    return () => this.#inside.watchers.delete(watcher)
  }
}
