import { toHex } from '../bytes/index.ts'
import { localAddresses, whyNoPlainEsp } from '../dgram-ext/index.ts'
import { PlatformError, UsageError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IpAddress } from '../ip/address.ts'
import { defaultTransportMark } from './host/transport-steering.ts'
import type { TransportMarking } from './inner-side.ts'
import { type Log, silentLog } from './log.ts'
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
  const { log = silentLog, connections } = options
  const plainEsp = await opensPlainEsp(connections, addresses[0]!, log)
  const mark = options.listen?.mark ?? transportMarkOf(options)
  return UdpPaths.open(addresses, { ike: ikePort, nat: natPort }, log, { plainEsp, mark })
}

/**
 * Connections as they can be carried out: where ESP cannot go without UDP, a NAT is pretended, so that the peer puts it in UDP too. RFC
 * 7296 §2.23.
 */
export const withPossibleEncap = (connections: readonly ConnectionConfig[], plainEsp: boolean): ConnectionConfig[] =>
  connections.map((one) => (one.encap === 'auto' && !plainEsp ? { ...one, encap: 'force' } : one))

/**
 * The mark by which rules for transport mode tell our own packets; 0 where there are none: no child is in transport mode, or the caller leads
 * packets into the device.
 */
function transportMarkOf({ connections, listen, tun }: EndpointOptions): number {
  const isSteered = tun !== undefined && !('onPacket' in tun) && tun.routes !== 'none'
  const isWanted = connections.some(({ children }) => children.some(({ mode }) => mode === 'transport'))
  return isSteered && isWanted ? (listen?.mark ?? defaultTransportMark) : 0
}

/** By what packets of our own sockets are told from those that transport mode carries; undefined where nothing is led into the device. */
export function transportMarking(
  options: EndpointOptions,
  ports: { readonly ike: number; readonly nat: number },
): TransportMarking | undefined {
  const mark = transportMarkOf(options)
  if (mark === 0) return undefined
  const { connections, listen } = options
  const remote = connections.flatMap(({ tcp }) => (tcp === undefined || tcp.mode === 'never' ? [] : [tcp.port]))
  return { mark, ports: { ...ports, tcp: { local: listen?.tcpPort, remote: [...new Set(remote)] } } }
}

/** Whether a connection may need ESP without UDP, and it can be had. Throws `PlatformError` where one does need it, and it cannot. */
async function opensPlainEsp(connections: readonly ConnectionConfig[], address: IpAddress, log: Log): Promise<boolean> {
  const wanting = connections.filter(({ encap }) => encap !== 'force')
  if (wanting.length === 0) return false
  const why = await whyNoPlainEsp(address)
  if (why === undefined) return true
  const needing = wanting.find(({ encap }) => encap === 'never')
  if (needing !== undefined) {
    const remedy = `set connections.${needing.name}.encap to "auto" or "yes"`
    throw new PlatformError('NO_PLAIN_ESP', `connection ${needing.name} wants ESP without UDP: ${why}`, remedy)
  }
  for (const { name } of wanting) log.write('warn', name, `ESP goes in UDP, NAT or not: ${why}`)
  return false
}

/**
 * What the machine has, and what the connections name: an address whose link has not come up yet is not in the system's list, and
 * can be bound all the same.
 */
function addressesAtStart({ connections }: EndpointOptions): IpAddress[] {
  const named = connections.flatMap(({ local }) => (local.address === undefined ? [] : [local.address]))
  return [...new Map([...localAddresses(), ...named].map((address) => [toHex(address), address])).values()]
}
