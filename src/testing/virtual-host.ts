import { equalBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { formatIp, type IpAddress, parseIp } from '../ip/address.ts'
import type { Receiver, VirtualDatagram } from './virtual-datagram.ts'
import type { VirtualSegment } from './virtual-segment.ts'

interface Interface {
  readonly address: IpAddress
  readonly segment: VirtualSegment
  readonly unbind: () => void
}

/** The outer side of a peer: its addresses, each on a segment of the network, and the ports that it listens on at all of them; port 0 is ESP without UDP. */
export class VirtualHost {
  readonly #ports: readonly number[]
  readonly #receiver: Receiver
  readonly #home: VirtualSegment
  #interfaces: Interface[] = []

  constructor(home: VirtualSegment, ports: readonly number[], receiver: Receiver) {
    this.#home = home
    this.#ports = ports
    this.#receiver = receiver
  }

  /** In the order in which they were added. */
  get addresses(): readonly IpAddress[] {
    return this.#interfaces.map(({ address }) => address)
  }

  /** `segment` is where it is to be reached; by default where the host began. */
  add(text: string, segment: VirtualSegment = this.#home): void {
    const address = parseIp(text)
    if (this.#find(address) !== undefined) throw new UsageError('address', `${text} is here already`)
    const undo = this.#ports.map((port) => segment.bind({ address, port }, this.#receiver))
    const unbind = () => {
      for (const each of undo) each()
    }
    this.#interfaces.push({ address, segment, unbind })
  }

  remove(text: string): void {
    const found = this.#find(parseIp(text))
    if (found === undefined) throw new UsageError('address', `${text} is not here`)
    found.unbind()
    this.#interfaces = this.#interfaces.filter((one) => one !== found)
  }

  /** Takes all addresses away. */
  clear(): void {
    for (const { address } of this.#interfaces) this.remove(formatIp(address))
  }

  /** The interfaces, to set them up again after `clear`. */
  get places(): readonly { readonly address: string; readonly segment: VirtualSegment }[] {
    return this.#interfaces.map(({ address, segment }) => ({ address: formatIp(address), segment }))
  }

  /** What comes from an address that the host has not (any more) is lost. */
  send(datagram: VirtualDatagram): void {
    const found = this.#find(datagram.from.address)
    if (found !== undefined) return found.segment.send(datagram)
    this.#home.network.note('sent', datagram)
    this.#home.network.lose(datagram, 'no-source')
  }

  #find(address: IpAddress): Interface | undefined {
    return this.#interfaces.find((one) => equalBytes(one.address, address))
  }
}
