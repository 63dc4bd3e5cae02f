import { UsageError } from '../errors.ts'
import { formatIp, formatSocketAddress, type IpAddress, parseIp, type SocketAddress } from '../ip/address.ts'
import { Dice } from './hostile-dice.ts'
import { Receivers } from './receivers.ts'
import type { Receiver, VirtualDatagram } from './virtual-datagram.ts'
import type { VirtualNetwork } from './virtual-network.ts'
import type { VirtualSegment } from './virtual-segment.ts'

/** RFC 4787 §5: whom an outer port lets in. Anybody; the addresses that were sent to; or only the addresses and ports that were sent to. */
export type NatFiltering = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

export interface NatOptions {
  /** The outer address. */
  readonly outside: string
  /** Default `address-and-port-dependent`, the strictest and commonest. */
  readonly filtering?: NatFiltering
  /** RFC 4787 §4.1: whether one inner socket has one outer port for all, or one for each place that it sends to. Default `endpoint-independent`. */
  readonly mapping?: 'endpoint-independent' | 'address-and-port-dependent'
  /** How long a mapping, and a permission to come in, lasts after the last packet from the inside. Default 120 s, the least that RFC 4787 §4.3 allows. */
  readonly timeoutMs?: number
  /** Which port a new mapping gets: the inner one when it is free, the next higher, or any. Default `sequential`. */
  readonly ports?: 'preserving' | 'sequential' | 'random'
  readonly seed?: string
}

interface Mapping {
  readonly key: string
  readonly inside: SocketAddress
  readonly port: number
  expiresAt: number
  /** Until when who may come in. */
  readonly permitted: Map<string, number>
}

const FIRST_PORT = 1024
const PORTS = 65_536 - FIRST_PORT

/**
 * A NAT box: hosts are attached to it as to a network, and what they send leaves it from its outer address. It may stand
 * behind another one. Only UDP passes, not plain ESP; nothing is sent back to its own outer address (no hairpinning).
 */
export class VirtualNat implements VirtualSegment {
  readonly network: VirtualNetwork
  readonly #around: VirtualSegment
  readonly #options: Required<NatOptions>
  readonly #dice: Dice
  readonly #inside = new Receivers()
  readonly #byInside = new Map<string, Mapping>()
  readonly #byPort = new Map<number, Mapping>()
  readonly #forwards = new Map<number, SocketAddress>()
  /** Ports of a time before `rebind`: a NAT that starts anew does not hand them out at once. */
  #used = new Set<number>()
  #outside: IpAddress
  #unbind: () => void
  #lastPort: number

