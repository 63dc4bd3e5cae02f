import { readConfiguration } from '../../ike/config-payload/configuration.ts'
import type { ChildSaStatus, IkeEvent, IkeSaRef, IkeSaStatus } from '../../ike/events.ts'
import { parseTrafficSelector } from '../../ike/negotiation/traffic-selector-text.ts'
import type { IpAddress } from '../../ip/address.ts'
import { containsAddress } from '../../ip/range.ts'
import type { AddressRange } from '../../xfrm/port.ts'
import type { Log } from '../log.ts'
import { type AppliedChange, AppliedState } from './applied-state.ts'
import { chooseDns, dnsBackendOf } from './dns/choose.ts'
import type { DnsBackend } from './dns/dns-backend.ts'
import { DnsKeeper } from './dns/dns-keeper.ts'
import { chooseFirewall, firewallOf } from './firewall/choose.ts'
import { FirewallKeeper } from './firewall/firewall-keeper.ts'
import type { HostTraffic } from './firewall/rules.ts'
import { nothingPushed, type Pushed } from './pushed.ts'
import { type CommandRunner, systemCommand, systemScript } from './run-command.ts'
import { defaultStateFolder, type HostSettings } from './settings.ts'
import { UpDown } from './updown/up-down.ts'
import type { VirtualAddresses } from './virtual-addresses.ts'

/** What follows the pushed networks: see `SplitRoutes`. */
export interface SplitNetworks {
  /** The policies of `reqid` are routed as far as they lie in these networks; undefined: whole. */
  restrict(reqid: number, networks: readonly AddressRange[] | undefined): void
  settled(): Promise<void>
}

interface HostParts {
  readonly device: string
  readonly log: Log
  readonly addresses: VirtualAddresses
  readonly routes: SplitNetworks | undefined
  /** Where what is done to the machine is written down; made from the settings by default. */
  readonly state?: AppliedState
}

interface KnownIke {
  status: IkeSaStatus | undefined
  pushed: Pushed
  readonly children: Map<number, ChildSaStatus>
}

/**
 * Lets the machine follow the IKE_SAs: addresses, split routes, name servers, firewall rules and scripts, each for as long as its IKE_SA or
 * CHILD_SA is there. Every change is made in the background; a failure is logged and hinders nothing else.
 */
export class HostSide {
  readonly #known = new Map<number, KnownIke>()
  readonly #addresses: VirtualAddresses
  readonly #routes: SplitNetworks | undefined
  readonly #dns: DnsKeeper
  readonly #firewall: FirewallKeeper | undefined
  readonly #updown: UpDown

  /** Takes back what a killed endpoint left, and is ready. Throws `PlatformError` when the settings name what is not there. */
  static async open(parts: HostParts, settings: HostSettings): Promise<HostSide> {
    const run = settings.run ?? systemCommand
    const dns = settings.dns ?? { backend: 'none', dnsmasq: undefined }
    const backend = chooseDns(dns, run)
    const state = parts.state ?? new AppliedState(settings.stateFolder ?? defaultStateFolder, parts.log)
    await state.cleanUp((change) => undo(change, run))
    return new HostSide(parts, settings, run, state, backend)
  }

