import { formatSocketAddress, type SocketAddress } from '../ip/address.ts'
import type { Receiver } from './virtual-datagram.ts'

interface Bound {
  readonly receiver: Receiver
  readonly role: 'host' | 'carrier'
}

/** Who receives at which address and port of one segment. Port 0 stands for every port that nobody else has. */
export class Receivers {
  readonly #bound = new Map<string, Bound>()

  /** See `VirtualSegment.bind`. */
  bind(address: SocketAddress, receiver: Receiver, role: 'host' | 'carrier'): () => void {
    const key = formatSocketAddress(address)
    const bound = { receiver, role }
    this.#bound.set(key, bound)
    return () => {
      if (this.#bound.get(key) === bound) this.#bound.delete(key)
    }
  }

  find(to: SocketAddress): Bound | undefined {
    return (
      this.#bound.get(formatSocketAddress(to)) ?? this.#bound.get(formatSocketAddress({ address: to.address, port: 0 }))
    )
  }
}
