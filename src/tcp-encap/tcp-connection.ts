import type { Socket } from 'node:net'
import { type IpAddress, parseIp, type SocketAddress } from '../ip/address.ts'
import {
  classify,
  DatagramKind,
  describeFault,
  frameBytes,
  NON_ESP_MARKER_BYTES,
  STREAM_PREFIX,
  StreamFault,
  StreamReader,
  writeFrame,
} from '../nat-t/index.ts'
import type { TcpLimits, TcpStats } from './limits.ts'

/** Where messages go after they were told apart. All octets are borrowed until the handler returns. */
export interface StreamHandlers {
  /** `message` is the IKE message without the non-ESP marker. */
  ike(local: SocketAddress, remote: SocketAddress, message: Uint8Array): void
  /** The ESP packet starts at `buffer[offset]`; it may be decrypted in place. Below zero: it was no packet of an SA. */
  esp(buffer: Uint8Array, offset: number, length: number, remote: SocketAddress, local: SocketAddress): number
  /** The connection is gone. */
  lost(local: SocketAddress, remote: SocketAddress, why: string): void
}

/** Messages are collected in pieces of so many octets, and written at the end of the turn. */
const PIECE_BYTES = 64 * 1024

/** One TCP connection that carries IKE and ESP, from either end. RFC 9329. */
export class TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** An IKE_SA uses it. */
  isUsed = false
  /** Since when none does, in the ms of the caller's clock. */
  unusedSince: number
  wasUsed = false
  readonly #socket: Socket
  readonly #limits: TcpLimits
  readonly #stats: TcpStats
  readonly #handlers: StreamHandlers
  readonly #reader: StreamReader
  readonly #onGone: (connection: TcpConnection) => void
  #piece: Buffer = Buffer.alloc(0)
  #pieceBytes = 0
  #isFlushing = false
  #badMessages = 0
  #isGone = false
  #why = 'the peer closed it'

  /** `socket` is connected. `isOriginator`: we opened it, and begin with the stream prefix; else the peer does. RFC 9329 §4. */
  constructor(
    socket: Socket,
    isOriginator: boolean,
    world: {
      readonly limits: TcpLimits
      readonly stats: TcpStats
      readonly handlers: StreamHandlers
      readonly onGone: (connection: TcpConnection) => void
      readonly now: number
    },
  ) {
    this.#socket = socket
    this.#limits = world.limits
    this.#stats = world.stats
    this.#handlers = world.handlers
    this.#onGone = world.onGone
    this.unusedSince = world.now
    this.local = endOf(socket.localAddress, socket.localPort)
    this.remote = endOf(socket.remoteAddress, socket.remotePort)
    this.#reader = new StreamReader({
      expectsPrefix: !isOriginator,
      take: (buffer, offset, length) => this.#take(buffer, offset, length),
    })
    // Packets of a tunnel do not wait for each other, and a dead peer of an idle one is noticed some day. RFC 9329 §6.7.
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    if (isOriginator) socket.write(STREAM_PREFIX)
    socket.on('data', (piece) => this.#read(piece as Buffer))
    socket.on('error', (error) => {
      this.#why = error.message
    })
    socket.on('close', () => this.#gone())
  }

  /** Octets that the peer has not taken. */
  get queuedBytes(): number {
    return this.#socket.writableLength + this.#pieceBytes
  }

  /** Sends an IKE message (copied). A peer that has not taken many of them is given up. */
  sendIke(message: Uint8Array): void {
    if (this.queuedBytes > this.#limits.ikeQueueBytes) return this.destroy('the peer takes nothing')
    this.#put(message, 0, message.length, true)
  }

  /** Sends an ESP packet (copied), or drops it when the peer is too slow. Data plane: never throws. */
  sendEsp(buffer: Uint8Array, offset: number, length: number): void {
    if (this.queuedBytes > this.#limits.espQueueBytes) this.#stats.espDropped++
    else this.#put(buffer, offset, length, false)
  }

  /** Lets what was sent go out, then closes. */
  end(why: string): void {
    if (this.#isGone) return
    this.#why = why
    this.#flush()
    this.#socket.end()
    // A peer that does not close its end keeps nothing open.
    setTimeout(() => this.#socket.destroy(), 1_000).unref()
  }

  /** Closes at once. `why` is for people. */
  destroy(why: string): void {
    if (this.#isGone) return
    this.#why = why
    this.#socket.destroy()
    this.#gone()
  }

  #put(buffer: Uint8Array, offset: number, length: number, isIke: boolean): void {
    const bytes = frameBytes(length, isIke)
    if (bytes === 0 || this.#isGone) {
      this.#stats.noConnection++
      return
    }
    if (this.#pieceBytes + bytes > this.#piece.length) {
      this.#flush()
      this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
    }
    this.#pieceBytes += writeFrame(this.#piece, this.#pieceBytes, buffer, offset, length, isIke)
    this.#stats.messagesSent++
    if (this.#isFlushing) return
    this.#isFlushing = true
    setImmediate(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  /** The socket keeps what it is given until the peer has taken it: what follows goes behind it in the piece, or to another one. */
  #flush(): void {
    if (this.#pieceBytes === 0 || this.#isGone) return
    this.#socket.write(this.#piece.subarray(0, this.#pieceBytes))
    this.#piece = this.#piece.subarray(this.#pieceBytes)
    this.#pieceBytes = 0
  }

  #read(piece: Buffer): void {
    if (this.#isGone) return
    // Not a Buffer, whose slices are no copies.
    const fault = this.#reader.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.length))
    if (fault !== StreamFault.NONE) this.#fault(describeFault(fault))
  }

  #take(buffer: Uint8Array, offset: number, length: number): void {
    // A message before it in the same piece may have ended the connection.
    if (this.#isGone) return
    switch (classify(buffer, offset, length, false)) {
      case DatagramKind.ESP:
        this.#stats.messagesReceived++
        this.#judge(this.#handlers.esp(buffer, offset, length, this.remote, this.local) >= 0)
        break
      case DatagramKind.IKE:
        this.#stats.messagesReceived++
        this.#handlers.ike(this.local, this.remote, buffer.subarray(offset + NON_ESP_MARKER_BYTES, offset + length))
        break
      case DatagramKind.KEEPALIVE:
        // Not to be sent in TCP, and of no meaning. RFC 9329 §6.6.
        this.#stats.keepalivesReceived++
        break
      default:
        this.#stats.invalidReceived++
        this.#judge(false)
    }
  }

  /** A few packets of an SA that is gone are nothing; many in a row are a stream that got out of step. RFC 9329 §6.1. */
  #judge(isGood: boolean): void {
    this.#badMessages = isGood ? 0 : this.#badMessages + 1
    if (this.#badMessages > this.#limits.badMessages) this.#fault('it carries nothing that can be opened')
  }

  #fault(why: string): void {
    this.#stats.faults++
    this.destroy(why)
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#onGone(this)
    this.#handlers.lost(this.local, this.remote, this.#why)
  }
}

function endOf(address: string | undefined, port: number | undefined): SocketAddress {
  const [text = '::'] = (address ?? '::').split('%')
  const parsed: IpAddress = parseIp(text)
  return { address: parsed, port: port ?? 0, tcp: true }
}
