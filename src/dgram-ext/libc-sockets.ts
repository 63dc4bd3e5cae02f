import { endianness } from 'node:os'
import { type Ffi, loadFfi } from '../ffi/index.ts'

/** The system calls of a socket. Descriptors and results are numbers; -1 leaves `errno`. */
export interface SocketCalls {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number
  sendto(fd: number, address: number, length: number, flags: number, to: Uint8Array, toLength: number): number
  sendmsg(fd: number, message: Uint8Array, flags: number): number
  recvmsg(fd: number, message: Uint8Array, flags: number): number
  close(fd: number): number
}

export interface NativeSockets {
  readonly ffi: Ffi
  readonly calls: SocketCalls
}

/** Numbers of Linux, the same on x64 and arm64: sys/socket.h, linux/in.h, linux/in6.h, asm-generic. */
export const Linux = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_NONBLOCK: 0x800,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SO_MARK: 36,
  MSG_DONTWAIT: 0x40,
  MSG_ERRQUEUE: 0x2000,
  SOL_IP: 0,
  IP_TOS: 1,
  IP_TTL: 2,
  IP_MTU_DISCOVER: 10,
  IP_RECVERR: 11,
  IP_RECVTTL: 12,
  IP_RECVTOS: 13,
  SOL_IPV6: 41,
  IPV6_MTU_DISCOVER: 23,
  IPV6_RECVERR: 25,
  IPV6_V6ONLY: 26,
  IPV6_RECVHOPLIMIT: 51,
  IPV6_HOPLIMIT: 52,
  IPV6_DONTFRAG: 62,
  IPV6_RECVTCLASS: 66,
  IPV6_TCLASS: 67,
  /** No DF. */
  PMTUDISC_DONT: 0,
  /** The system's default: DF, and fragments where the path is known to be narrower. */
  PMTUDISC_WANT: 1,
  /** DF, whatever the system believes of the path. */
  PMTUDISC_PROBE: 3,
} as const

let found: NativeSockets | string | undefined

/** The calls, or one line that says why there are none here. Looked for once. */
export function nativeSockets(): NativeSockets | string {
  found ??= find()
  return found
}

function find(): NativeSockets | string {
  if (process.platform !== 'linux') return `sendmsg is not used on ${process.platform}`
  // The layout of structures, and numbers such as SO_MARK, are those of these two.
  if (!['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') return `sendmsg is not used on ${process.arch}`
  const loaded = loadFfi()
  if (!loaded.ok) return loaded.reason
  try {
    return { ffi: loaded.ffi, calls: callsOf(loaded.ffi) }
  } catch (error) {
    return `libc has no sockets: ${(error as Error).message}`
  }
}

function callsOf(ffi: Ffi): SocketCalls {
  const libc = ffi.open(null)
  return {
    socket: libc.func('socket', 'int', ['int', 'int', 'int']),
    bind: libc.func('bind', 'int', ['int', 'buffer', 'uint']),
    getsockname: libc.func('getsockname', 'int', ['int', 'buffer', 'buffer']),
    setsockopt: libc.func('setsockopt', 'int', ['int', 'int', 'int', 'buffer', 'uint']),
    getsockopt: libc.func('getsockopt', 'int', ['int', 'int', 'int', 'buffer', 'buffer']),
    sendto: libc.func('sendto', 'ssize', ['int', 'address', 'size', 'int', 'buffer', 'uint']),
    sendmsg: libc.func('sendmsg', 'ssize', ['int', 'buffer', 'int']),
    recvmsg: libc.func('recvmsg', 'ssize', ['int', 'buffer', 'int']),
    close: libc.func('close', 'int', ['int']),
  }
}
