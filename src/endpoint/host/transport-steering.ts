import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { PlatformError } from '../../errors.ts'
import { containsAddress, formatIp, type IpAddress } from '../../ip/index.ts'
import type { PortRange, XfrmSelector } from '../../xfrm/port.ts'
import type { IpCommand } from '../ip-command.ts'
import type { Log } from '../log.ts'
import type { AppliedState } from './applied-state.ts'
import { Serial } from './serial.ts'

/** Preference of our rules, behind `local`, and the table that they lead to. */
const PREFERENCE = '7296'
/** Of what is outside always, in front of them. */
const OUTSIDE_PREFERENCE = '7295'
const TABLE = '7296'
/** Of our own packets, where the settings name none: one bit, so that rules of others can be told from it. */
export const defaultTransportMark = 0x0800_0000

const ICMP = 1
const TCP = 6
const UDP = 17
const ESP = 50
const ICMPV6 = 58

/** What a policy in transport mode asks for: packets of the selector from this host to the peer go into the TUN device. */
export interface SteeringRequest {
  readonly selector: XfrmSelector
  /** The outer addresses, which are those of the packets too. */
  readonly local: IpAddress
  readonly peer: IpAddress
}

interface Rule {
  users: number
  /** Arguments of `ip` that take it back, undefined while it is not there. */
  undo: string[] | undefined
}

/** Ports of what is outside always. */
export interface OutsidePorts {
  /** Our UDP ports. */
  readonly ike: number
  readonly nat: number
  /** Our TCP port and those of peers, for ESP in TCP, whose sockets have no mark. RFC 9329. */
  readonly tcp?: { readonly local: number | undefined; readonly remote: readonly number[] }
}

interface World {
  readonly device: string
  /** SO_MARK of the outer sockets, whose packets pass by. Not 0. */
  readonly mark: number
  readonly ports: OutsidePorts
  readonly ip: IpCommand
  readonly log: Log
  readonly state: AppliedState
  /** For tests; default: /proc/sys. */
  readonly sysctls?: string
}

/**
 * Leads this host's own packets to a peer into the TUN device, by protocol and ports, as transport mode asks: a rule for each policy leads to a
 * table with a route to the peer's address. What the outer sockets send carries a mark, and is left alone. Changes run one after the other;
 * a failure is logged and hinders nothing else.
 */
export class TransportSteering {
  readonly #world: World
  readonly #serial: Serial
  /** By index of the policy. */
  readonly #policies = new Map<number, readonly string[]>()
  readonly #rules = new Map<string, Rule>()

  /** Finds out whether it can work here. Throws `PlatformError` with the command, or the sysctl, that is refused. */
  static async open(world: World): Promise<TransportSteering> {
    admitReturnPath(world.device, world.sysctls ?? '/proc/sys')
    // For documentation, RFC 5737: nobody is there.
    const probe = ['to', '192.0.2.1/32', 'iif', 'lo', ...markWords(world.mark), 'ipproto', '17', 'dport', '9']
    const words = [...probe, 'lookup', TABLE, 'pref', PREFERENCE]
    try {
      await world.ip(['rule', 'add', ...words])
      await world.ip(['rule', 'del', ...words])
    } catch (error) {
      const remedy = 'transport mode needs rules by protocol and port (Linux 4.17) and CAP_NET_ADMIN'
      throw new PlatformError('NO_STEERING', (error as Error).message, remedy, { cause: error })
    }
    return new TransportSteering(world)
  }

  private constructor(world: World) {
    this.#world = world
    this.#serial = new Serial((error) =>
      world.log.write('error', 'steering', error instanceof Error ? error.message : String(error)),
    )
  }

  /** The outbound policy of this index is there, or is another one. Returns at once. */
  follow(index: number, request: SteeringRequest): void {
    const before = this.#policies.get(index) ?? []
    const steps = stepsOf(request, this.#world)
    if (steps === undefined) {
      const text = 'a selector by ICMP type cannot be steered ("ip rule" knows no types): the packets are not encrypted'
      this.#world.log.write('error', 'steering', text)
    }
    const wanted = steps ?? []
    this.#policies.set(
      index,
      wanted.map(({ key }) => key),
    )
    // The new ones first: what both have stays where it is.
    for (const step of wanted) this.#use(step)
    for (const key of [...before].reverse()) this.#release(key)
  }

  /** The policy is gone. Returns at once. */
  forget(index: number): void {
    const keys = this.#policies.get(index)
    if (keys === undefined) return
    this.#policies.delete(index)
    for (const key of [...keys].reverse()) this.#release(key)
  }

  /** Resolves when all changes asked for so far were tried. */
  settled(): Promise<void> {
    return this.#serial.settled()
  }

  async close(): Promise<void> {
    for (const index of [...this.#policies.keys()]) this.forget(index)
    await this.settled()
  }

  #use({ key, add, undo }: Step): void {
    const known = this.#rules.get(key)
    if (known !== undefined) {
      known.users++
      return
    }
    const rule: Rule = { users: 1, undo: undefined }
    this.#rules.set(key, rule)
    const { ip, log, state } = this.#world
    this.#serial.add(async () => {
      state.note({ kind: 'ip', device: this.#world.device, words: undo })
      await ip(add)
      rule.undo = undo
      log.write('info', 'steering', `ip ${add.join(' ')}`)
    })
  }

  #release(key: string): void {
    const rule = this.#rules.get(key)
    if (rule === undefined || --rule.users > 0) return
    this.#rules.delete(key)
    const { ip, state, device } = this.#world
    this.#serial.add(async () => {
      const { undo } = rule
      if (undo === undefined) return
      // The device may be gone, and its routes with it.
      await ip(undo).catch(() => '')
      state.forget({ kind: 'ip', device, words: undo })
    })
  }
}

