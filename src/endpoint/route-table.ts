import { containsAddress, formatIp, type IpAddress } from '../ip/index.ts'
import type { AddressRange } from '../xfrm/port.ts'
import type { IpCommand } from './ip-command.ts'
import type { Log } from './log.ts'
import { formatPrefix, halves, type Prefix, prefixesOfRange } from './prefixes.ts'

/** What a policy asks of the machine's routing: packets to `destination` go into the TUN. */
export interface RouteRequest {
  readonly destination: AddressRange
  /** Where the inner packets may come from: an address of this machine in it becomes the route's source hint. */
  readonly source: AddressRange
  /** The peer's outer address; the packets to it must never enter the TUN. */
  readonly peer: IpAddress
}

interface Route {
  users: number
  /** Set once the route is there, or is not needed. */
  ready: boolean
  /** Arguments after `ip route add` and `ip route del`, undefined when nothing was added. */
  installed: string[] | undefined
}

interface Wanted {
  readonly key: string
  readonly install: (route: Route) => Promise<void>
}

/** A list with more prefixes than this is an accident, for example an IPv6 range that is off by one. */
const maxPrefixes = 64

/**
 * The routes into the TUN device, each kept as long as a policy wants it. Changes run one after the other through
 * iproute2; a failure is logged and hinders nothing else.
 */
export class RouteTable {
  readonly #device: string
  readonly #ip: IpCommand
  readonly #log: Log
  readonly #localAddresses: () => readonly IpAddress[]
  readonly #ready: () => Promise<unknown>
  readonly #routes = new Map<string, Route>()
  #queue: Promise<void> = Promise.resolve()

  /** `ready` resolves when the machine has the addresses that a new route may name as its source. */
  constructor(world: {
    device: string
    ip: IpCommand
    log: Log
    localAddresses: () => readonly IpAddress[]
    ready?: () => Promise<unknown>
  }) {
    this.#device = world.device
    this.#ip = world.ip
    this.#log = world.log
    this.#localAddresses = world.localAddresses
    this.#ready = world.ready ?? (async () => {})
  }

  /** Adds the routes of a policy, or one more user to those that are there. Returns at once. */
  add(request: RouteRequest): void {
    for (const { key, install } of this.#wanted(request)) {
      const known = this.#routes.get(key)
      if (known !== undefined) {
        known.users++
        continue
      }
      const route: Route = { users: 1, ready: false, installed: undefined }
      this.#routes.set(key, route)
      this.#enqueue(() => install(route))
    }
  }

  /** Takes a user of the routes away; those without any are removed. Returns at once. */
  remove(request: RouteRequest): void {
    for (const { key } of this.#wanted(request).reverse()) {
      const route = this.#routes.get(key)
      if (route === undefined || --route.users > 0) continue
      this.#routes.delete(key)
      this.#enqueue(() => this.#uninstall(route))
    }
  }

  /** Removes every route. */
  clear(): void {
    for (const route of [...this.#routes.values()].reverse()) this.#enqueue(() => this.#uninstall(route))
    this.#routes.clear()
  }

  /** Resolves when all changes asked for so far were tried. */
  settled(): Promise<void> {
    return this.#queue
  }

  /** What a policy needs, in the order of adding: first the peer's own path, then the prefixes that would cover it. */
  #wanted(request: RouteRequest): Wanted[] {
    const { destination, peer } = request
    const prefixes = prefixesOfRange(destination)
    if (prefixes.length > maxPrefixes) {
      const range = `${formatIp(destination.start)}-${formatIp(destination.end)}`
      this.#log.write(
        'error',
        'routes',
        `no route for ${range}, it takes ${prefixes.length} prefixes: use a rounder range`,
      )
      return []
    }
    // A default route of the machine has the same key as ours would: two halves are more specific and leave it alone.
    const whole = prefixes[0]
    const parts = whole !== undefined && whole.bits === 0 ? halves(whole) : prefixes
    const exempt = containsAddress(destination, peer) ? `peer ${formatIp(peer)}` : undefined
    const wanted: Wanted[] = parts.map((prefix) => ({
      key: exempt === undefined ? formatPrefix(prefix) : `${formatPrefix(prefix)} but ${exempt}`,
      install: (route) => this.#install(route, prefix, request.source, exempt),
    }))
    if (exempt !== undefined) wanted.unshift({ key: exempt, install: (route) => this.#exempt(route, peer) })
    return wanted
  }

  #enqueue(change: () => Promise<void>): void {
    this.#queue = this.#queue.then(change).catch((error: unknown) => {
      this.#log.write('error', 'routes', error instanceof Error ? error.message : String(error))
    })
  }

  async #install(route: Route, prefix: Prefix, from: AddressRange, exempt: string | undefined): Promise<void> {
    if (exempt !== undefined && this.#routes.get(exempt)?.ready !== true) return
    const text = formatPrefix(prefix)
    await this.#ready()
    const source = this.#localAddresses().find((address) => containsAddress(from, address))
    await this.#add(route, [text, 'dev', this.#device, ...(source === undefined ? [] : ['src', formatIp(source)])])
    this.#log.write('info', 'routes', `${text} goes into ${this.#device}`)
  }

  /** Gives the peer's outer address a route of its own, as it is reached at this moment. */
  async #exempt(route: Route, peer: IpAddress): Promise<void> {
    const path = await this.#pathTo(peer)
    if (path === undefined) {
      this.#log.write(
        'error',
        'routes',
        `the remote traffic selectors hold the peer's own address, and there is no path to it but ${this.#device}: nothing is routed. Give the peer's address a route of its own, or leave it out of the traffic selectors`,
      )
      return
    }
    if (path.length > 0) {
      await this.#add(route, [`${formatIp(peer)}/${8 * peer.length}`, ...path]).catch((error: unknown) => {
        // The peer has a route of its own outside the TUN already, of the machine's or left by a killed endpoint: it serves, and stays.
        if (!isThereAlready(error)) throw error
      })
    }
    route.ready = true
  }

  /** `via GATEWAY dev DEVICE`; empty when the address is of this machine; undefined without a path outside the TUN. */
  async #pathTo(peer: IpAddress): Promise<string[] | undefined> {
    const words = (await this.#ip(['-o', 'route', 'get', formatIp(peer)])).trim().split(/\s+/)
    if (words[0] === 'local') return []
    const after = (word: string) => {
      const at = words.indexOf(word)
      return at < 0 ? undefined : words[at + 1]
    }
    const device = after('dev')
    if (device === undefined || device === this.#device) return undefined
    const gateway = after('via')
    return gateway === undefined ? ['dev', device] : ['via', gateway, 'dev', device]
  }

  async #add(route: Route, args: string[]): Promise<void> {
    await this.#ip([...family(args), 'route', 'add', ...args])
    route.installed = args
    route.ready = true
  }

  async #uninstall(route: Route): Promise<void> {
    const args = route.installed
    route.installed = undefined
    // The device may be gone already, and its routes with it.
    if (args !== undefined) await this.#ip([...family(args), 'route', 'del', ...args]).catch(() => '')
  }
}

const isThereAlready = (error: unknown): boolean => error instanceof Error && error.message.includes('File exists')

const family = (args: readonly string[]): string[] => (args[0]?.includes(':') ? ['-6'] : [])