  private constructor(
    parts: HostParts,
    settings: HostSettings,
    run: CommandRunner,
    state: AppliedState,
    backend: DnsBackend | undefined,
  ) {
    const { device, log, addresses, routes } = parts
    this.#addresses = addresses
    this.#routes = routes
    const files = backend?.name === 'dnsmasq' ? settings.dns?.dnsmasq : undefined
    this.#dns = new DnsKeeper({ backend, files, device, log, state })
    this.#firewall =
      settings.firewall === 'auto' ? new FirewallKeeper({ tool: chooseFirewall(run), device, log, state }) : undefined
    this.#updown = new UpDown({
      settings: settings.updown ?? new Map(),
      device,
      log,
      run: settings.runScript ?? systemScript,
    })
  }

  /** Told of every event, in order. Returns at once. */
  notice(event: IkeEvent): void {
    switch (event.kind) {
      case 'ike-established':
      case 'ike-rekeyed':
        this.#of(event.sa).status = event.details
        break
      case 'configured':
        this.configured(event.sa, { ...event, role: 'initiator', domains: event.domains.map(({ name }) => name) })
        break
      case 'assigned':
        this.configured(event.sa, whatPeerWasTold(event))
        break
      case 'child-established':
        this.#childUp(event.sa, event.child)
        break
      case 'child-rekeyed':
        this.#childReplaced(event.sa, event.old, event.child)
        break
      case 'child-closed':
        this.#childDown(event.sa, event.child)
        break
      case 'remote-moved':
      case 'local-moved':
        this.#moved(event)
        break
      case 'ike-closed':
        this.#ikeGone(event.sa)
        break
    }
  }

  /** What the configuration payload of this IKE_SA holds, the first time or anew. Returns at once. */
  configured(sa: IkeSaRef, pushed: Pushed): void {
    const known = this.#of(sa)
    const children = [...known.children.values()]
    for (const child of children) this.#tell('down', known, child)
    known.pushed = pushed
    if (pushed.role === 'initiator') {
      this.#addresses.assign(sa.id, pushed.addresses)
      for (const child of children) this.#restrict(known, child)
      this.#dns.assign(sa.id, sa.connection, pushed)
    }
    for (const child of children) this.#tell('up', known, child)
  }

  /** Takes everything back. */
  async close(): Promise<void> {
    // Those whose peers gave no answer to the DELETE.
    for (const [id, { status }] of [...this.#known]) this.#ikeGone({ id, connection: status?.sa.connection ?? '' })
    await this.#updown.close()
    await Promise.all([this.#dns.close(), this.#firewall?.close()])
    await this.#addresses.close()
  }

  /** Resolves when all that was asked for so far was tried. */
  async settled(): Promise<void> {
    await this.#followed()
    await this.#updown.settled()
  }

  #childUp(sa: IkeSaRef, child: ChildSaStatus): void {
    const known = this.#of(sa)
    known.children.set(child.spiIn, child)
    this.#restrict(known, child)
    this.#protect(sa, known, child)
    this.#tell('up', known, child)
  }

  #childReplaced(sa: IkeSaRef, old: ChildSaStatus, child: ChildSaStatus): void {
    const known = this.#of(sa)
    known.children.delete(old.spiIn)
    known.children.set(child.spiIn, child)
    this.#restrict(known, child)
    this.#protect(sa, known, child)
    this.#firewall?.release(keyOf(sa, old))
    // The same networks with fresh keys are no news.
    if (String([old.localTs, old.remoteTs]) === String([child.localTs, child.remoteTs])) return
    this.#tell('down', known, old)
    this.#tell('up', known, child)
  }

  #childDown(sa: IkeSaRef, child: ChildSaStatus): void {
    const known = this.#known.get(sa.id)
    if (known?.children.delete(child.spiIn) !== true) return
    this.#firewall?.release(keyOf(sa, child))
    this.#tell('down', known, child)
    if (![...known.children.values()].some(({ reqid }) => reqid === child.reqid)) {
      this.#routes?.restrict(child.reqid, undefined)
    }
  }

  #ikeGone(sa: IkeSaRef): void {
    const known = this.#known.get(sa.id)
    if (known === undefined) return
    for (const child of [...known.children.values()]) this.#childDown(sa, child)
    this.#known.delete(sa.id)
    this.#addresses.release(sa.id)
    this.#dns.release(sa.id)
  }

  #moved(event: Extract<IkeEvent, { kind: 'remote-moved' | 'local-moved' }>): void {
    const known = this.#known.get(event.sa.id)
    if (known?.status === undefined) return
    const end = event.kind === 'remote-moved' ? 'remote' : 'local'
    known.status = { ...known.status, [end]: event.to }
    for (const child of known.children.values()) this.#protect(event.sa, known, child)
  }

  /** What is behind the gateway, and its name servers; without networks it is what the selectors say. */
  #restrict({ pushed }: KnownIke, child: ChildSaStatus): void {
    if (pushed.role !== 'initiator' || pushed.subnets.length === 0) return
    const { subnets, dns } = pushed
    const outside = dns.filter((server) => !subnets.some((subnet) => containsAddress(subnet, server)))
    this.#routes?.restrict(child.reqid, [...subnets, ...outside.map((server) => ({ start: server, end: server }))])
  }

  #protect(sa: IkeSaRef, { status, pushed }: KnownIke, child: ChildSaStatus): void {
    if (status === undefined) return
    if (child.mode === 'transport') {
      const { address } = status.remote
      this.#firewall?.protect(keyOf(sa, child), { networks: [], peer: address, hosts: hostTrafficOf(child, address) })
      return
    }
    const selectors = child.remoteTs.flatMap(rangeOf)
    // Where the selectors let everything through, the pushed networks are all that is known to be inside.
    const networks = pushed.role === 'initiator' ? [...selectors, ...pushed.subnets] : selectors
    this.#firewall?.protect(keyOf(sa, child), { networks, peer: status.remote.address })
  }

  #tell(direction: 'up' | 'down', { status, pushed }: KnownIke, child: ChildSaStatus): void {
    if (status !== undefined) this.#updown.notify(direction, status, child, pushed, () => this.#followed())
  }

  async #followed(): Promise<void> {
    await this.#addresses.settled()
    await Promise.all([this.#routes?.settled(), this.#dns.settled(), this.#firewall?.settled()])
  }

  #of(sa: IkeSaRef): KnownIke {
    const known = this.#known.get(sa.id) ?? { status: undefined, pushed: nothingPushed, children: new Map() }
    this.#known.set(sa.id, known)
    return known
  }
}

