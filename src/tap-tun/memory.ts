import {
  defaultHeadroom,
  defaultTailroom,
  newTunStats,
  type TunBufferOptions,
  type TunDevice,
  type TunPacketHandler,
} from './tun-device.ts'

/** A TUN device without a kernel: the test or the demo plays the host's network stack. */
export interface MemoryTun extends TunDevice {
  /**
   * Sends a packet (copied) as the host would. The handler of `onPacket` has run when this returns, unless the call comes
   * from inside that handler: then the packet waits until it returns. False when the packet was dropped and counted.
   */
  inject(packet: Uint8Array): boolean
  /** Sets the one handler for packets given to `write`; it receives a copy that it may keep. */
  onWritten(handler: (packet: Uint8Array) => void): void
}

export interface MemoryTunOptions extends TunBufferOptions {
  /** Default `memory0`. */
  readonly name?: string
  /** Default 1400 octets. */
  readonly mtu?: number
}

/** Packets that may wait while another one is being handled: the kernel's default queue length of a TUN device. */
const maxWaiting = 500

/** Makes an in-memory TUN device with the borrowing rules of a real one: one buffer, overwritten by the next packet. */
export function createMemoryTun(options: MemoryTunOptions = {}): MemoryTun {
  const { name = 'memory0', mtu = 1400, headroom = defaultHeadroom, tailroom = defaultTailroom } = options
  const buffer = new Uint8Array(headroom + mtu + tailroom)
  const stats = newTunStats()
  const waiting: Uint8Array[] = []
  let packetHandler: TunPacketHandler | undefined
  let writtenHandler: ((packet: Uint8Array) => void) | undefined
  let delivering = false
  let closed = false

  function deliver(packet: Uint8Array): void {
    if (packetHandler === undefined || closed) {
      stats.readDrops++
      return
    }
    buffer.set(packet, headroom)
    stats.packetsRead++
    stats.bytesRead += packet.length
    packetHandler(buffer, headroom, packet.length)
  }

  function inject(packet: Uint8Array): boolean {
    if (closed || packetHandler === undefined || packet.length > mtu || waiting.length >= maxWaiting) {
      stats.readDrops++
      return false
    }
    if (delivering) {
      // The buffer is lent to the running handler: this packet must not overwrite it.
      waiting.push(packet.slice())
      return true
    }
    delivering = true
    try {
      deliver(packet)
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) deliver(next)
    } finally {
      delivering = false
    }
    return true
  }

  function write(source: Uint8Array, offset: number, length: number): boolean {
    if (closed || offset < 0 || length <= 0 || offset + length > source.length) {
      stats.writeDrops++
      return false
    }
    stats.packetsWritten++
    stats.bytesWritten += length
    writtenHandler?.(source.slice(offset, offset + length))
    return true
  }

  return {
    name,
    mtu,
    stats,
    inject,
    write,
    onPacket(handler) {
      packetHandler = handler
    },
    onWritten(handler) {
      writtenHandler = handler
    },
    // Memory does not go away.
    onFailure() {},
    async close() {
      closed = true
      waiting.length = 0
    },
  }
}
