import { equalBytes } from '../bytes/index.ts'
import { localAddresses, openUdp, type UdpSocket } from '../dgram-ext/index.ts'
import type { IpAddress, SocketAddress } from '../ip/address.ts'
import { systemCode } from './system-code.ts'

const pauseMs = 100
/** Duplicate address detection takes one to two seconds. */
const tries = 40

/**
 * Binds a UDP socket. An IPv6 address that the machine has only just got is waited for, four seconds at most: until it is known
 * to be unique it is listed, but cannot be bound (RFC 4862 §5.4). Throws as `openUdp`. `system` is for tests.
 */
export async function openSocket(local: SocketAddress, system = { openUdp, localAddresses }): Promise<UdpSocket> {
  for (let left = tries; ; left--) {
    try {
      return await system.openUdp(local)
    } catch (error) {
      if (left === 0 || !isTentative(local, error, system.localAddresses())) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

function isTentative({ address }: SocketAddress, error: unknown, listed: readonly IpAddress[]): boolean {
  const refused = error instanceof Error && systemCode(error.cause) === 'EADDRNOTAVAIL'
  return refused && address.length === 16 && listed.some((one) => equalBytes(one, address))
}
