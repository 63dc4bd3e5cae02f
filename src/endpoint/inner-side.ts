import { localAddresses } from '../dgram-ext/index.ts'
import { applyNetworkSetup, openTun, type TunDevice } from '../tap-tun/index.ts'
import type { IpCommand } from './ip-command.ts'
import type { Log } from './log.ts'
import { defaultMtu, type TunSettings } from './options.ts'
import { RouteTable } from './route-table.ts'

/** The TUN device with what was set up around it. */
export interface InnerSide {
  readonly tun: TunDevice | undefined
  /** Undefined when the endpoint leaves the machine's routes alone. */
  readonly routes: RouteTable | undefined
  /** Takes back routes, addresses and the device, in this order. */
  close(): Promise<void>
}

/** Opens the device and gives it addresses, MTU and routes; or takes over the caller's device as it is. */
export async function openInnerSide(
  tun: TunSettings | TunDevice | undefined,
  log: Log,
  ip: IpCommand,
): Promise<InnerSide> {
  if (tun === undefined) return { tun: undefined, routes: undefined, close: async () => {} }
  if ('onPacket' in tun) return { tun, routes: undefined, close: () => tun.close() }
  const { name, mtu = defaultMtu, addresses = [], routes: mode = 'auto' } = tun
  const device = await openTun({ mtu, ...(name === undefined ? {} : { name }) })
  try {
    const network = await applyNetworkSetup({ device: device.name, addresses, mtu, routes: [] })
    const routes =
      mode === 'none' ? undefined : new RouteTable({ device: device.name, ip, log, localAddresses: ownAddresses })
    const close = async (): Promise<void> => {
      routes?.clear()
      await routes?.settled()
      for (const problem of await network.undo()) log.write('warn', 'network', problem)
      await device.close()
    }
    return { tun: device, routes, close }
  } catch (error) {
    await device.close()
    throw error
  }
}

const ownAddresses = () => localAddresses({ loopback: true })
