import { equalBytes } from '../bytes/index.ts'
import type { UdpSocket } from '../dgram-ext/index.ts'
import { formatSocketAddress, type IpAddress, type SocketAddress } from '../ip/address.ts'
import { classify, DatagramKind, NON_ESP_MARKER_BYTES } from '../nat-t/demux.ts'
import { KEEPALIVE_PAYLOAD } from '../nat-t/keepalive.ts'
import type { Log } from './log.ts'
import { openSocket } from './open-socket.ts'
import { RepeatLimiter } from './repeat-limiter.ts'

/** Where datagrams go after they were told apart. All bytes are borrowed until the handler returns. */
export interface PathHandlers {
  /** `message` is the IKE message without the non-ESP marker. */
  ike(local: SocketAddress, remote: SocketAddress, message: Uint8Array): void
  /** The ESP packet starts at `buffer[offset]`; it may be decrypted in place. */
  esp(buffer: Uint8Array, offset: number, length: number, remote: SocketAddress, local: SocketAddress): void
}

/** Sees every datagram as it is on the wire, like a packet capture. `datagram` is borrowed. */
export type WireObserver = (
  direction: 'in' | 'out',
  local: SocketAddress,
  remote: SocketAddress,
  datagram: Uint8Array,
) => void

/** Counters of datagrams that are neither IKE nor ESP, and of what could not be sent. */
export interface PathStats {
  keepalivesReceived: number
  invalidReceived: number
  /** No socket of ours has the local address and port that something was to be sent from. */
  noSocket: number
}

/** The UDP sockets of an endpoint: a plain IKE port and a NAT-T port (marker, keepalives, ESP) for each local address. */
export class UdpPaths {
  readonly ports: { readonly ike: number; readonly nat: number }
  readonly stats: PathStats = { keepalivesReceived: 0, invalidReceived: 0, noSocket: 0 }
  #sockets: readonly UdpSocket[]
  readonly #log: Log
  readonly #limiter = new RepeatLimiter()
  /** Rewritten for each ESP packet, so that sending one makes no object. */
  readonly #espRemote: { address: IpAddress; port: number } = { address: new Uint8Array(4), port: 0 }
  #observer: WireObserver | undefined
  /** Set once datagrams are taken. */
  #attach: ((socket: UdpSocket) => void) | undefined

  private constructor(sockets: readonly UdpSocket[], ports: { ike: number; nat: number }, log: Log) {
    this.#sockets = sockets
    this.ports = ports
    this.#log = log
  }

  /**
   * Binds both ports on each address. All or nothing: throws the `PlatformError` of the first that fails, with the
   * others closed again. Port 0 is for tests: every address then has ports of its own, so give one address only.
   */
  static async open(
    addresses: readonly IpAddress[],
    ports: { readonly ike: number; readonly nat: number },
    log: Log,
  ): Promise<UdpPaths> {
    const sockets: UdpSocket[] = []
    try {
      for (const address of addresses) {
        sockets.push(await openSocket({ address, port: ports.ike }))
        sockets.push(await openSocket({ address, port: ports.nat }))
      }
    } catch (error) {
      await Promise.all(sockets.map((socket) => socket.close()))
      throw error
    }
    const ike = sockets[0]?.local.port ?? ports.ike
    const nat = sockets[1]?.local.port ?? ports.nat
    return new UdpPaths(sockets, { ike, nat }, log)
  }

  /** The addresses that are listened on. */
  get addresses(): readonly IpAddress[] {
    return this.#sockets.filter(({ local }) => local.port === this.ports.ike).map(({ local }) => local.address)
  }

