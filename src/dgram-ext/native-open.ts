import { PlatformError } from '../errors.ts'
import type { IpAddress } from '../ip/address.ts'
import { Linux, type NativeSockets } from './libc-sockets.ts'
import { sockaddrBytes, writeSockaddr } from './message-header.ts'
import { bindError, defaultBufferBytes, errnoName } from './socket-errors.ts'
import type { UdpOptions } from './udp-socket.ts'

const ESP = 50

/** The option's value, an int. */
export const intOption = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)

/** An int option; 0 when it cannot be read. */
export function readInt({ calls }: NativeSockets, fd: number, level: number, name: number): number {
  const value = new Int32Array(1)
  const failed = calls.getsockopt(fd, level, name, new Uint8Array(value.buffer), intOption(4)) < 0
  return failed ? 0 : value[0]!
}

/** A bound socket with its options set. Throws `PlatformError` when the system refuses, with nothing left open. */
export function openDescriptor(
  native: NativeSockets,
  options: UdpOptions,
  kind: 'udp' | 'esp',
): { fd: number; port: number } {
  const { calls, ffi } = native
  const { address } = options
  const local = { address, port: kind === 'esp' ? 0 : options.port }
  const fail = (): never => {
    const code = errnoName(ffi.errno())
    throw bindError(code, local, kind === 'esp' ? 'ESP' : 'UDP', Object.assign(new Error(code), { code }))
  }
  const isIpv4 = address.length === 4
  const type = (kind === 'esp' ? Linux.SOCK_RAW : Linux.SOCK_DGRAM) | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC
  const fd = calls.socket(isIpv4 ? Linux.AF_INET : Linux.AF_INET6, type, kind === 'esp' ? ESP : 0)
  if (fd < 0) return fail()
  try {
    setOptions(native, fd, options)
    const name = new Uint8Array(sockaddrBytes(address.length))
    writeSockaddr(name, local, 0)
    if (calls.bind(fd, name, name.length) < 0) fail()
    if (kind === 'esp') return { fd, port: 0 }
    return { fd, port: portOf(native, fd, address) }
  } catch (error) {
    calls.close(fd)
    throw error
  }
}

function setOptions(native: NativeSockets, fd: number, options: UdpOptions): void {
  const { calls, ffi } = native
  const { address, mark = 0 } = options
  const set = (level: number, name: number, value: number) => calls.setsockopt(fd, level, name, intOption(value), 4)
  const buffer = (force: number, plain: number, bytes = defaultBufferBytes) => {
    // Beyond the system's limit where we may: CAP_NET_ADMIN.
    if (set(Linux.SOL_SOCKET, force, bytes) < 0) set(Linux.SOL_SOCKET, plain, bytes)
  }
  buffer(Linux.SO_RCVBUFFORCE, Linux.SO_RCVBUF, options.receiveBufferBytes)
  buffer(Linux.SO_SNDBUFFORCE, Linux.SO_SNDBUF, options.sendBufferBytes)
  if (mark !== 0 && set(Linux.SOL_SOCKET, Linux.SO_MARK, mark | 0) < 0) {
    const code = errnoName(ffi.errno())
    throw new PlatformError('UDP_MARK', `a socket cannot be marked (${code})`, 'run as root, or with CAP_NET_ADMIN')
  }
  const wanted =
    address.length === 4
      ? [Linux.IP_RECVTOS, Linux.IP_RECVTTL, Linux.IP_RECVERR]
      : [Linux.IPV6_V6ONLY, Linux.IPV6_RECVTCLASS, Linux.IPV6_RECVHOPLIMIT, Linux.IPV6_RECVERR]
  for (const name of wanted) set(address.length === 4 ? Linux.SOL_IP : Linux.SOL_IPV6, name, 1)
}

function portOf({ calls }: NativeSockets, fd: number, address: IpAddress): number {
  const name = new Uint8Array(sockaddrBytes(address.length))
  calls.getsockname(fd, name, intOption(name.length))
  return (name[2]! << 8) | name[3]!
}
