import { localAddresses } from '../dgram-ext/index.ts'
import { parseIp } from '../ip/address.ts'
import { applyNetworkSetup, openTun, type TunDevice } from '../tap-tun/index.ts'
import { HostSide } from './host/host-side.ts'
import type { HostSettings } from './host/settings.ts'
import { SplitRoutes } from './host/split-routes.ts'
import { VirtualAddresses } from './host/virtual-addresses.ts'
import type { IpCommand } from './ip-command.ts'
import type { Log } from './log.ts'
import { Opened } from './opened.ts'
import { defaultMtu, type TunSettings } from './options.ts'
import { RouteTable } from './route-table.ts'

/** The TUN device with what was set up around it. */
export interface InnerSide {
  readonly tun: TunDevice | undefined
  /** Undefined when the endpoint leaves the machine's routes alone. */
  readonly routes: SplitRoutes | undefined
  /** What follows the IKE_SAs on this machine; undefined with a device of the caller's. */
  readonly host: HostSide | undefined
  /** Takes back what follows the IKE_SAs, routes, addresses and the device, in this order. */
  close(): Promise<void>
}

/** Opens the device and gives it addresses, MTU and routes; or takes over the caller's device as it is. */
export async function openInnerSide(
  tun: TunSettings | TunDevice | undefined,
  log: Log,
  ip: IpCommand,
  settings: HostSettings = {},
): Promise<InnerSide> {
  if (tun === undefined) return { tun: undefined, routes: undefined, host: undefined, close: async () => {} }
  if ('onPacket' in tun) return { tun, routes: undefined, host: undefined, close: () => tun.close() }
  const { name, mtu = defaultMtu, addresses = [], routes: mode = 'auto' } = tun
  const device = await openTun({ mtu, ...(name === undefined ? {} : { name }) })
  const undone = new Opened(log)
  undone.add(device)
  try {
    const network = await applyNetworkSetup({ device: device.name, addresses, mtu, routes: [] })
    undone.add({
      close: async () => {
        for (const problem of await network.undo()) log.write('warn', 'network', problem)
      },
    })
    const own = addresses.map((text) => parseIp(text.replace(/\/.*/, '')))
    const virtual = new VirtualAddresses({ device: device.name, ip, log, own })
    const routes = mode === 'none' ? undefined : new SplitRoutes(openRoutes(device.name, ip, log, virtual))
    undone.add({
      close: async () => {
        routes?.clear()
        await routes?.settled()
      },
    })
    const host = undone.add(await HostSide.open({ device: device.name, log, addresses: virtual, routes }, settings))
    return { tun: device, routes, host, close: () => undone.close() }
  } catch (error) {
    await undone.close()
    throw error
  }
}

const openRoutes = (device: string, ip: IpCommand, log: Log, virtual: VirtualAddresses): RouteTable =>
  // A route takes its source hint from the addresses that are there, the pushed ones among them.
  new RouteTable({ device, ip, log, localAddresses: ownAddresses, ready: () => virtual.settled() })

const ownAddresses = () => localAddresses({ loopback: true })
