import { localAddresses } from '../dgram-ext/index.ts'
import { parseIp } from '../ip/address.ts'
import { applyNetworkSetup, openTun, type TunDevice } from '../tap-tun/index.ts'
import { AppliedState } from './host/applied-state.ts'
import { HostSide } from './host/host-side.ts'
import { defaultStateFolder, type HostSettings } from './host/settings.ts'
import { SplitRoutes } from './host/split-routes.ts'
import { type OutsidePorts, TransportSteering } from './host/transport-steering.ts'
import { VirtualAddresses } from './host/virtual-addresses.ts'
import type { IpCommand } from './ip-command.ts'
import type { Log } from './log.ts'
import { Opened } from './opened.ts'
import { defaultMtu, type TunSettings } from './options.ts'
import { RouteTable } from './route-table.ts'

/** What tells the packets of our own sockets from those that they carry. */
export interface TransportMarking {
  readonly mark: number
  readonly ports: OutsidePorts
}

/** The TUN device with what was set up around it. */
export interface InnerSide {
  readonly tun: TunDevice | undefined
  /** Undefined when the endpoint leaves the machine's routes alone. */
  readonly routes: SplitRoutes | undefined
  /** What leads this host's packets of transport mode into the device; undefined where nobody does, or the caller. */
  readonly steering: TransportSteering | undefined
  /** The packets of transport mode find their way into the device. */
  readonly carriesTransport: boolean
  /** What follows the IKE_SAs on this machine; undefined with a device of the caller's. */
  readonly host: HostSide | undefined
  /** Takes back what follows the IKE_SAs, routes, addresses and the device, in this order. */
  close(): Promise<void>
}

/**
 * Opens the device and gives it addresses, MTU and routes; or takes over the caller's device as it is. `transport`: packets of transport mode
 * are led into it, but for those with the mark of our sockets.
 */
export async function openInnerSide(
  tun: TunSettings | TunDevice | undefined,
  log: Log,
  ip: IpCommand,
  settings: HostSettings = {},
  transport: TransportMarking | undefined = undefined,
): Promise<InnerSide> {
  const nothing = { tun: undefined, routes: undefined, host: undefined, steering: undefined, carriesTransport: false }
  if (tun === undefined) return { ...nothing, close: async () => {} }
  // Whoever brings the device leads packets there as well.
  if ('onPacket' in tun) return { ...nothing, tun, carriesTransport: true, close: () => tun.close() }
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
    const state = new AppliedState(settings.stateFolder ?? defaultStateFolder, log)
    const parts = { device: device.name, log, addresses: virtual, routes, state }
    const host = undone.add(await HostSide.open(parts, settings))
    const steering =
      transport !== undefined && mode === 'auto'
        ? undone.add(await TransportSteering.open({ device: device.name, ...transport, ip, log, state }))
        : undefined
    const carriesTransport = steering !== undefined || mode === 'none'
    return { tun: device, routes, steering, carriesTransport, host, close: () => undone.close() }
  } catch (error) {
    await undone.close()
    throw error
  }
}

const openRoutes = (device: string, ip: IpCommand, log: Log, virtual: VirtualAddresses): RouteTable =>
  // A route takes its source hint from the addresses that are there, the pushed ones among them.
  new RouteTable({ device, ip, log, localAddresses: ownAddresses, ready: () => virtual.settled() })

const ownAddresses = () => localAddresses({ loopback: true })