function whatPeerWasTold({ addresses, attributes }: Extract<IkeEvent, { kind: 'assigned' }>): Pushed {
  const { domains, ...told } = readConfiguration(attributes)
  return { ...told, role: 'responder', addresses, domains: domains.map(({ name }) => name) }
}

const keyOf = (sa: IkeSaRef, child: ChildSaStatus): string => `${sa.id}/${child.spiIn}`

/**
 * The peer's packets that a CHILD_SA in transport mode is for, as far as its selectors name a protocol that neither IKE nor ESP comes by: all
 * UDP, or everything, may hold those.
 */
function hostTrafficOf({ localTs, remoteTs }: ChildSaStatus, peer: IpAddress): HostTraffic[] {
  const read = (texts: readonly string[]) => texts.map((text) => parseTrafficSelector(text))
  const traffic = read(remoteTs).flatMap((remote) =>
    read(localTs)
      .filter(({ protocol }) => protocol === remote.protocol)
      .map((local) => ({
        peer,
        protocol: remote.protocol,
        sourcePort: { first: remote.startPort, last: remote.endPort },
        destinationPort: { first: local.startPort, last: local.endPort },
      })),
  )
  return traffic.filter(({ protocol, destinationPort: { first, last } }) => {
    const isOpen = first === 0 && last === 65_535
    return protocol === UDP ? !isOpen : protocol !== 0 && protocol !== ESP && !isIcmp(protocol)
  })
}

const UDP = 17
const ESP = 50
/** Errors about what is outside come by it. */
const isIcmp = (protocol: number): boolean => protocol === 1 || protocol === 58

function rangeOf(selector: string): AddressRange[] {
  try {
    const { startAddress, endAddress } = parseTrafficSelector(selector)
    return [{ start: startAddress, end: endAddress }]
  } catch {
    return []
  }
}

async function undo(change: AppliedChange, run: CommandRunner): Promise<void> {
  if (change.kind === 'ip') {
    // It may have gone with its device, or with the rule beside it.
    await run('ip', change.words)
    return
  }
  if (change.kind === 'firewall') return firewallOf(change.tool, run).revert(change.device)
  const { backend, serversFile, pidFile } = change
  const files = serversFile === undefined || pidFile === undefined ? undefined : { serversFile, pidFile }
  if (backend === 'resolved' || backend === 'resolvconf' || backend === 'dnsmasq') {
    await dnsBackendOf(backend, run, files).revert(change.device)
  }
}
