import { createMemoryTun, type MemoryTun } from '../tap-tun/memory.ts'

/** Told of what a gateway does with inner packets: see `VirtualTraffic`. */
export interface PacketWatcher {
  /** What the inner packet at `buffer[offset]` is known as; undefined when it is none of this watcher's. */
  cargoOf(buffer: Uint8Array, offset: number): object | undefined
  /** An ESP packet with this cargo came to the gateway and was dropped; `counter` is a name of `XfrmCounter`. */
  refused(cargo: object, counter: string): void
}

/** Takes an inner packet in a buffer with room around it; returns a `DatapathStatus`. */
type SendInner = (buffer: Uint8Array, offset: number, length: number) => number

/** The inner side of a gateway: a TUN device in memory, which survives a crash, and who listens to it. */
export class GatewayInside {
  readonly tun: MemoryTun
  readonly listeners = new Set<(packet: Uint8Array) => void>()
  readonly watchers = new Set<PacketWatcher>()
  /** Which worker carries the inner packet at `buffer[offset]`; -1 for none. */
  workerOf: (buffer: Uint8Array, offset: number) => number = () => -1
  /** The databases and the datapath that serve it at present. */
  #sendInner: SendInner = () => 0
  #status = 0

  constructor(mtu: number) {
    this.tun = createMemoryTun({ mtu })
    this.tun.onPacket((buffer, offset, length) => {
      this.#status = this.#sendInner(buffer, offset, length)
    })
    this.tun.onWritten((packet) => {
      for (const listener of this.listeners) listener(packet)
    })
  }

  /** From here on packets go to `sendInner`. */
  attach(sendInner: SendInner): void {
    this.#sendInner = sendInner
  }

  /** What became of the packet: a `DatapathStatus`; undefined when the device did not take it. */
  inject(packet: Uint8Array): number | undefined {
    return this.tun.inject(packet) ? this.#status : undefined
  }

  cargoOf(buffer: Uint8Array, offset: number): object | undefined {
    for (const watcher of this.watchers) {
      const cargo = watcher.cargoOf(buffer, offset)
      if (cargo !== undefined) return cargo
    }
    return undefined
  }

  refused(cargo: object, counter: string): void {
    for (const watcher of this.watchers) watcher.refused(cargo, counter)
  }
}
