import { formatIp, parseIp, type SocketAddress } from '../ip/address.ts'
import { HeldMail } from './held-mail.ts'
import { Dice } from './hostile-dice.ts'
import { defaultConditions, Link, type LinkConditions } from './link-conditions.ts'
import { type MessageFilter, matches } from './message-filter.ts'
import { type MessageRule, MessageRules, type RuleSpan } from './message-rules.ts'
import { Receivers } from './receivers.ts'
import type { VirtualClock } from './virtual-clock.ts'
import type { DatagramFate, LossReason, Receiver, VirtualDatagram } from './virtual-datagram.ts'
import type { VirtualSegment } from './virtual-segment.ts'

export { VirtualClock } from './virtual-clock.ts'
export type { VirtualDatagram } from './virtual-datagram.ts'

/** Decides what becomes of a datagram: any number of datagrams in its place, none to lose it. */
export type VirtualPath = (datagram: VirtualDatagram) => readonly VirtualDatagram[]

export interface NetworkOptions extends Partial<LinkConditions> {
  /** Of all chance on this network; default `network`. */
  readonly seed?: string
  /** How many datagrams `sent` keeps; default all. */
  readonly remember?: number
}

/**
 * Carries datagrams between addresses on a virtual clock. What is sent meets, in this order: the rules (`drop`, `mutate` and
 * their like), the held mail, `path`, and the conditions of the link (latency, loss and so on). All chance comes from the seed.
 */
export class VirtualNetwork implements VirtualSegment {
  readonly clock: VirtualClock
  /** Replaced by tests at any time. */
  path: VirtualPath = (datagram) => [datagram]
  /** The datagrams that were sent, in order, before anything happened to them: the last `remember` of them. */
  readonly sent: VirtualDatagram[] = []
  readonly #remember: number
  readonly #dice: Dice
  readonly #receivers = new Receivers()
  readonly #links = new Map<string, Link>()
  readonly #rules = new MessageRules()
  readonly #boxes = new Map<HeldMail, MessageFilter>()
  readonly #observers = new Set<(fate: DatagramFate, now: number) => void>()
  #conditions: LinkConditions
  #named: { readonly from: string; readonly to: string; readonly conditions: Partial<LinkConditions> }[] = []

  /** A number in place of options is the latency in ms. */
  constructor(clock: VirtualClock, options: NetworkOptions | number = {}) {
    const {
      seed = 'network',
      remember = Number.POSITIVE_INFINITY,
      ...conditions
    } = typeof options === 'number' ? { latencyMs: options } : options
    this.clock = clock
    this.#remember = remember
    this.#dice = new Dice(seed)
    this.#conditions = { ...defaultConditions, ...conditions }
  }

  get network(): this {
    return this
  }

