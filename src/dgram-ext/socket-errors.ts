import { constants } from 'node:os'
import { PlatformError } from '../errors.ts'
import { formatIp, formatSocketAddress, type SocketAddress } from '../ip/address.ts'

/** What the kernel is asked for in each direction: 4 MiB. */
export const defaultBufferBytes = 4 * 1024 * 1024

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** `EMSGSIZE` for 90 on Linux. */
export const errnoName = (errno: number): string => names.get(errno) ?? `errno ${errno}`

/** A socket that cannot be had, with what to do. `code` is the system's. */
export function bindError(code: string, local: SocketAddress, what: 'UDP' | 'ESP', cause?: Error): PlatformError {
  const remedies: Record<string, string> = {
    EADDRINUSE: 'another process has this port; stop it or choose another port',
    EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
    EPERM: 'run as root, or with the capability CAP_NET_RAW',
    EADDRNOTAVAIL: 'this host has no such address',
  }
  const where =
    what === 'UDP' ? `UDP ${formatSocketAddress(local)}` : `a raw socket for ESP to ${formatIp(local.address)}`
  const problem = `cannot bind ${where} (${code})`
  return new PlatformError(
    'UDP_BIND',
    problem,
    remedies[code] ?? cause?.message ?? '',
    cause === undefined ? {} : { cause },
  )
}
