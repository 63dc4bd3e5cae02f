import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { PlatformError, UsageError } from '../errors.ts'
import { formatIp, type IpAddress, type SocketAddress } from '../ip/address.ts'
import { AddressCache } from './address-cache.ts'
import { type SendSlot, SendSlots } from './send-slots.ts'
import { bindError, defaultBufferBytes } from './socket-errors.ts'
import {
  type IpFields,
  newUdpStats,
  type UdpFailure,
  type UdpMessageHandler,
  type UdpOptions,
  type UdpSocket,
  type UdpStats,
} from './udp-socket.ts'

const defaultMaxQueued = 1024
const closeGraceMs = 250
/** Node's sockets say nothing of it. */
const unknownFields: Readonly<IpFields> = Object.freeze({ trafficClass: -1, hopLimit: 0, dontFragment: true })

/** Binds a UDP socket over node:dgram. Throws `UsageError` for a bad address, `PlatformError` when it cannot be bound. */
export async function openNodeUdp(options: UdpOptions): Promise<UdpSocket> {
  const { address, port } = options
  if (address.length !== 4 && address.length !== 16) throw new UsageError('address', 'must be 4 or 16 octets')
  if (options.mark) {
    throw new PlatformError('UDP_MARK', 'sockets cannot be marked without native calls', 'npm install koffi')
  }
  const socket = createSocket({
    type: address.length === 4 ? 'udp4' : 'udp6',
    ipv6Only: address.length === 16,
    // All addresses are numeric. Answered at once, a datagram is offered to the kernel within `send`, not a loop turn later.
    lookup: (host, _options, callback) => callback(null, host, address.length === 4 ? 4 : 6),
  })
  await bind(socket, address, port)
  setBufferSizes(socket, options)
  return new DgramSocket(socket, { address: address.slice(), port: socket.address().port }, options)
}

class DgramSocket implements UdpSocket {
  readonly backend = 'node:dgram'
  readonly local: SocketAddress
  readonly stats: UdpStats
  readonly #socket: Socket
  readonly #addresses = new AddressCache()
  readonly #slots: SendSlots
  #messageHandler: UdpMessageHandler | undefined
  #errorHandler: ((failure: UdpFailure) => void) | undefined
  #closing: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(socket: Socket, local: SocketAddress, options: UdpOptions) {
    this.#socket = socket
    this.local = local
    this.stats = newUdpStats(socket.getRecvBufferSize(), socket.getSendBufferSize())
    this.#slots = new SendSlots(options.maxQueued ?? defaultMaxQueued, (slot, error) => this.#sent(slot, error))
    socket.on('message', (message, remote) => this.#received(message, remote))
    socket.on('error', (error) => this.#receiveFailed(error))
  }

  send(buffer: Uint8Array, offset: number, length: number, remote: SocketAddress): void {
    const inside = offset >= 0 && length >= 0 && offset + length <= buffer.length
    const slot = inside && this.#closing === undefined ? this.#slots.take(buffer, offset, length) : undefined
    if (slot === undefined) {
      this.stats.sendDrops++
      return
    }
    slot.address = this.#addresses.textOf(remote.address)
    slot.port = remote.port
    try {
      this.#socket.send(slot.bytes, 0, length, slot.port, slot.address, slot.done)
    } catch (error) {
      // node:dgram throws for what it checks itself, for example port 0.
      slot.done(error as Error)
    }
  }

  onMessage(handler: UdpMessageHandler): void {
    this.#messageHandler = handler
  }

  onError(handler: (failure: UdpFailure) => void): void {
    this.#errorHandler = handler
  }

  onPathError(): void {}

  close(): Promise<void> {
    this.#closing ??= this.#drainAndClose()
    return this.#closing
  }

  #received(message: Uint8Array, from: RemoteInfo): void {
    this.stats.messagesReceived++
    this.stats.bytesReceived += message.length
    if (this.#messageHandler === undefined || this.#closing !== undefined) return
    // A plain view: `slice` of a Buffer does not copy, and the core relies on a copy.
    const bytes = new Uint8Array(message.buffer, message.byteOffset, message.length)
    this.#messageHandler(bytes, 0, bytes.length, this.#addresses.remoteOf(from.address, from.port), unknownFields)
  }

  #sent(slot: SendSlot, error: Error | null): void {
    if (error === null) {
      this.stats.messagesSent++
      this.stats.bytesSent += slot.length
    } else {
      this.stats.sendErrors++
      const remote = { ...this.#addresses.remoteOf(slot.address, slot.port) }
      this.#errorHandler?.({ code: codeOf(error), remote, length: slot.length, cause: error })
    }
    if (this.#slots.inUse === 0) this.#onIdle?.()
  }

  #receiveFailed(error: Error): void {
    this.stats.receiveErrors++
    this.#errorHandler?.({ code: codeOf(error), remote: undefined, length: 0, cause: error })
  }

  async #drainAndClose(): Promise<void> {
    if (this.#slots.inUse > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, closeGraceMs)
        this.#onIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }
}

function bind(socket: Socket, address: IpAddress, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.close()
      reject(bindError(codeOf(error), { address, port }, 'UDP', error))
    }
    socket.once('error', fail)
    socket.bind({ address: formatIp(address), port, exclusive: true }, () => {
      socket.off('error', fail)
      resolve()
    })
  })
}

function setBufferSizes(socket: Socket, options: UdpOptions): void {
  // Linux clamps a wish above its limit without an error; other systems may refuse it, and the default then stays.
  try {
    socket.setRecvBufferSize(options.receiveBufferBytes ?? defaultBufferBytes)
  } catch {}
  try {
    socket.setSendBufferSize(options.sendBufferBytes ?? defaultBufferBytes)
  } catch {}
}

function codeOf(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code
  return code ?? error.name
}
