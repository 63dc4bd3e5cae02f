import { PlatformError } from '../errors.ts'
import type { IpAddress } from '../ip/address.ts'
import { nativeSockets } from './libc-sockets.ts'
import { NativeSocket } from './native-socket.ts'
import { openNodeUdp } from './node-dgram.ts'
import type { UdpOptions, UdpSocket } from './udp-socket.ts'

/**
 * Binds a UDP socket: over libc's calls where foreign functions are there, else over node:dgram. Throws `UsageError` for a bad address,
 * `PlatformError` when it cannot be bound.
 */
export async function openUdp(options: UdpOptions): Promise<UdpSocket> {
  const native = nativeSockets()
  return typeof native === 'string' ? openNodeUdp(options) : new NativeSocket(native, options, 'udp')
}

/** Why `openUdp` takes node:dgram here; undefined when it does not. */
export function whyNodeUdp(): string | undefined {
  const native = nativeSockets()
  return typeof native === 'string' ? native : undefined
}

/** What `openEsp` needs. */
export type EspOptions = Omit<UdpOptions, 'port' | 'maxQueued'>

/**
 * Opens a raw socket for plain ESP (IP protocol 50) at a local address: datagrams are ESP packets, ports are 0. Needs CAP_NET_RAW and foreign
 * functions. While it is open, the system answers no ESP to this address with "protocol unreachable". Throws `PlatformError`.
 */
export async function openEsp(options: EspOptions): Promise<UdpSocket> {
  const native = nativeSockets()
  if (typeof native === 'string') {
    throw new PlatformError('ESP_NO_FFI', 'no raw socket for ESP without native calls', native)
  }
  return new NativeSocket(native, { ...options, port: 0 }, 'esp')
}

/** Why plain ESP cannot be sent from this machine; undefined when it can. Opens a socket and closes it again. */
export async function whyNoPlainEsp(address: IpAddress): Promise<string | undefined> {
  try {
    const socket = await openEsp({ address })
    await socket.close()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