  /** Starts to receive. `clock` is for the limit on repeated lines. */
  start(handlers: PathHandlers, clock: () => number): void {
    this.#attach = (socket) => {
      const plain = socket.local.port === this.ports.ike
      socket.onMessage((buffer, offset, length, remote) => {
        this.#receive(handlers, socket.local, plain, buffer, offset, length, remote)
      })
      socket.onError(({ code, remote, length }) => {
        const to = remote === undefined ? '' : ` to ${formatSocketAddress(remote)}`
        const text = remote === undefined ? `receiving failed: ${code}` : `${length} octets${to} were not sent: ${code}`
        if (this.#limiter.admit(code, clock()) >= 0) this.#log.write('warn', 'udp', text)
      })
    }
    for (const socket of this.#sockets) this.#attach(socket)
  }

  /**
   * Listens on these addresses from here on: opens what is new, closes what is gone. An address that cannot be bound is logged and
   * left out.
   */
  async follow(addresses: readonly IpAddress[]): Promise<void> {
    const isWanted = ({ local }: UdpSocket) => addresses.some((address) => equalBytes(address, local.address))
    const gone = this.#sockets.filter((socket) => !isWanted(socket))
    const known = this.addresses
    this.#sockets = this.#sockets.filter(isWanted)
    await Promise.all(gone.map((socket) => socket.close()))
    for (const address of addresses) {
      if (!known.some((one) => equalBytes(one, address))) await this.#listenOn(address)
    }
  }

  /** Sets the one observer, or takes it away. Without one, packets cost nothing more. */
  observe(observer: WireObserver | undefined): void {
    this.#observer = observer
  }

  /** Sends an IKE message, with the non-ESP marker in front when asked. `message` is copied. */
  sendIke(local: SocketAddress, remote: SocketAddress, message: Uint8Array, nonEspMarker: boolean): void {
    const marker = nonEspMarker ? NON_ESP_MARKER_BYTES : 0
    const datagram = new Uint8Array(marker + message.length)
    datagram.set(message, marker)
    this.sendRaw(local, remote, datagram)
  }

  /** Sends the one octet that keeps a NAT's mapping. RFC 3948 §2.3. */
  sendKeepalive(local: SocketAddress, remote: SocketAddress): void {
    this.sendRaw(local, remote, KEEPALIVE_PAYLOAD)
  }

  /** Sends a whole datagram (copied) as it is. */
  sendRaw(local: SocketAddress, remote: SocketAddress, datagram: Uint8Array): void {
    this.#send(this.#find(local.address, local.port), datagram, 0, datagram.length, remote)
  }

  /**
   * Sends an ESP packet in UDP from our NAT-T port. `destinationPort` 0 (a state without UDP encapsulation) cannot be
   * served by a UDP socket: the packet is dropped and counted. Data plane: makes no object, never throws.
   */
  sendEsp(
    buffer: Uint8Array,
    offset: number,
    length: number,
    source: IpAddress,
    destination: IpAddress,
    destinationPort: number,
  ): void {
    this.#espRemote.address = destination
    this.#espRemote.port = destinationPort
    const socket = destinationPort === 0 ? undefined : this.#find(source, this.ports.nat)
    this.#send(socket, buffer, offset, length, this.#espRemote)
  }

  /** Sums of the sockets' counters. */
  totals(): { datagramsReceived: number; datagramsSent: number; sendErrors: number; sendDrops: number } {
    const totals = { datagramsReceived: 0, datagramsSent: 0, sendErrors: 0, sendDrops: 0 }
    for (const { stats } of this.#sockets) {
      totals.datagramsReceived += stats.messagesReceived
      totals.datagramsSent += stats.messagesSent
      totals.sendErrors += stats.sendErrors
      totals.sendDrops += stats.sendDrops
    }
    return totals
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  async #listenOn(address: IpAddress): Promise<void> {
    const opened: UdpSocket[] = []
    try {
      for (const port of [this.ports.ike, this.ports.nat]) opened.push(await openSocket({ address, port }))
    } catch (error) {
      await Promise.all(opened.map((socket) => socket.close()))
      this.#log.write('warn', 'udp', error instanceof Error ? error.message : String(error))
      return
    }
    this.#sockets = [...this.#sockets, ...opened]
    for (const socket of opened) this.#attach?.(socket)
  }

  #send(
    socket: UdpSocket | undefined,
    buffer: Uint8Array,
    offset: number,
    length: number,
    remote: SocketAddress,
  ): void {
    if (socket === undefined) {
      this.stats.noSocket++
      return
    }
    if (this.#observer !== undefined) {
      this.#observer('out', socket.local, remote, buffer.subarray(offset, offset + length))
    }
    socket.send(buffer, offset, length, remote)
  }

  // A handful of sockets: comparing is cheaper than making a key to look up.
  #find(address: IpAddress, port: number): UdpSocket | undefined {
    for (let i = 0; i < this.#sockets.length; i++) {
      const socket = this.#sockets[i]!
      if (socket.local.port === port && equalBytes(socket.local.address, address)) return socket
    }
    return undefined
  }

  #receive(
    handlers: PathHandlers,
    local: SocketAddress,
    plain: boolean,
    buffer: Uint8Array,
    offset: number,
    length: number,
    remote: SocketAddress,
  ): void {
    if (this.#observer !== undefined) this.#observer('in', local, remote, buffer.subarray(offset, offset + length))
    switch (classify(buffer, offset, length, plain)) {
      case DatagramKind.ESP:
        handlers.esp(buffer, offset, length, remote, local)
        break
      case DatagramKind.IKE: {
        const skip = plain ? 0 : NON_ESP_MARKER_BYTES
        handlers.ike(local, remote, buffer.subarray(offset + skip, offset + length))
        break
      }
      case DatagramKind.KEEPALIVE:
        this.stats.keepalivesReceived++
        break
      default:
        this.stats.invalidReceived++
    }
  }
}
