import { UsageError } from '../errors.ts'
import type { FdWatch } from '../ffi/index.ts'
import type { SocketAddress } from '../ip/address.ts'
import { ErrorQueue } from './error-queue.ts'
import { Linux, type NativeSockets } from './libc-sockets.ts'
import { MessageHeader, sockaddrAddressAt, writeSockaddr } from './message-header.ts'
import { intOption, openDescriptor, readInt } from './native-open.ts'
import { RemoteRecords } from './remote-records.ts'
import { errnoName } from './socket-errors.ts'
import {
  type IpFields,
  newUdpStats,
  type UdpFailure,
  type UdpMessageHandler,
  type UdpOptions,
  type UdpPathError,
  type UdpSocket,
  type UdpStats,
} from './udp-socket.ts'

const EBADF = 9
const EAGAIN = 11
/** A device's queue was full: told because errors are asked for. */
const ENOBUFS = 105
const EINTR = 4
/** Datagrams taken in one turn of the event loop, so that a flood leaves the device and timers their turn. */
const MOST_PER_TURN = 64
/** The longest datagram, or IPv4 packet of a raw socket. */
const MOST_BYTES = 65_536

/** A socket over libc's calls: what IP headers say goes in and out, and ICMP errors are heard of. */
export class NativeSocket implements UdpSocket {
  readonly backend = 'sendmsg'
  readonly local: SocketAddress
  readonly stats: UdpStats
  readonly #native: NativeSockets
  readonly #fd: number
  readonly #isIpv4: boolean
  readonly #isRaw: boolean
  readonly #remotes: RemoteRecords
  readonly #buffer = new Uint8Array(new ArrayBuffer(MOST_BYTES))
  readonly #received: MessageHeader
  readonly #sent: MessageHeader
  readonly #errors: ErrorQueue
  readonly #fields: IpFields = { trafficClass: -1, hopLimit: 0, dontFragment: true }
  /** Whom the address in `#sent` names. */
  readonly #to: { address: Uint8Array; port: number }
  /** Where the buffer lies that was sent from last: mostly the same one. */
  #lastBuffer: Uint8Array | undefined
  #lastAddress = 0
  /** IP_MTU_DISCOVER as it is set. */
  #discovery: number = Linux.PMTUDISC_WANT
  #watch: FdWatch | undefined
  #messageHandler: UdpMessageHandler | undefined
  #errorHandler: ((failure: UdpFailure) => void) | undefined
  #pathHandler: ((error: UdpPathError) => void) | undefined
  #closed = false

  /** Binds. Throws `UsageError` for a bad address, `PlatformError` when the system refuses. `esp`: raw, for IP protocol 50. */
  constructor(native: NativeSockets, options: UdpOptions, kind: 'udp' | 'esp') {
    const { address } = options
    if (address.length !== 4 && address.length !== 16) throw new UsageError('address', 'must be 4 or 16 octets')
    const bytes = address.length
    this.#native = native
    this.#isIpv4 = bytes === 4
    this.#isRaw = kind === 'esp'
    const { fd, port } = openDescriptor(native, options, kind)
    this.#fd = fd
    this.local = { address: address.slice(), port }
    this.stats = newUdpStats(
      readInt(native, fd, Linux.SOL_SOCKET, Linux.SO_RCVBUF),
      readInt(native, fd, Linux.SOL_SOCKET, Linux.SO_SNDBUF),
    )
    this.#remotes = new RemoteRecords(bytes)
    this.#received = new MessageHeader(native.ffi, bytes)
    this.#received.setData(native.ffi.addressOf(this.#buffer), MOST_BYTES)
    this.#sent = new MessageHeader(native.ffi, bytes)
    this.#to = { address: new Uint8Array(bytes), port: -1 }
    this.#errors = new ErrorQueue(native, fd, bytes, this.#isRaw)
    this.#listen()
  }

