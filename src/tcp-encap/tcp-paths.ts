import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { equalBytes, toHex } from '../bytes/index.ts'
import { PlatformError } from '../errors.ts'
import { formatIp, type IpAddress, type SocketAddress } from '../ip/address.ts'
import { defaultTcpLimits, newTcpStats, type TcpLimits, type TcpStats } from './limits.ts'
import { type StreamHandlers, TcpConnection } from './tcp-connection.ts'

/** Both ends of a connection. */
export interface StreamEnds {
  readonly local: SocketAddress
  readonly remote: SocketAddress
}

const SWEEP_MS = 1_000

/** The TCP connections of an endpoint: those that peers open to its port, and those that it opens. RFC 9329. */
export class TcpPaths {
  readonly stats: TcpStats = newTcpStats()
  readonly #limits: TcpLimits
  /** By both ports: a handful have the same, and comparing addresses is cheaper than making a key for each packet. */
  readonly #byPorts = new Map<number, TcpConnection[]>()
  readonly #servers = new Map<string, Server>()
  readonly #opening = new Set<Socket>()
  #size = 0
  #handlers: StreamHandlers | undefined
  #clock: () => number = () => 0
  #inUse: () => readonly StreamEnds[] = () => []
  #sweeper: NodeJS.Timeout | undefined
  #port: number | undefined
  #isClosed = false

  constructor(limits: Partial<TcpLimits> = {}) {
    this.#limits = { ...defaultTcpLimits, ...limits }
  }

  /** The port that is listened on, undefined for none. */
  get port(): number | undefined {
    return this.#port
  }

  get size(): number {
    return this.#size
  }

