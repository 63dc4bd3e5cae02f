import type { DatagramFate, LossReason } from './virtual-datagram.ts'

/** One numbered packet: the cargo of the datagrams that carry it. */
export class NumberedPacket {
  readonly ledger: PacketLedger
  readonly number: number
  readonly sentAt: number
  /** Datagrams that carry it and have not come to their end. */
  underWay = 0
  /** True while a gateway keeps it until there is a CHILD_SA. */
  waits = false
  /** Why the last datagram with it was lost by the network. */
  lostBy: LossReason | undefined
  /** Why a gateway dropped it. */
  refusedBy: string | undefined
  delivered = false

  constructor(ledger: PacketLedger, number: number, sentAt: number) {
    this.ledger = ledger
    this.number = number
    this.sentAt = sentAt
  }
}

/** A packet that was sent and did not arrive. */
export interface LostPacket {
  readonly number: number
  /** Ms of the clock, when it was sent. */
  readonly sentAt: number
  /** A `LossReason` of the network, or what dropped it at a gateway: a name of `XfrmCounter`, `device`, or `unknown`. */
  readonly cause: string
}

/** What became of the packets of one direction. Every packet is in exactly one of `delivered`, the two losses, `waiting` and `underWay`. */
export interface FlowReport {
  readonly sent: number
  /** Packets that arrived, each counted once. */
  readonly delivered: number
  /** Arrivals of packets that had arrived before. */
  readonly duplicated: number
  /** Packets that arrived after one that was sent later. */
  readonly reordered: number
  /** Packets of which the network lost every datagram, by its reasons. */
  readonly lostByNetwork: number
  readonly networkReasons: Readonly<Partial<Record<LossReason, number>>>
  /** Packets that did not arrive though the network did its part, or that never left: what a VPN must not do. */
  readonly lostByVpn: number
  /** The last thousand of each kind, or more. */
  readonly vpnLosses: readonly LostPacket[]
  readonly networkLosses: readonly LostPacket[]
  /** Given to a gateway that had no CHILD_SA for them, and not seen since. */
  readonly waiting: number
  readonly underWay: number
}

/** How many lost packets a report names of each kind. */
const NAMED_LOSSES = 1_000

/** Every so many packets the books are gone through for those that came to a host which did not say what became of them. */
const SWEEP_EVERY = 1_024

/** Keeps the books of one direction. What is settled is forgotten but for the counts, so that it can go on for months. */
export class PacketLedger {
  readonly #open = new Map<number, NumberedPacket>()
  readonly #networkReasons: Partial<Record<LossReason, number>> = {}
  readonly #networkLosses: LostPacket[] = []
  readonly #vpnLosses: LostPacket[] = []
  #next = 0
  #delivered = 0
  #duplicated = 0
  #reordered = 0
  #highest = -1
  #lostByNetwork = 0
  #lostByVpn = 0

  /** A packet that is about to be sent; call `left` afterwards. */
  begin(now: number): NumberedPacket {
    if (this.#next % SWEEP_EVERY === 0) this.#sweep()
    const packet = new NumberedPacket(this, this.#next++, now)
    this.#open.set(packet.number, packet)
    return packet
  }

  /** `outcome` as `VirtualGateway.inject` tells it. */
  left(packet: NumberedPacket, outcome: string): void {
    if (outcome === 'queued') packet.waits = packet.underWay === 0
    else if (outcome !== 'sent') packet.refusedBy = outcome
    this.#settle(packet)
  }

  /** A packet that was begun and is not settled. */
  find(number: number): NumberedPacket | undefined {
    return this.#open.get(number)
  }

  /** A datagram with the packet came to something. */
  note(packet: NumberedPacket, fate: DatagramFate): void {
    if (fate.kind === 'sent' || fate.kind === 'copied') {
      packet.underWay++
      packet.waits = false
      return
    }
    packet.underWay--
    // What has arrived is settled when its receiver has said what it is.
    if (fate.kind !== 'lost') return
    packet.lostBy = fate.reason
    this.#settle(packet)
  }

  /** A gateway dropped a datagram with the packet. */
  refused(packet: NumberedPacket, counter: string): void {
    packet.refusedBy = counter
    this.#settle(packet)
  }

  /** The packet of this number came out of the tunnel. */
  arrived(number: number): void {
    const packet = this.#open.get(number)
    if (packet === undefined || packet.delivered) {
      this.#duplicated++
      return
    }
    packet.delivered = true
    this.#delivered++
    if (number < this.#highest) this.#reordered++
    else this.#highest = number
    this.#settle(packet)
  }

  /** Call it between events, not while a datagram is being received. */
  report(): FlowReport {
    this.#sweep()
    const open = [...this.#open.values()].filter(({ delivered }) => !delivered)
    const waiting = open.filter(({ waits }) => waits).length
    return {
      sent: this.#next,
      delivered: this.#delivered,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      lostByNetwork: this.#lostByNetwork,
      networkReasons: { ...this.#networkReasons },
      lostByVpn: this.#lostByVpn,
      vpnLosses: [...this.#vpnLosses],
      networkLosses: [...this.#networkLosses],
      waiting,
      underWay: open.length - waiting,
    }
  }

  #sweep(): void {
    for (const packet of this.#open.values()) this.#settle(packet)
  }

  #settle(packet: NumberedPacket): void {
    if (packet.underWay > 0 || packet.waits || !this.#open.has(packet.number)) return
    this.#open.delete(packet.number)
    if (packet.delivered) return
    const { number, sentAt, lostBy, refusedBy } = packet
    // Refused by a gateway weighs more: one of its datagrams had come there.
    if (refusedBy === undefined && lostBy !== undefined) {
      this.#lostByNetwork++
      this.#networkReasons[lostBy] = (this.#networkReasons[lostBy] ?? 0) + 1
      remember(this.#networkLosses, { number, sentAt, cause: lostBy })
    } else {
      this.#lostByVpn++
      remember(this.#vpnLosses, { number, sentAt, cause: refusedBy ?? 'unknown' })
    }
  }
}

function remember(losses: LostPacket[], loss: LostPacket): void {
  losses.push(loss)
  if (losses.length > 2 * NAMED_LOSSES) losses.splice(0, losses.length - NAMED_LOSSES)
}