  send(buffer: Uint8Array, offset: number, length: number, remote: SocketAddress, fields?: Readonly<IpFields>): void {
    const inside = offset >= 0 && length >= 0 && offset + length <= buffer.length
    if (!inside || this.#closed) {
      this.stats.sendDrops++
      return
    }
    if (!this.#setRemote(remote)) return this.#failed('EAFNOSUPPORT', remote, length)
    if (remote.port === 0 && !this.#isRaw) return this.#failed('EINVAL', remote, length)
    this.#setDiscovery(fields)
    let errno = this.#try(buffer, offset, length, fields)
    if (errno !== 0 && errno !== EAGAIN && this.#tellPathErrors() > 0) {
      // The error may have been about an earlier datagram: the system tells it with whatever is sent next.
      errno = this.#try(buffer, offset, length, fields)
    }
    if (errno === 0) {
      this.stats.messagesSent++
      this.stats.bytesSent += length
    } else if (errno === EAGAIN || errno === ENOBUFS) this.stats.sendDrops++
    else this.#failed(errnoName(errno), remote, length)
  }

  onMessage(handler: UdpMessageHandler): void {
    this.#messageHandler = handler
  }

  onError(handler: (failure: UdpFailure) => void): void {
    this.#errorHandler = handler
  }

  onPathError(handler: (error: UdpPathError) => void): void {
    this.#pathHandler = handler
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#watch?.close()
    this.#native.calls.close(this.#fd)
  }

  /** Only what differs from the default costs a control message. Returns 0, or `errno`. */
  #try(buffer: Uint8Array, offset: number, length: number, fields: Readonly<IpFields> | undefined): number {
    const { calls, ffi } = this.#native
    const message = this.#sent
    if (buffer !== this.#lastBuffer) {
      this.#lastAddress = ffi.addressOf(buffer)
      this.#lastBuffer = buffer
    }
    const at = this.#lastAddress + offset
    const mark = fields?.mark ?? 0
    if (fields === undefined || (fields.trafficClass <= 0 && fields.hopLimit === 0 && mark === 0)) {
      const sent = calls.sendto(this.#fd, at, length, Linux.MSG_DONTWAIT, message.name, message.name.length)
      return sent < 0 ? ffi.errno() : 0
    }
    const level = this.#isIpv4 ? Linux.SOL_IP : Linux.SOL_IPV6
    message.begin()
    message.setData(at, length)
    if (fields.trafficClass > 0)
      message.addInt(level, this.#isIpv4 ? Linux.IP_TOS : Linux.IPV6_TCLASS, fields.trafficClass)
    if (fields.hopLimit > 0) message.addInt(level, this.#isIpv4 ? Linux.IP_TTL : Linux.IPV6_HOPLIMIT, fields.hopLimit)
    if (mark !== 0) message.addInt(Linux.SOL_SOCKET, Linux.SO_MARK, mark | 0)
    return calls.sendmsg(this.#fd, message.bytes, Linux.MSG_DONTWAIT) < 0 ? ffi.errno() : 0
  }

  /** False for an address of the other family. */
  #setRemote(remote: SocketAddress): boolean {
    const { address, port } = remote
    const to = this.#to
    if (address.length !== to.address.length) return false
    let same = port === to.port
    for (let i = 0; same && i < address.length; i++) same = address[i] === to.address[i]
    if (same) return true
    to.address.set(address)
    to.port = port
    writeSockaddr(this.#sent.name, remote, this.#isIpv4 ? 0 : this.#remotes.scopeOf(remote))
    return true
  }

  /** DF is the socket's, not the datagram's: it is set when it changes. */
  #setDiscovery(fields: Readonly<IpFields> | undefined): void {
    const wanted =
      fields === undefined ? Linux.PMTUDISC_WANT : fields.dontFragment ? Linux.PMTUDISC_PROBE : Linux.PMTUDISC_DONT
    if (wanted === this.#discovery) return
    this.#discovery = wanted
    const { calls } = this.#native
    if (this.#isIpv4) {
      calls.setsockopt(this.#fd, Linux.SOL_IP, Linux.IP_MTU_DISCOVER, intOption(wanted), 4)
      return
    }
    calls.setsockopt(this.#fd, Linux.SOL_IPV6, Linux.IPV6_MTU_DISCOVER, intOption(wanted), 4)
    const whole = intOption(wanted === Linux.PMTUDISC_PROBE ? 1 : 0)
    calls.setsockopt(this.#fd, Linux.SOL_IPV6, Linux.IPV6_DONTFRAG, whole, 4)
  }

  #listen(): void {
    this.#watch = this.#native.ffi.watchReadable(this.#fd, (status) => this.#readable(status))
  }

  #readable(status: number): void {
    if (status < 0) {
      // An error waits in the queue: the event loop tells of it once, and ends the watch.
      this.#tellPathErrors()
      this.#watch?.close()
    }
    const alive = this.#receive()
    if (status < 0 && alive && !this.#closed) this.#listen()
    else if (!alive) this.#watch?.close()
  }

  /** Takes what is there. False when the descriptor is of no use any more. */
  #receive(): boolean {
    const { calls, ffi } = this.#native
    const message = this.#received
    for (let taken = 0; taken < MOST_PER_TURN && !this.#closed; taken++) {
      message.open()
      const length = calls.recvmsg(this.#fd, message.bytes, Linux.MSG_DONTWAIT)
      if (length >= 0) {
        this.#deliver(length)
        continue
      }
      const errno = ffi.errno()
      if (errno === EAGAIN) return true
      // What the error queue tells of comes here too.
      if (errno === EINTR || this.#tellPathErrors() > 0) continue
      this.stats.receiveErrors++
      this.#errorHandler?.({
        code: errnoName(errno),
        remote: undefined,
        length: 0,
        cause: systemError(errno, 'recvmsg'),
      })
      return errno !== EBADF
    }
    return true
  }

  #deliver(length: number): void {
    const buffer = this.#buffer
    let offset = 0
    const fields = this.#fields
    if (this.#isRaw && this.#isIpv4) {
      // A raw socket of IPv4 has the header in front.
      offset = (buffer[0]! & 0x0f) << 2
      if (offset < 20 || offset > length) return
      fields.trafficClass = buffer[1]!
      fields.hopLimit = buffer[8]!
      fields.dontFragment = (buffer[6]! & 0x40) !== 0
    } else this.#readFields()
    this.stats.messagesReceived++
    this.stats.bytesReceived += length - offset
    if (this.#messageHandler === undefined) return
    const { name, port, scope } = this.#received
    const at = sockaddrAddressAt(this.#isIpv4 ? 4 : 16)
    const remote = this.#remotes.of(name, at, this.#isRaw ? 0 : port, scope)
    this.#messageHandler(buffer, offset, length - offset, remote, fields)
  }

  #readFields(): void {
    const message = this.#received
    const fields = this.#fields
    if (this.#isIpv4) {
      const tos = message.find(Linux.SOL_IP, Linux.IP_TOS, 1)
      const ttl = message.find(Linux.SOL_IP, Linux.IP_TTL, 4)
      fields.trafficClass = tos < 0 ? -1 : message.bytes[tos]!
      fields.hopLimit = ttl < 0 ? 0 : message.intAt(ttl)
      return
    }
    const trafficClass = message.find(Linux.SOL_IPV6, Linux.IPV6_TCLASS, 4)
    const hopLimit = message.find(Linux.SOL_IPV6, Linux.IPV6_HOPLIMIT, 4)
    fields.trafficClass = trafficClass < 0 ? -1 : message.intAt(trafficClass) & 0xff
    fields.hopLimit = hopLimit < 0 ? 0 : message.intAt(hopLimit)
  }

  /** How many there were. */
  #tellPathErrors(): number {
    let count = 0
    for (let error = this.#errors.next(); error !== undefined; error = this.#errors.next()) {
      count++
      this.#pathHandler?.(error)
    }
    return count
  }

  #failed(code: string, remote: SocketAddress, length: number): void {
    this.stats.sendErrors++
    const copy = { address: remote.address.slice(), port: remote.port }
    const cause = Object.assign(new Error(`sendmsg: ${code}`), { code })
    this.#errorHandler?.({ code, remote: copy, length, cause })
  }
}

const systemError = (errno: number, call: string): Error =>
  Object.assign(new Error(`${call}: ${errnoName(errno)}`), { code: errnoName(errno), errno })