  /** All of them. */
  connections(): TcpConnection[] {
    return [...this.#byPorts.values()].flat()
  }

  /** Listens at `port` of these addresses. All or nothing: throws `PlatformError`. Port 0 is for tests, with one address. */
  async listen(addresses: readonly IpAddress[], port: number): Promise<void> {
    this.#port = port
    for (const address of addresses) await this.#listenOn(address)
  }

  /** Listens on these addresses from here on. Returns what is wrong with those that cannot be listened on, which are left out. */
  async follow(addresses: readonly IpAddress[]): Promise<string[]> {
    if (this.#port === undefined || this.#isClosed) return []
    const wanted = new Set(addresses.map(toHex))
    for (const [key, server] of this.#servers) {
      if (wanted.has(key)) continue
      this.#servers.delete(key)
      server.close()
    }
    const problems: string[] = []
    for (const address of addresses) {
      if (this.#servers.has(toHex(address))) continue
      await this.#listenOn(address).catch((error: unknown) => problems.push(String(error)))
    }
    return problems
  }

  /** Starts to take connections and messages. `inUse` tells which connections IKE_SAs use; it is asked once in a while. */
  start(handlers: StreamHandlers, clock: () => number, inUse: () => readonly StreamEnds[]): void {
    this.#handlers = handlers
    this.#clock = clock
    this.#inUse = inUse
  }

  /** Opens a connection from `local`, any port. Resolves to our end of it; rejects with the reason. */
  async connect(local: IpAddress, remote: SocketAddress): Promise<SocketAddress> {
    if (this.#isClosed) throw new Error('closed')
    const socket = connectSocket({ host: formatIp(remote.address), port: remote.port, localAddress: formatIp(local) })
    this.#opening.add(socket)
    try {
      await connected(socket, this.#limits.connectMs)
    } finally {
      this.#opening.delete(socket)
    }
    this.stats.opened++
    return this.#add(socket, true).local
  }

  /** Sends an IKE message (copied) on the connection between these ends. */
  sendIke(local: SocketAddress, remote: SocketAddress, message: Uint8Array): void {
    const connection = this.#find(local.address, local.port, remote.address, remote.port)
    if (connection === undefined) this.stats.noConnection++
    else connection.sendIke(message)
  }

  /** Sends an ESP packet (copied) on the connection between these ends. Data plane: makes no object, never throws. */
  sendEsp(
    buffer: Uint8Array,
    offset: number,
    length: number,
    source: IpAddress,
    sourcePort: number,
    destination: IpAddress,
    destinationPort: number,
  ): void {
    const connection = this.#find(source, sourcePort, destination, destinationPort)
    if (connection === undefined) this.stats.noConnection++
    else connection.sendEsp(buffer, offset, length)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#sweeper)
    for (const socket of this.#opening) socket.destroy()
    // Nobody is told any more.
    this.#handlers = undefined
    const all = this.connections()
    for (const connection of all) connection.end('closing')
    const servers = [...this.#servers.values()]
    this.#servers.clear()
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    await Promise.all(closed)
    for (const connection of all) connection.destroy('closing')
  }

  async #listenOn(address: IpAddress): Promise<void> {
    const server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket))
    const host = formatIp(address)
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(cannotListen(host, this.#port ?? 0, error)))
      server.listen({ host, port: this.#port, ipv6Only: address.length === 16 }, resolve)
    })
    server.on('error', () => {})
    const bound = server.address()
    if (typeof bound === 'object' && bound !== null) this.#port = bound.port
    this.#servers.set(toHex(address), server)
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket
    if (remoteAddress === undefined || this.#handlers === undefined || !this.#hasRoomFor(remoteAddress)) {
      this.stats.refused++
      socket.destroy()
      return
    }
    this.stats.accepted++
    this.#add(socket, false)
  }

  #hasRoomFor(remoteAddress: string): boolean {
    const { connections, strangers, strangersPerAddress } = this.#limits
    if (this.#size >= connections) return false
    const unused = this.connections().filter(({ isUsed }) => !isUsed)
    if (unused.length < Math.min(strangers, strangersPerAddress)) return true
    const group = groupOf(remoteAddress)
    const near = unused.filter(({ remote }) => groupOf(formatIp(remote.address)) === group)
    return unused.length < strangers && near.length < strangersPerAddress
  }

  #add(socket: Socket, isOriginator: boolean): TcpConnection {
    const connection = new TcpConnection(socket, isOriginator, {
      limits: this.#limits,
      stats: this.stats,
      handlers: {
        ike: (local, remote, message) => this.#handlers?.ike(local, remote, message),
        esp: (buffer, offset, length, remote, local) =>
          this.#handlers?.esp(buffer, offset, length, remote, local) ?? -1,
        lost: (local, remote, why) => this.#handlers?.lost(local, remote, why),
      },
      onGone: (gone) => this.#remove(gone),
      now: this.#clock(),
    })
    const key = keyOf(connection.local.port, connection.remote.port)
    const same = this.#byPorts.get(key)
    if (same === undefined) this.#byPorts.set(key, [connection])
    else same.push(connection)
    this.#size++
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    return connection
  }

  #remove(gone: TcpConnection): void {
    const key = keyOf(gone.local.port, gone.remote.port)
    const others = (this.#byPorts.get(key) ?? []).filter((one) => one !== gone)
    if (others.length === 0) this.#byPorts.delete(key)
    else this.#byPorts.set(key, others)
    this.#size--
    if (this.#size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #find(
    source: IpAddress,
    sourcePort: number,
    destination: IpAddress,
    destinationPort: number,
  ): TcpConnection | undefined {
    const same = this.#byPorts.get(keyOf(sourcePort, destinationPort))
    if (same === undefined) return undefined
    for (let i = 0; i < same.length; i++) {
      const { local, remote } = same[i]!
      if (equalBytes(remote.address, destination) && equalBytes(local.address, source)) return same[i]
    }
    return undefined
  }

  /** Closes what no IKE_SA uses: strangers, and connections that were left for others. RFC 9329 §6.1. */
  #sweep(): void {
    const now = this.#clock()
    const used = new Set<TcpConnection>()
    for (const { local, remote } of this.#inUse()) {
      const connection = this.#find(local.address, local.port, remote.address, remote.port)
      if (connection !== undefined) used.add(connection)
    }
    for (const connection of this.connections()) {
      connection.isUsed = used.has(connection)
      if (connection.isUsed) {
        connection.wasUsed = true
        connection.unusedSince = now
        continue
      }
      const patienceMs = connection.wasUsed ? this.#limits.leftMs : this.#limits.strangerMs
      if (now - connection.unusedSince < patienceMs) continue
      if (!connection.wasUsed) this.stats.faults++
      connection.end('no IKE_SA uses it')
    }
  }
}

const keyOf = (localPort: number, remotePort: number): number => localPort * 65_536 + remotePort

/** Addresses of one host: IPv6 hosts have a whole /64. */
const groupOf = (text: string): string => (text.includes(':') ? text.split(':').slice(0, 4).join(':') : text)

function connected(socket: Socket, patienceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => socket.destroy(new Error('it took too long')), patienceMs)
    socket.once('connect', () => {
      clearTimeout(patience)
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(patience)
      reject(new Error('closed'))
    })
  })
}

const cannotListen = (host: string, port: number, error: Error): PlatformError =>
  new PlatformError(
    'TCP_PORT',
    `cannot listen at TCP port ${port} of ${host}: ${error.message}`,
    'choose another listen.tcpPort, or end who has it',
    { cause: error },
  )
