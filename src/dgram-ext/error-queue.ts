import { Linux, type NativeSockets } from './libc-sockets.ts'
import { MessageHeader, sockaddrAddressAt } from './message-header.ts'
import { errnoName } from './socket-errors.ts'
import type { UdpPathError } from './udp-socket.ts'

const EMSGSIZE = 90
/** Of what an error quotes: enough for the marker or SPI and sequence number. */
const QUOTED_BYTES = 256
/** `struct sock_extended_err`: u32 ee_errno, u8 ee_origin, ee_type, ee_code, ee_pad, u32 ee_info, ee_data. linux/errqueue.h */
const EXTENDED_ERROR_BYTES = 16
const INFO_AT = 8

/** The errors that wait at a socket (IP_RECVERR). */
export class ErrorQueue {
  readonly #native: NativeSockets
  readonly #fd: number
  readonly #addressBytes: number
  readonly #isRaw: boolean
  readonly #quoted = new Uint8Array(new ArrayBuffer(QUOTED_BYTES))
  readonly #message: MessageHeader

  constructor(native: NativeSockets, fd: number, addressBytes: number, isRaw: boolean) {
    this.#native = native
    this.#fd = fd
    this.#addressBytes = addressBytes
    this.#isRaw = isRaw
    this.#message = new MessageHeader(native.ffi, addressBytes)
    this.#message.setData(native.ffi.addressOf(this.#quoted), QUOTED_BYTES)
  }

  /** Takes the oldest; undefined when there is none. */
  next(): UdpPathError | undefined {
    const message = this.#message
    message.open()
    const flags = Linux.MSG_ERRQUEUE | Linux.MSG_DONTWAIT
    const length = this.#native.calls.recvmsg(this.#fd, message.bytes, flags)
    if (length < 0) return undefined
    const at =
      this.#addressBytes === 4
        ? message.find(Linux.SOL_IP, Linux.IP_RECVERR, EXTENDED_ERROR_BYTES)
        : message.find(Linux.SOL_IPV6, Linux.IPV6_RECVERR, EXTENDED_ERROR_BYTES)
    const errno = at < 0 ? 0 : message.intAt(at)
    const from = sockaddrAddressAt(this.#addressBytes)
    return {
      code: errnoName(errno),
      mtu: errno === EMSGSIZE ? message.intAt(at + INFO_AT) >>> 0 : 0,
      remote: {
        address: message.name.slice(from, from + this.#addressBytes),
        port: this.#isRaw ? 0 : message.port,
      },
      quoted: this.#quoted.subarray(0, length),
    }
  }
}