  constructor(around: VirtualSegment, options: NatOptions) {
    this.#around = around
    this.network = around.network
    this.#options = {
      filtering: 'address-and-port-dependent',
      mapping: 'endpoint-independent',
      timeoutMs: 120_000,
      ports: 'sequential',
      seed: options.outside,
      ...options,
    }
    this.#dice = new Dice(this.#options.seed)
    this.#lastPort = 40_000 + this.#dice.below(1_000)
    this.#outside = parseIp(options.outside)
    this.#unbind = this.#listen()
  }

  /** The outer address. */
  get outside(): IpAddress {
    return this.#outside
  }

  /** Mappings that are in force, as `inside -> outer port`. */
  get mappings(): readonly string[] {
    const now = this.network.clock.now
    return [...this.#byPort.values()]
      .filter(({ expiresAt }) => expiresAt > now)
      .map(({ inside, port }) => `${formatSocketAddress(inside)} -> ${port}`)
  }

  bind(address: SocketAddress, receiver: Receiver, role: 'host' | 'carrier' = 'host'): () => void {
    return this.#inside.bind(address, receiver, role)
  }

  /** From the inside out, or between two hosts of the inside. */
  send(datagram: VirtualDatagram): void {
    if (this.#inside.find(datagram.to) !== undefined) {
      this.network.note('sent', datagram)
      return this.#deliver(datagram, datagram.to)
    }
    if (datagram.from.port === 0) return this.#refuse(datagram)
    const mapping = this.#mappingFor(datagram)
    const expiresAt = this.network.clock.now + this.#options.timeoutMs
    mapping.expiresAt = expiresAt
    mapping.permitted.set(this.#permission(datagram.to), expiresAt)
    this.#around.send({ ...datagram, from: { address: this.#outside, port: mapping.port } })
  }

  /** Sends what comes to an outer port to a host inside, whoever it is from. */
  forward(outsidePort: number, insideAddress: string, insidePort = outsidePort): void {
    this.#forwards.set(outsidePort, { address: parseIp(insideAddress), port: insidePort })
  }

  /** Forgets all mappings, as after a restart: the next packets leave from other ports, and from another address when one is given. */
  rebind(change: { readonly outside?: string } = {}): void {
    for (const port of this.#byPort.keys()) this.#used.add(port)
    if (this.#used.size > PORTS / 2) this.#used = new Set()
    this.#byPort.clear()
    this.#byInside.clear()
    if (change.outside === undefined) return
    this.#unbind()
    this.#outside = parseIp(change.outside)
    this.#unbind = this.#listen()
  }

  /** Rebinds again and again. Returns what ends it. */
  rebindEvery(intervalMs: number, change: () => { readonly outside?: string } = () => ({})): () => void {
    const { clock } = this.network
    const next = () =>
      clock.schedule(clock.now + intervalMs, () => {
        this.rebind(change())
        scheduled = next()
      })
    let scheduled = next()
    return () => scheduled.cancel()
  }

  #listen(): () => void {
    return this.#around.bind({ address: this.#outside, port: 0 }, (datagram) => this.#receive(datagram), 'carrier')
  }

  #receive(datagram: VirtualDatagram): void {
    const forward = this.#forwards.get(datagram.to.port)
    if (forward !== undefined) return this.#deliver(datagram, forward)
    const now = this.network.clock.now
    const mapping = this.#byPort.get(datagram.to.port)
    if (mapping === undefined || mapping.expiresAt <= now) return this.network.lose(datagram, 'nat-no-mapping')
    if (this.#options.filtering !== 'endpoint-independent') {
      const until = mapping.permitted.get(this.#permission(datagram.from))
      if (until === undefined || until <= now) return this.network.lose(datagram, 'nat-filtered')
    }
    this.#deliver(datagram, mapping.inside)
  }

  #deliver(datagram: VirtualDatagram, to: SocketAddress): void {
    const found = this.#inside.find(to)
    if (found === undefined) return this.network.lose(datagram, 'unreachable')
    const inner = { ...datagram, to }
    if (found.role === 'host') this.network.note('arrived', inner)
    found.receiver(inner, this.network.clock.now)
  }

  /** ESP without UDP has no ports to translate. */
  #refuse(datagram: VirtualDatagram): void {
    this.network.note('sent', datagram)
    this.network.lose(datagram, 'nat-no-mapping')
  }

  /** What a packet from the inside opens the filter for. */
  #permission(remote: SocketAddress): string {
    return this.#options.filtering === 'address-and-port-dependent'
      ? formatSocketAddress(remote)
      : formatIp(remote.address)
  }

  #mappingFor({ from, to }: VirtualDatagram): Mapping {
    const inside = formatSocketAddress(from)
    const key = this.#options.mapping === 'endpoint-independent' ? inside : `${inside} ${formatSocketAddress(to)}`
    const known = this.#byInside.get(key)
    if (known !== undefined && known.expiresAt > this.network.clock.now) return known
    if (known !== undefined) this.#byPort.delete(known.port)
    const port = this.#takePort(from.port)
    const mapping: Mapping = { key, inside: copyOf(from), port, expiresAt: 0, permitted: new Map() }
    this.#byInside.set(key, mapping)
    this.#byPort.set(port, mapping)
    return mapping
  }

  #takePort(inner: number): number {
    const { ports } = this.#options
    if (ports === 'preserving' && this.#isFree(inner)) return inner
    for (let attempt = 0; attempt < PORTS; attempt++) {
      const step = ports === 'random' ? this.#dice.below(PORTS) : 1
      this.#lastPort = FIRST_PORT + ((this.#lastPort - FIRST_PORT + step) % PORTS)
      if (this.#isFree(this.#lastPort)) return this.#lastPort
    }
    throw new UsageError('ports', 'the NAT has no port left')
  }

  #isFree(port: number): boolean {
    if (this.#forwards.has(port) || this.#used.has(port)) return false
    const holder = this.#byPort.get(port)
    if (holder === undefined) return true
    if (holder.expiresAt > this.network.clock.now) return false
    this.#byPort.delete(port)
    this.#byInside.delete(holder.key)
    return true
  }
}

const copyOf = ({ address, port }: SocketAddress): SocketAddress => ({ address: address.slice(), port })
