import { sourceAddressFor } from '../dgram-ext/index.ts'
import { PlatformError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import { formatIp, type IpAddress } from '../ip/address.ts'
import type { UdpPaths } from './udp-paths.ts'

/**
 * The local address to call a peer from: the configured one, or the one that the machine's routes choose. Throws
 * `PlatformError` when there is none, or when the endpoint does not listen on it.
 */
export async function localAddressFor(
  connection: ConnectionConfig,
  remote: IpAddress,
  paths: UdpPaths,
): Promise<IpAddress> {
  const address = connection.local.address ?? (await sourceAddressFor(remote))
  const text = formatIp(address)
  if (paths.addresses.some((one) => formatIp(one) === text)) return address
  throw new PlatformError(
    'NOT_LISTENING',
    `connection "${connection.name}" is to use the local address ${text}, which the endpoint does not listen on`,
    'add it to the addresses to listen on, or leave them out to listen on all',
  )
}
