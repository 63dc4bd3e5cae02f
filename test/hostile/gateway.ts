import { concat, readU16 } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Datapath, DatapathStatus, droppedAs, HEADROOM, TAILROOM } from '../../src/datapath/index.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import type { IkeAction, IkeEvent, MessageEvent } from '../../src/ike/events.ts'
import { IkeEndpoint, type IkeEndpointOptions } from '../../src/ike/ike-endpoint.ts'
import { answerIcmpEcho, buildIcmpEcho, type IpAddress, parseIp, type SocketAddress } from '../../src/ip/index.ts'
import { classify, DatagramKind } from '../../src/nat-t/index.ts'
import type { Dice } from '../../src/testing/hostile-dice.ts'
import { StatePhase, type XfrmPolicy, type XfrmState } from '../../src/xfrm/index.ts'
import { Xfrm } from '../../src/xfrm/xfrm.ts'

/** A UDP datagram as it is on the network; on port 4500 with its marker. */
export interface Datagram {
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly payload: Uint8Array
}

const marker = new Uint8Array(4)

/**
 * Both planes of one VPN gateway joined as an endpoint joins them, but with time and network of the caller's. Hosts behind
 * it answer pings.
 */
export class Gateway {
  readonly address: IpAddress
  readonly ike: IkeEndpoint
  readonly xfrm: Xfrm
  readonly datapath: Datapath
  /** What it sends, for the caller to take away. */
  readonly outbox: Datagram[] = []
  /** Events of the last call. */
  events: IkeEvent[] = []
  /** Sees every event. */
  onEvent: (event: IkeEvent) => void = () => {}
  /** Sees every inner packet that comes out of a tunnel. */
  onDeliver: (packet: Uint8Array) => void = () => {}
  /** Sequence numbers of the echo replies that came back. */
  readonly replies = new Set<number>()
  #now = 0
  #told: (() => IkeAction[])[] = []
  #sent = 0

  constructor(
    address: string,
    connections: readonly ConnectionConfig[],
    dice: Dice,
    limits: IkeEndpointOptions['limits'] = {},
  ) {
    this.address = parseIp(address)
    this.xfrm = new Xfrm({
      crypto: nodeProvider,
      random: dice.octets,
      clock: () => this.#now,
      listener: {
        acquire: (acquire) => this.#told.push(() => this.ike.acquire(acquire, this.#now)),
        expire: (expire) => this.#told.push(() => this.ike.expire(expire, this.#now)),
        mapping: (mapping) => this.#told.push(() => this.ike.mapping(mapping, this.#now)),
      },
    })
    this.ike = new IkeEndpoint({ crypto: nodeProvider, random: dice.octets, xfrm: this.xfrm, connections, limits })
    this.datapath = new Datapath(this.xfrm, {
      sendEsp: (buffer, offset, length, state) => this.#sendEsp(buffer.slice(offset, offset + length), state),
      deliver: (buffer, offset, length) => this.#deliver(buffer.slice(offset, offset + length)),
    })
  }

  /** Takes a datagram; says in a few words what became of it. */
  receive({ from, to, payload }: Datagram, now: number): string {
    this.#begin(now)
    // Overwritten afterwards: nothing of a borrowed datagram may be kept.
    const borrowed = payload.slice()
    const outcome = this.#take(borrowed, from, to)
    borrowed.fill(0xa5)
    return outcome
  }

  /** Serves the timers that are due. */
  tick(now: number): void {
    this.#begin(now)
    if (this.ike.nextTimeoutAt() <= now) this.perform(this.ike.handleTimeouts(now))
    if (this.xfrm.nextExpiryAt() <= now) this.xfrm.expireDue(now)
    this.#passOn()
  }

  perform(actions: readonly IkeAction[]): void {
    for (const action of actions) {
      if (action.type === 'event') {
        // Our own mistakes do not leave the core, but are told: here they are failures.
        if (action.event.kind === 'internal-error') throw action.event.error
        this.events.push(action.event)
        this.onEvent(action.event)
      } else if (action.type !== 'ask' && action.type !== 'connect') {
        const { local: from, remote: to } = action
        if (action.type === 'keepalive') this.outbox.push({ from, to, payload: Uint8Array.of(0xff) })
        else {
          this.#sent++
          this.outbox.push({ from, to, payload: action.nonEspMarker ? concat(marker, action.message) : action.message })
        }
      }
    }
  }

