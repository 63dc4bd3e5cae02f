import { toHex } from '../bytes/index.ts'
import { localAddresses } from '../dgram-ext/index.ts'
import { PlatformError, UsageError } from '../errors.ts'
import type { IpAddress } from '../ip/address.ts'
import { silentLog } from './log.ts'
import { defaultIkePort, defaultNatPort, type EndpointOptions } from './options.ts'
import { UdpPaths } from './udp-paths.ts'

/** Opens the UDP ports that the options ask for. Throws `UsageError` for wrong ones, `PlatformError` when the system refuses. */
export async function openPaths(options: EndpointOptions): Promise<UdpPaths> {
  const {
    addresses = addressesAtStart(options),
    ikePort = defaultIkePort,
    natPort = defaultNatPort,
  } = options.listen ?? {}
  if (addresses.length === 0) {
    throw new PlatformError(
      'NO_ADDRESS',
      'there is no address to listen on',
      'bring an interface up, or name the addresses',
    )
  }
  if ((ikePort === 0 || natPort === 0) && addresses.length > 1) {
    throw new UsageError('listen', 'port 0 takes a single address')
  }
  return UdpPaths.open(addresses, { ike: ikePort, nat: natPort }, options.log ?? silentLog)
}

/**
 * What the machine has, and what the connections name: an address whose link has not come up yet is not in the system's list, and
 * can be bound all the same.
 */
function addressesAtStart({ connections }: EndpointOptions): IpAddress[] {
  const named = connections.flatMap(({ local }) => (local.address === undefined ? [] : [local.address]))
  return [...new Map([...localAddresses(), ...named].map((address) => [toHex(address), address])).values()]
}
