import { equalBytes } from '../bytes/index.ts'
import {
  type EspOptions,
  localAddresses,
  openEsp,
  openUdp,
  type UdpOptions,
  type UdpSocket,
} from '../dgram-ext/index.ts'
import type { IpAddress } from '../ip/address.ts'
import { systemCode } from './system-code.ts'

const pauseMs = 100
/** Duplicate address detection takes one to two seconds. */
const tries = 40

/**
 * Binds a UDP socket. An IPv6 address that the machine has only just got is waited for, four seconds at most: until it is known
 * to be unique it is listed, but cannot be bound (RFC 4862 §5.4). Throws as `openUdp`. `system` is for tests.
 */
export async function openSocket(options: UdpOptions, system = { openUdp, localAddresses }): Promise<UdpSocket> {
  return waiting(options.address, () => system.openUdp(options), system.localAddresses)
}

/** The same for a raw socket. Throws as `openEsp`. */
export async function openEspSocket(options: EspOptions): Promise<UdpSocket> {
  return waiting(options.address, () => openEsp(options), localAddresses)
}

async function waiting(
  address: IpAddress,
  open: () => Promise<UdpSocket>,
  listed: () => readonly IpAddress[],
): Promise<UdpSocket> {
  for (let left = tries; ; left--) {
    try {
      return await open()
    } catch (error) {
      if (left === 0 || !isTentative(address, error, listed())) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

function isTentative(address: IpAddress, error: unknown, listed: readonly IpAddress[]): boolean {
  const refused = error instanceof Error && systemCode(error.cause) === 'EADDRNOTAVAIL'
  return refused && address.length === 16 && listed.some((one) => equalBytes(one, address))
}
