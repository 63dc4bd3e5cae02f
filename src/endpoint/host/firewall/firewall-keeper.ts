import { networkInterfaces } from 'node:os'
import { formatIp } from '../../../ip/address.ts'
import { formatRange } from '../../../ip/prefix.ts'
import type { AddressRange } from '../../../xfrm/port.ts'
import type { Log } from '../../log.ts'
import type { AppliedChange, AppliedState } from '../applied-state.ts'
import { Serial } from '../serial.ts'
import type { FirewallTool } from './firewall-tool.ts'
import type { AttachedNetwork, HostTraffic } from './rules.ts'

/** What one CHILD_SA makes the TUN device the only way in for. */
export interface Protected {
  readonly networks: readonly AddressRange[]
  /** The peer's outer address. */
  readonly peer: Uint8Array
  /** The peer's own packets, which come through the device alone. */
  readonly hosts?: readonly HostTraffic[]
}

/**
 * Rules that drop packets with an inner source address of a peer, when they come in by any interface but the TUN device: for as long as a
 * CHILD_SA has that network. What comes through the TUN device was checked against the CHILD_SA's policy.
 */
export class FirewallKeeper {
  readonly #tool: FirewallTool | undefined
  readonly #device: string
  readonly #log: Log
  readonly #state: AppliedState
  readonly #change: AppliedChange
  readonly #attached: () => readonly AttachedNetwork[]
  readonly #children = new Map<string, Protected>()
  readonly #serial: Serial
  #pending = false
  /** The rules that stand, as text; empty: none. */
  #applied = ''
  #complained = false

  constructor(world: {
    tool: FirewallTool | undefined
    device: string
    log: Log
    state: AppliedState
    attached?: () => readonly AttachedNetwork[]
  }) {
    this.#tool = world.tool
    this.#device = world.device
    this.#log = world.log
    this.#state = world.state
    this.#change = { kind: 'firewall', tool: world.tool?.name ?? 'none', device: world.device }
    this.#attached = world.attached ?? attachedNetworks
    this.#serial = new Serial((error) => this.#complain(error instanceof Error ? error.message : String(error)))
  }

  /** The CHILD_SA `key` has these networks. Returns at once. */
  protect(key: string, child: Protected): void {
    if (this.#tool === undefined) {
      this.#complain('neither nft nor iptables is there: install one, or set firewall to "none"')
      return
    }
    const networks = child.networks.filter((network) => !isEverything(network))
    if (networks.length < child.networks.length) {
      const text = 'a peer stands for every address: forged sources among them cannot be told on other interfaces'
      this.#log.write('debug', 'firewall', text)
    }
    this.#children.set(key, { networks, peer: child.peer.slice(), hosts: child.hosts ?? [] })
    this.#reconcileSoon()
  }

  /** The CHILD_SA is gone. Returns at once. */
  release(key: string): void {
    if (this.#children.delete(key)) this.#reconcileSoon()
  }

  /** Resolves when the rules are those asked for so far. */
  settled(): Promise<void> {
    return this.#serial.settled()
  }

  async close(): Promise<void> {
    this.#children.clear()
    this.#reconcileSoon()
    await this.settled()
  }

  /** Many CHILD_SAs may come at once: the rules are made once for all that came while the last ones were set. */
  #reconcileSoon(): void {
    if (this.#pending) return
    this.#pending = true
    this.#serial.add(async () => {
      this.#pending = false
      await this.#reconcile()
    })
  }

  async #reconcile(): Promise<void> {
    const tool = this.#tool
    if (tool === undefined) return
    const children = [...this.#children.values()].filter(
      ({ networks, hosts = [] }) => networks.length + hosts.length > 0,
    )
    const networks = distinct(children.flatMap((child) => child.networks))
    const peers = [...new Map(children.map(({ peer }) => [String(peer), peer])).values()]
    const hosts = children.flatMap((child) => child.hosts ?? [])
    const attached = this.#attached()
    const words = [...networks.map(formatRange), ...hosts.map(describeHost)].join(', ')
    const wanted = words === '' ? '' : JSON.stringify([words, hosts, peers.map(String), attached])
    if (wanted === this.#applied) return
    if (words === '') {
      await tool.revert(this.#device)
      this.#state.forget(this.#change)
      this.#log.write('info', 'firewall', `rules taken back (${tool.name})`)
    } else {
      this.#state.note(this.#change)
      this.#applied = 'unknown'
      await tool.apply({ device: this.#device, networks, peers, attached, hosts })
      this.#log.write('info', 'firewall', `packets from ${words} only through ${this.#device} (${tool.name})`)
    }
    this.#applied = wanted
    this.#complained = false
  }

  /** Once, until it works again. */
  #complain(problem: string): void {
    this.#log.write(this.#complained ? 'debug' : 'warn', 'firewall', `no rules against forged sources: ${problem}`)
    this.#complained = true
  }
}

const describeHost = ({ peer, protocol }: HostTraffic): string => `${formatIp(peer)} (protocol ${protocol})`

const isEverything = ({ start, end }: AddressRange): boolean =>
  start.every((octet) => octet === 0) && end.every((octet) => octet === 255)

const distinct = (ranges: readonly AddressRange[]): AddressRange[] => [
  ...new Map(ranges.map((range) => [formatRange(range), range])).values(),
]

/** What this machine's interfaces are in: packets from there are not forged. An address alone is no network. */
function attachedNetworks(): AttachedNetwork[] {
  return Object.entries(networkInterfaces()).flatMap(([device, entries]) =>
    (entries ?? []).flatMap(({ cidr, internal }) => {
      const isHost = cidr === null || /^[^:]+\/32$|:.*\/128$/.test(cidr)
      return isHost || internal || !/^[A-Za-z0-9_.@-]{1,15}$/.test(device) ? [] : [{ device, network: cidr }]
    }),
  )
}
