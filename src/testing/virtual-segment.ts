import type { SocketAddress } from '../ip/address.ts'
import type { Receiver, VirtualDatagram } from './virtual-datagram.ts'
import type { VirtualNetwork } from './virtual-network.ts'

/** Where hosts can be attached: the network itself, or the inside of a NAT. */
export interface VirtualSegment {
  /** The network that this is, or that is outside at last. */
  readonly network: VirtualNetwork
  /**
   * Datagrams to this address and port come to `receiver`, in place of whoever had them before. Port 0 takes every port that
   * nobody else has. A `carrier` brings it further and says itself what became of it. Returns what takes it back.
   */
  bind(address: SocketAddress, receiver: Receiver, role?: 'host' | 'carrier'): () => void
  send(datagram: VirtualDatagram): void
}
