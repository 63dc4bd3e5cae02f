import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { PlatformError } from '../errors.ts'
import { formatIp, type IpAddress, parseIp } from '../ip/address.ts'

/**
 * The addresses of this host's interfaces that are up, in the system's order. IPv6 link-local ones are left out (they mean
 * nothing without an interface), loopback ones too unless `loopback` is true.
 */
export function localAddresses(options: { readonly loopback?: boolean; readonly except?: string } = {}): IpAddress[] {
  const found: IpAddress[] = []
  for (const [device, entries] of Object.entries(networkInterfaces())) {
    if (device === options.except) continue
    for (const entry of entries ?? []) {
      if (entry.internal && options.loopback !== true) continue
      const address = parseIp(entry.address)
      if (!isIpv6LinkLocal(address)) found.push(address)
    }
  }
  return found
}

/** The local address the kernel would send from to `remote`. Sends nothing. Throws `PlatformError` without a route. */
export async function sourceAddressFor(remote: IpAddress): Promise<IpAddress> {
  const socket = createSocket(remote.length === 4 ? 'udp4' : 'udp6')
  const text = formatIp(remote)
  try {
    await new Promise<void>((resolve, reject) => {
      // The port has no meaning for the choice of a route, but 0 is refused. With a callback, a failure comes to it alone.
      socket.connect(9, text, (error?: Error) => (error === undefined ? resolve() : reject(error)))
    })
    return parseIp(socket.address().address.split('%')[0]!)
  } catch (error) {
    throw new PlatformError('NO_ROUTE', `no local address reaches ${text}`, 'check the routes with `ip route get`', {
      cause: error,
    })
  } finally {
    socket.close()
  }
}

function isIpv6LinkLocal(address: IpAddress): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1]! & 0xc0) === 0x80
}
