import { equalBytes, toHex } from '../bytes/index.ts'
import { localAddresses, sourceAddressFor } from '../dgram-ext/index.ts'
import { PlatformError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import { formatIp, type IpAddress } from '../ip/address.ts'
import type { Log } from './log.ts'
import type { UdpPaths } from './udp-paths.ts'

/** Looking costs some tenths of a millisecond. */
const intervalMs = 2_000

/** What a watch works on. */
export interface Watched {
  readonly connections: readonly ConnectionConfig[]
  readonly paths: UdpPaths
  readonly log: Log
  /** The addresses to listen on were chosen by the operator: they stay as they are. */
  readonly isFixed: boolean
  /** Our own TUN device, whose addresses are inside. */
  readonly device: () => string | undefined
  /** Remote addresses whose routes matter at the moment, besides the configured ones. */
  readonly remotes: () => readonly IpAddress[]
  readonly onChange: (addresses: readonly IpAddress[], preferred: (remote: IpAddress) => IpAddress | undefined) => void
}

/**
 * Follows the machine's addresses and the routes to the peers: opens and closes sockets, and tells what has changed. It looks every two
 * seconds, because Node has no word for such a change.
 */
export class AddressWatch {
  readonly #watched: Watched
  #timer: NodeJS.Timeout | undefined
  #seen = ''
  #looking: Promise<void> | undefined

  constructor(watched: Watched) {
    this.#watched = watched
  }

  /** Looks for the first time, which always tells, and from then on. */
  async start(): Promise<void> {
    await this.#look()
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
    }, intervalMs)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  async #look(): Promise<void> {
    const { paths, isFixed, device, onChange, log } = this.#watched
    if (!isFixed) {
      const except = device()
      const present = localAddresses(except === undefined ? {} : { except })
      // An address that only the configuration names was bound at the start.
      const named = this.#watched.connections.flatMap(({ local }) =>
        local.address === undefined ? [] : [local.address],
      )
      const wanted = [...new Map([...present, ...named].map((address) => [toHex(address), address])).values()]
      if (isDifferent(wanted, paths.addresses)) {
        await paths.follow(wanted)
        log.write('info', 'endpoint', 'the addresses of the machine have changed')
        log.write('debug', 'endpoint', `listening on ${paths.addresses.map(formatIp).join(', ')}`)
      }
    }
    const routes = await this.#routes()
    const addresses = paths.addresses
    const seen = [...addresses.map(toHex), ...[...routes].map(([remote, local]) => `${remote}>${toHex(local)}`)].join()
    if (seen === this.#seen) return
    this.#seen = seen
    onChange(addresses, (remote) => routes.get(toHex(remote)))
  }

  /** By remote address the local one to reach it from, where it is one that we listen on. */
  async #routes(): Promise<Map<string, IpAddress>> {
    const { connections, paths, remotes } = this.#watched
    const configured = connections.flatMap(({ remote }) => (remote.address === undefined ? [] : [remote.address]))
    const routes = new Map<string, IpAddress>()
    for (const remote of new Map([...configured, ...remotes()].map((one) => [toHex(one), one])).values()) {
      const local = await sourceAddressFor(remote).catch(noRoute)
      if (local !== undefined && paths.addresses.some((one) => equalBytes(one, local))) routes.set(toHex(remote), local)
    }
    return routes
  }
}

function noRoute(error: unknown): undefined {
  if (!(error instanceof PlatformError)) throw error
}

const isDifferent = (a: readonly IpAddress[], b: readonly IpAddress[]): boolean =>
  a.map(toHex).sort().join() !== b.map(toHex).sort().join()