  /** Sends an echo request from a host behind this gateway; the reply's sequence number shows up in `replies`. */
  ping(source: string, destination: string, sequence: number, now: number): void {
    this.#begin(now)
    const addresses = { source: parseIp(source), destination: parseIp(destination) }
    this.#sendInner(buildIcmpEcho('request', { ...addresses, identifier: 7, sequence, data: new Uint8Array(56) }))
  }

  policies(): readonly XfrmPolicy[] {
    return [...this.xfrm.policies()]
  }

  states(phase: StatePhase = StatePhase.VALID): readonly XfrmState[] {
    return [...this.xfrm.states()].filter((state) => state.phase === phase)
  }

  #begin(now: number): void {
    this.#now = now
    this.events = []
    this.#sent = 0
  }

  #take(payload: Uint8Array, remote: SocketAddress, local: SocketAddress): string {
    const kind = classify(payload, 0, payload.length, local.port === 500)
    if (kind === DatagramKind.INVALID) return 'demux: invalid'
    if (kind === DatagramKind.KEEPALIVE) return 'demux: keepalive'
    if (kind === DatagramKind.ESP) {
      const status = this.datapath.receiveEsp(payload, 0, payload.length, remote, local, this.#now)
      this.#passOn()
      if (status === DatapathStatus.DUMMY) return 'ESP: dummy'
      return status === DatapathStatus.DONE ? 'ESP: delivered' : `ESP: ${droppedAs(status)}`
    }
    const message = local.port === 500 ? payload : payload.subarray(marker.length)
    this.perform(this.ike.handleDatagram({ local, remote, message }, this.#now))
    this.#passOn()
    return `IKE: ${this.#ikeOutcome()}`
  }

  #ikeOutcome(): string {
    const answer = this.events.findLast(isOutbound)
    const notify = answer?.payloads.find((name) => name.startsWith('N(') && !name.startsWith('N(NAT_DETECTION'))
    const dropped = this.events.find((event) => event.kind === 'dropped')
    if (dropped !== undefined) return `dropped, ${dropped.reason}${notify === undefined ? '' : `, answered ${notify}`}`
    if (answer !== undefined) {
      const closed = this.events.some((event) => event.kind === 'ike-closed')
      const what = answer.response ? 'answered' : 'taken, next request'
      return `${what} ${answer.exchange} ${notify ?? ''}`.trimEnd() + (closed ? ', closed' : '')
    }
    if (this.#sent > 0) return 'sent the earlier response again'
    if (this.events.some((event) => event.kind === 'ike-closed')) return 'closed'
    return this.events.length > 0 ? 'taken' : 'ignored'
  }

  #passOn(): void {
    while (this.#told.length > 0) {
      const told = this.#told
      this.#told = []
      for (const tell of told) this.perform(tell())
    }
  }

  #deliver(packet: Uint8Array): void {
    this.onDeliver(packet)
    const reply = answerIcmpEcho(packet)
    if (reply !== undefined) this.#sendInner(reply)
    else if (packet.length >= 28 && packet[9] === 1 && packet[20] === 0) this.replies.add(readU16(packet, 26))
  }

  #sendInner(packet: Uint8Array): void {
    this.datapath.sendInner(
      concat(new Uint8Array(HEADROOM), packet, new Uint8Array(TAILROOM)),
      HEADROOM,
      packet.length,
      this.#now,
    )
    this.#passOn()
  }

  #sendEsp(payload: Uint8Array, { saddr, daddr, encap }: XfrmState): void {
    this.outbox.push({
      from: { address: saddr, port: encap!.sport },
      to: { address: daddr, port: encap!.dport },
      payload,
    })
  }
}

const isOutbound = (event: IkeEvent): event is MessageEvent => event.kind === 'message' && event.direction === 'out'
