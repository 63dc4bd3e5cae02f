import type { Ffi } from '../ffi/index.ts'
import type { SocketAddress } from '../ip/address.ts'
import { Linux } from './libc-sockets.ts'

/** Octets of `struct sockaddr_in` and `struct sockaddr_in6`. */
export const sockaddrBytes = (addressBytes: number): number => (addressBytes === 4 ? 16 : 28)

/** Where the address stands in them. */
export const sockaddrAddressAt = (addressBytes: number): number => (addressBytes === 4 ? 4 : 8)

/** Writes `struct sockaddr_in` or `sockaddr_in6`. `scope` is `sin6_scope_id`. */
export function writeSockaddr(to: Uint8Array, { address, port }: SocketAddress, scope: number): void {
  const isIpv4 = address.length === 4
  to.fill(0)
  to[0] = isIpv4 ? Linux.AF_INET : Linux.AF_INET6
  to[2] = port >>> 8
  to[3] = port & 0xff
  to.set(address, sockaddrAddressAt(address.length))
  if (!isIpv4) new DataView(to.buffer, to.byteOffset).setUint32(24, scope, true)
}

/** `struct cmsghdr`: size_t cmsg_len, int cmsg_level, int cmsg_type; the data follows, and the next one at a multiple of 8. */
const CMSG_HEADER_BYTES = 16
/** One that holds an int, with what fills it up. */
const CMSG_INT_BYTES = 24

/** `struct msghdr` of 64-bit Linux, with one `struct iovec`, room for an address and for control messages behind it. */
const NAME_AT = 8
const IOV_AT = 16
const CONTROL_AT = 32
const FLAGS_AT = 48
const IOVEC_AT = 56
const ADDRESS_AT = 72
const CONTROL_DATA_AT = 104
const CONTROL_BYTES = 512

/**
 * A message for `sendmsg` and `recvmsg` in memory that stays where it is. Its fields are set, and read, without an object for each message.
 */
export class MessageHeader {
  /** What the system calls take: it begins with `struct msghdr`. */
  readonly bytes = new Uint8Array(new ArrayBuffer(CONTROL_DATA_AT + CONTROL_BYTES))
  /** The address in it, as octets. */
  readonly name: Uint8Array
  readonly #view = new DataView(this.bytes.buffer)
  readonly #nameBytes: number

  constructor(ffi: Ffi, addressBytes: number) {
    const base = ffi.addressOf(this.bytes)
    this.#nameBytes = sockaddrBytes(addressBytes)
    this.name = this.bytes.subarray(ADDRESS_AT, ADDRESS_AT + this.#nameBytes)
    this.#address(0, base + ADDRESS_AT)
    this.#address(IOV_AT, base + IOVEC_AT)
    this.#view.setUint32(IOV_AT + 8, 1, true)
    this.#address(CONTROL_AT, base + CONTROL_DATA_AT)
  }

  /** Sends from, or receives into, `length` octets at this address of the process. */
  setData(address: number, length: number): void {
    this.#address(IOVEC_AT, address)
    this.#view.setUint32(IOVEC_AT + 8, length, true)
  }

  /** For receiving: all the room that there is. */
  open(): void {
    this.#view.setUint32(NAME_AT, this.#nameBytes, true)
    this.#view.setUint32(CONTROL_AT + 8, CONTROL_BYTES, true)
    this.#view.setUint32(FLAGS_AT, 0, true)
  }

  /** For sending: no control message yet. */
  begin(): void {
    this.#view.setUint32(NAME_AT, this.#nameBytes, true)
    this.#view.setUint32(CONTROL_AT + 8, 0, true)
  }

  /** For sending: adds a control message with an int. */
  addInt(level: number, type: number, value: number): void {
    const view = this.#view
    const used = view.getUint32(CONTROL_AT + 8, true)
    const at = CONTROL_DATA_AT + used
    view.setUint32(at, CMSG_HEADER_BYTES + 4, true)
    view.setUint32(at + 4, 0, true)
    view.setInt32(at + 8, level, true)
    view.setInt32(at + 12, type, true)
    view.setInt32(at + 16, value, true)
    view.setUint32(CONTROL_AT + 8, used + CMSG_INT_BYTES, true)
  }

  /** Where the data of the first control message of this kind begins in `bytes`; -1 when there is none with `least` octets. */
  find(level: number, type: number, least: number): number {
    const view = this.#view
    const end = CONTROL_DATA_AT + Math.min(CONTROL_BYTES, view.getUint32(CONTROL_AT + 8, true))
    for (let at = CONTROL_DATA_AT; at + CMSG_HEADER_BYTES <= end; ) {
      const length = view.getUint32(at, true)
      if (length < CMSG_HEADER_BYTES || at + length > end) return -1
      if (view.getInt32(at + 8, true) === level && view.getInt32(at + 12, true) === type) {
        return length >= CMSG_HEADER_BYTES + least ? at + CMSG_HEADER_BYTES : -1
      }
      at += (length + 7) & ~7
    }
    return -1
  }

  /** The int at `at`, as `find` gave it. */
  intAt(at: number): number {
    return this.#view.getInt32(at, true)
  }

  /** The port of the address. */
  get port(): number {
    return (this.name[2]! << 8) | this.name[3]!
  }

  /** The zone of an IPv6 address. */
  get scope(): number {
    return this.#nameBytes === 28 ? this.#view.getUint32(ADDRESS_AT + 24, true) : 0
  }

  #address(at: number, address: number): void {
    this.#view.setUint32(at, address >>> 0, true)
    this.#view.setUint32(at + 4, Math.floor(address / 0x1_0000_0000), true)
  }
}