interface Step {
  readonly key: string
  readonly add: string[]
  readonly undo: string[]
}

/** The route before the rule that leads to it; undefined for a selector that no rule can say. */
function stepsOf({ selector, local, peer }: SteeringRequest, { device, mark, ports }: World): Step[] | undefined {
  if (!containsAddress(selector.destination, peer)) return []
  const { protocol, sourcePort, destinationPort } = selector
  const isIcmp = protocol === ICMP || protocol === ICMPV6
  if (isIcmp && !(isAny(sourcePort) && isAny(destinationPort))) return undefined
  const family = peer.length === 4 ? '-4' : '-6'
  const to = `${formatIp(peer)}/${8 * peer.length}`
  const route = [to, 'dev', device, 'src', formatIp(local), 'table', TABLE]
  const rule = [
    ...['to', to, 'iif', 'lo', ...markWords(mark)],
    ...(protocol === 0 ? [] : ['ipproto', String(protocol)]),
    ...portWords('sport', sourcePort),
    ...portWords('dport', destinationPort),
    ...['lookup', TABLE, 'pref', PREFERENCE],
  ]
  const outside = [
    ...(family === '-4' && [0, UDP, ESP].includes(protocol) ? returnRules(to, ports) : []),
    ...([0, TCP].includes(protocol) ? streamRules(family, to, ports) : []),
  ]
  return [step(family, 'route', route), ...outside, step(family, 'rule', rule)]
}

/**
 * A strict `rp_filter` asks for the way back of what comes, which has no mark: that of IKE and ESP is the usual one, though the selector holds
 * them. Without `iif lo`, for which the kernel would not look at ports there.
 */
function returnRules(to: string, ports: OutsidePorts): Step[] {
  const rule = (...words: string[]) => outsideRule('-4', to, words)
  const udp = [ports.ike, ports.nat].map((port) => rule('ipproto', String(UDP), 'sport', String(port)))
  return [...udp, rule('ipproto', String(ESP))]
}

/** TCP connections that carry ESP must not be carried by themselves. */
function streamRules(family: string, to: string, { tcp }: OutsidePorts): Step[] {
  const rule = (word: string, port: number) => outsideRule(family, to, ['ipproto', String(TCP), word, String(port)])
  const local = tcp?.local === undefined ? [] : [rule('sport', tcp.local)]
  return [...local, ...(tcp?.remote ?? []).map((port) => rule('dport', port))]
}

const outsideRule = (family: string, to: string, words: string[]): Step =>
  step(family, 'rule', ['to', to, ...words, 'lookup', 'main', 'pref', OUTSIDE_PREFERENCE])

const step = (family: string, what: string, words: string[]): Step => ({
  key: [family, what, ...words].join(' '),
  add: [family, what, 'add', ...words],
  undo: [family, what, 'del', ...words],
})

/** None of the mark's bits. */
const markWords = (mark: number): string[] => ['fwmark', `0/0x${(mark >>> 0).toString(16)}`]

const isAny = ({ first, last }: PortRange): boolean => first === 0 && last === 65_535

function portWords(word: string, range: PortRange): string[] {
  if (isAny(range)) return []
  return [word, range.first === range.last ? String(range.first) : `${range.first}-${range.last}`]
}

/**
 * The way back to the peer leads elsewhere for whoever has no port, so a strict `rp_filter` would drop what we deliver: the device gets the loose
 * one. It is ours and goes with us; the greater of its own value and that of `all` counts.
 */
function admitReturnPath(device: string, sysctls: string): void {
  const value = (name: string) => Number(readFileSync(`${sysctls}/net/ipv4/conf/${name}/rp_filter`, 'latin1'))
  if (!existsSync(`${sysctls}/net/ipv4/conf/${device}/rp_filter`)) return
  if (Math.max(value('all'), value(device)) !== 1) return
  const sysctl = `net.ipv4.conf.${device}.rp_filter`
  try {
    writeFileSync(`${sysctls}/net/ipv4/conf/${device}/rp_filter`, '2')
  } catch (error) {
    const problem = `${sysctl} cannot be set to 2, and what is decrypted in transport mode would be dropped`
    throw new PlatformError('NO_STEERING', problem, `sysctl -w net.ipv4.conf.all.rp_filter=2`, { cause: error })
  }
}