  /** Changes the conditions of all links from here on; what is under way arrives as it would have. */
  configure(conditions: Partial<LinkConditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions }
    this.#refresh()
  }

  /** Changes the conditions of one direction: addresses as text, `*` for any. What is set later wins. */
  configureLink(from: string, to: string, conditions: Partial<LinkConditions>): void {
    for (const text of [from, to]) if (text !== '*') parseIp(text)
    this.#named.push({ from, to, conditions })
    this.#refresh()
  }

  bind(address: SocketAddress, receiver: Receiver, role: 'host' | 'carrier' = 'host'): () => void {
    return this.#receivers.bind(address, receiver, role)
  }

  send(datagram: VirtualDatagram): void {
    this.#keep(datagram)
    this.#tell('sent', datagram)
    const ruled = this.#rules.apply(datagram)
    this.#count(datagram, ruled, 'rule')
    for (const one of ruled) {
      const box = this.#boxFor(one)
      if (box !== undefined) box.put(one)
      else this.#forward(one)
    }
  }

  /** Puts a datagram before its receiver within this call, as if it came from the wire at this moment. */
  inject(datagram: VirtualDatagram): void {
    this.#tell('copied', datagram)
    this.#arrive(datagram, this.clock.now)
  }

  /** Loses the datagrams that fit: all of them, or those of the span. */
  drop(filter: MessageFilter, span: RuleSpan = {}): MessageRule {
    return this.#rules.add(filter, () => [], span)
  }

  /** Sends each that fits `copies` times more (default once), each `delayMs` later than the one before. */
  duplicate(filter: MessageFilter, span: RuleSpan & { copies?: number; delayMs?: number } = {}): MessageRule {
    const { copies = 1, delayMs = 0 } = span
    const replace = (datagram: VirtualDatagram) =>
      Array.from({ length: 1 + copies }, (_, i) => delayed(datagram, i * delayMs))
    return this.#rules.add(filter, replace, span)
  }

  /** Lets those that fit arrive `delayMs` later, behind others. */
  delay(filter: MessageFilter, delayMs: number, span: RuleSpan = {}): MessageRule {
    return this.#rules.add(filter, (datagram) => [delayed(datagram, delayMs)], span)
  }

  /** Changes the payload of those that fit. `change` gets a copy; what it returns, or the copy when nothing, takes its place. */
  mutate(
    filter: MessageFilter,
    change: (payload: Uint8Array) => Uint8Array | undefined,
    span: RuleSpan = {},
  ): MessageRule {
    const replace = (datagram: VirtualDatagram) => {
      const payload = datagram.payload.slice()
      return [{ ...datagram, payload: change(payload) ?? payload }]
    }
    return this.#rules.add(filter, replace, span)
  }

  /** Keeps back the datagrams that fit (all IKE messages when nothing is said), for the test to deliver. */
  hold(filter: MessageFilter = { kind: 'ike' }): HeldMail {
    const mail = new HeldMail({
      arrive: (datagram) => this.#arrive(datagram, this.clock.now),
      copy: (datagram) => this.inject(datagram),
      forward: (datagram) => this.#forward(datagram),
      lose: (datagram) => this.lose(datagram, 'held'),
      close: () => this.#boxes.delete(mail),
    })
    this.#boxes.set(mail, filter)
    return mail
  }

  /** Tells `observer` what becomes of every datagram. Returns what ends it. */
  observe(observer: (fate: DatagramFate, now: number) => void): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** Says that a datagram came to its end; NATs and hosts call it for what they do not carry. */
  lose(datagram: VirtualDatagram, reason: LossReason): void {
    for (const observer of this.#observers) observer({ kind: 'lost', datagram, reason }, this.clock.now)
  }

  /** Says that one was sent, or has arrived: NATs and hosts call it for what they carry past the network. */
  note(kind: 'sent' | 'arrived', datagram: VirtualDatagram): void {
    this.#tell(kind, datagram)
  }

  #forward(datagram: VirtualDatagram): void {
    const found = this.path(datagram)
    this.#count(datagram, found, 'path')
    for (const one of found) this.#carry(one)
  }

  #carry(datagram: VirtualDatagram): void {
    const link = this.#linkFor(datagram)
    const reason = link.loses(datagram)
    if (reason !== undefined) return this.lose(datagram, reason)
    const arrive = (now: number) => this.#arrive(datagram, now)
    this.clock.schedule(link.arrivalOf(datagram, this.clock.now), arrive)
    if (!link.doubles()) return
    this.#tell('copied', datagram)
    this.clock.schedule(link.arrivalOf(datagram, this.clock.now), arrive)
  }

  #arrive(datagram: VirtualDatagram, now: number): void {
    const found = this.#receivers.find(datagram.to)
    if (found === undefined) return this.lose(datagram, 'unreachable')
    if (found.role === 'host') this.#tell('arrived', datagram)
    found.receiver(datagram, now)
  }

  /** One was sent: `left` of it are under way. */
  #count(datagram: VirtualDatagram, left: readonly VirtualDatagram[], reason: LossReason): void {
    if (left.length === 0) this.lose(datagram, reason)
    for (const one of left.slice(1)) this.#tell('copied', one)
  }

  #boxFor(datagram: VirtualDatagram): HeldMail | undefined {
    for (const [mail, filter] of this.#boxes) if (matches(filter, datagram)) return mail
    return undefined
  }

  #linkFor({ from, to }: VirtualDatagram): Link {
    const [source, destination] = [formatIp(from.address), formatIp(to.address)]
    const key = `${source} ${destination}`
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new Link(this.#conditionsOf(source, destination), this.#dice)
      this.#links.set(key, link)
    }
    return link
  }

  #conditionsOf(from: string, to: string): LinkConditions {
    const fits = (name: string, address: string) => name === '*' || name === address
    const named = this.#named.filter((one) => fits(one.from, from) && fits(one.to, to))
    return Object.assign({}, this.#conditions, ...named.map(({ conditions }) => conditions))
  }

  #refresh(): void {
    for (const [key, link] of this.#links) {
      const [from, to] = key.split(' ')
      link.conditions = this.#conditionsOf(from!, to!)
    }
  }

  #keep(datagram: VirtualDatagram): void {
    if (this.#remember === 0) return
    this.sent.push(datagram)
    // Cut off seldom: taking one from the front moves all.
    if (this.sent.length > 2 * this.#remember + 64) this.sent.splice(0, this.sent.length - this.#remember)
  }

  #tell(kind: 'sent' | 'copied' | 'arrived', datagram: VirtualDatagram): void {
    for (const observer of this.#observers) observer({ kind, datagram }, this.clock.now)
  }
}

const delayed = (datagram: VirtualDatagram, delayMs: number): VirtualDatagram => ({
  ...datagram,
  delayMs: (datagram.delayMs ?? 0) + delayMs,
})
