import { equalBytes, readU32 } from '../bytes/index.ts'
import { newOuterFields, type OuterFields, type OuterTooBig } from '../datapath/index.ts'
import type { IpFields, UdpBackend, UdpPathError, UdpSocket } from '../dgram-ext/index.ts'
import { formatSocketAddress, type IpAddress, type SocketAddress } from '../ip/address.ts'
import { classify, DatagramKind, NON_ESP_MARKER_BYTES } from '../nat-t/demux.ts'
import { KEEPALIVE_PAYLOAD } from '../nat-t/keepalive.ts'
import type { Log } from './log.ts'
import { openEspSocket, openSocket } from './open-socket.ts'
import { RepeatLimiter } from './repeat-limiter.ts'

/** Where datagrams go after they were told apart. All bytes are borrowed until the handler returns. */
export interface PathHandlers {
  /** `message` is the IKE message without the non-ESP marker. */
  ike(local: SocketAddress, remote: SocketAddress, message: Uint8Array): void
  /** The ESP packet starts at `buffer[offset]`; it may be decrypted in place. Ports 0: it came without UDP. `outer` is what its IP header said. */
  esp(
    buffer: Uint8Array,
    offset: number,
    length: number,
    remote: SocketAddress,
    local: SocketAddress,
    outer: Readonly<OuterFields>,
  ): void
  /** A link on the way takes no packets as long as one of ours. */
  tooBig(told: OuterTooBig): void
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

/** What is opened for each address beside the two UDP ports, and how. */
export interface PathOptions {
  /** A raw socket for ESP without UDP. */
  readonly plainEsp?: boolean
  /** SO_MARK of all sockets; 0 or absent for none. */
  readonly mark?: number
}

/** Octets at the beginning of what an ICMP error quotes: the SPI, and the sequence number. */
const SPI_BYTES = 4
const ESP_BYTES = 8

/**
 * The sockets of an endpoint: a plain IKE port, a NAT-T port (marker, keepalives, ESP) and perhaps a raw socket for ESP, for each local
 * address.
 */
export class UdpPaths {
  readonly ports: { readonly ike: number; readonly nat: number }
  readonly stats: PathStats = { keepalivesReceived: 0, invalidReceived: 0, noSocket: 0 }
  #sockets: readonly UdpSocket[]
  readonly #log: Log
  readonly #limiter = new RepeatLimiter()
  /** Rewritten for each ESP packet, so that sending one makes no object. */
  readonly #espRemote: { address: IpAddress; port: number } = { address: new Uint8Array(4), port: 0 }
  readonly #espFields: IpFields = { trafficClass: 0, hopLimit: 0, dontFragment: false, mark: 0 }
  readonly #espOuter = newOuterFields()
  readonly #options: PathOptions
  #observer: WireObserver | undefined
  /** Set once datagrams are taken. */
  #attach: ((socket: UdpSocket) => void) | undefined

  private constructor(
    sockets: readonly UdpSocket[],
    ports: { ike: number; nat: number },
    log: Log,
    options: PathOptions,
  ) {
    this.#options = options
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
    options: PathOptions = {},
  ): Promise<UdpPaths> {
    const sockets: UdpSocket[] = []
    try {
      for (const address of addresses) {
        for (const opening of socketsAt(address, ports, options)) sockets.push(await opening())
      }
    } catch (error) {
      await Promise.all(sockets.map((socket) => socket.close()))
      throw error
    }
    const ike = sockets[0]?.local.port ?? ports.ike
    const nat = sockets[1]?.local.port ?? ports.nat
    return new UdpPaths(sockets, { ike, nat }, log, options)
  }

  /** The addresses that are listened on. */
  get addresses(): readonly IpAddress[] {
    return this.#sockets.filter(({ local }) => local.port === this.ports.ike).map(({ local }) => local.address)
  }

  /** How datagrams get to the kernel. */
  get backend(): UdpBackend {
    return this.#sockets[0]?.backend ?? 'node:dgram'
  }

