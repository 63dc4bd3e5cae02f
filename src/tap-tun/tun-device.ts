import type { PlatformError } from '../errors.ts'

/** Called for each packet read from a TUN device. `buffer` is borrowed until the handler returns and may be written to. */
export type TunPacketHandler = (buffer: Uint8Array, offset: number, length: number) => void

/**
 * A layer 3 network device: IP packets, without any link header, to and from the host's own network stack.
 * Numbers only and no exception on the packet path: `write` answers with a boolean, everything else is counted.
 */
export interface TunDevice {
  /** The interface's name, as `ip link` shows it. */
  readonly name: string
  /** Largest IP packet the device is meant to carry, in octets. */
  readonly mtu: number
  readonly stats: Readonly<TunStats>
  /**
   * Sets the one handler for packets the host sends into the device (a second call replaces the first). The packet
   * stands at `offset` in a preallocated buffer, with at least `headroom` writable octets before it and `tailroom` behind
   * it, so that it can be encapsulated in place. All is borrowed until the handler returns.
   */
  onPacket(handler: TunPacketHandler): void
  /**
   * Gives one IP packet to the host's network stack. `buffer` is only read, and free again on return. False when the
   * packet was not taken (device down or closed, queue full, not an IP packet, not inside `buffer`); it is then counted
   * in `stats.writeDrops`.
   */
  write(buffer: Uint8Array, offset: number, length: number): boolean
  /** Sets the one handler for the device's end: somebody removed it, nothing more will be read. Called at most once. */
  onFailure(handler: (error: PlatformError) => void): void
  /** Stops reading and removes the device. May be called again. */
  close(): Promise<void>
}

/** Counters of a TUN device, from our side of it: `read` is host to us, `written` is us to host. */
export interface TunStats {
  packetsRead: number
  bytesRead: number
  packetsWritten: number
  bytesWritten: number
  /** Packets handed to `write` that the host did not take. */
  writeDrops: number
  /** Packets from the host that were lost here: no handler, larger than the MTU, or the queue was full. */
  readDrops: number
  /** Failed reads, other than "nothing to read". */
  readErrors: number
}

/** Room around each packet that is read, in octets. */
export interface TunBufferOptions {
  /** Writable octets in front of the packet; default 128: outer IPv6, UDP and ESP headers with an IV, and some to spare. */
  readonly headroom?: number
  /** Writable octets behind the packet; default 64: ESP padding, trailer and the longest ICV. */
  readonly tailroom?: number
}

export const defaultHeadroom = 128
export const defaultTailroom = 64

/** Largest IP packet there is, without jumbograms. */
export const maxIpPacketBytes = 65535

/** New counters, all 0. */
export function newTunStats(): TunStats {
  return {
    packetsRead: 0,
    bytesRead: 0,
    packetsWritten: 0,
    bytesWritten: 0,
    writeDrops: 0,
    readDrops: 0,
    readErrors: 0,
  }
}