  /** ESP can go without UDP. */
  get plainEsp(): boolean {
    return this.#options.plainEsp === true
  }

  /** Starts to receive. `clock` is for the limit on repeated lines. */
  start(handlers: PathHandlers, clock: () => number): void {
    this.#attach = (socket) => {
      const plain = socket.local.port === this.ports.ike
      socket.onMessage((buffer, offset, length, remote, fields) => {
        this.#receive(handlers, socket.local, plain, buffer, offset, length, remote, fields)
      })
      socket.onPathError((error) => {
        const told = plain ? undefined : tooBigOf(socket.local, error)
        if (told !== undefined) handlers.tooBig(told)
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
   * Sends an ESP packet in UDP from our NAT-T port, or with `destinationPort` 0 as it is, by the raw socket: without one it is dropped and
   * counted. `outer` says what its IP header is to carry, `mark` is for routing rules (0: that of all sockets). Data plane: makes no
   * object, never throws.
   */
  sendEsp(
    buffer: Uint8Array,
    offset: number,
    length: number,
    source: IpAddress,
    destination: IpAddress,
    destinationPort: number,
    outer: Readonly<OuterFields>,
    mark = 0,
  ): void {
    this.#espRemote.address = destination
    this.#espRemote.port = destinationPort
    const fields = this.#espFields
    fields.trafficClass = outer.trafficClass
    fields.hopLimit = outer.hopLimit
    fields.dontFragment = outer.dontFragment
    fields.mark = mark
    const socket = this.#find(source, destinationPort === 0 ? 0 : this.ports.nat)
    this.#send(socket, buffer, offset, length, this.#espRemote, fields)
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
      for (const opening of socketsAt(address, this.ports, this.#options)) opened.push(await opening())
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
    fields?: Readonly<IpFields>,
  ): void {
    if (socket === undefined) {
      this.stats.noSocket++
      return
    }
    if (this.#observer !== undefined) {
      this.#observer('out', socket.local, remote, buffer.subarray(offset, offset + length))
    }
    socket.send(buffer, offset, length, remote, fields)
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
    fields: Readonly<IpFields>,
  ): void {
    if (this.#observer !== undefined) this.#observer('in', local, remote, buffer.subarray(offset, offset + length))
    // Port 0 is the raw socket, where nothing else comes.
    switch (local.port === 0 ? DatagramKind.ESP : classify(buffer, offset, length, plain)) {
      case DatagramKind.ESP: {
        const outer = this.#espOuter
        outer.trafficClass = fields.trafficClass
        outer.hopLimit = fields.hopLimit
        outer.dontFragment = fields.dontFragment
        handlers.esp(buffer, offset, length, remote, local, outer)
        break
      }
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

/** How the sockets of an address are opened, the ports of UDP first. */
function socketsAt(
  address: IpAddress,
  ports: { readonly ike: number; readonly nat: number },
  { plainEsp, mark }: PathOptions,
): (() => Promise<UdpSocket>)[] {
  const marked = mark === undefined ? {} : { mark }
  const udp = [ports.ike, ports.nat].map((port) => () => openSocket({ address, port, ...marked }))
  return plainEsp === true ? [...udp, () => openEspSocket({ address, ...marked })] : udp
}

/** What an ICMP error at the socket `local` says of an ESP packet's length; undefined for other errors, and where it quotes IKE. */
function tooBigOf(local: SocketAddress, { code, mtu, remote, quoted }: UdpPathError): OuterTooBig | undefined {
  if (code !== 'EMSGSIZE' || mtu === 0) return undefined
  const spi = quoted.length < SPI_BYTES ? 0 : readU32(quoted, 0)
  // Zero octets are the marker in front of IKE. What the system itself finds too long it does not quote.
  if (spi === 0 && quoted.length > 0) return undefined
  return {
    source: local.address,
    destination: remote.address,
    sourcePort: local.port,
    destinationPort: remote.port,
    spi,
    sequence: quoted.length < ESP_BYTES ? -1 : readU32(quoted, SPI_BYTES),
    mtu,
  }
}
