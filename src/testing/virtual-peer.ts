import { concat } from '../bytes/index.ts'
import { nobleProvider } from '../crypto/noble.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeAction, IkeEvent } from '../ike/events.ts'
import { IkeEndpoint, type IkeEndpointOptions } from '../ike/ike-endpoint.ts'
import { type IpAddress, parseIp, type SocketAddress } from '../ip/address.ts'
import { KEEPALIVE_PAYLOAD } from '../nat-t/keepalive.ts'
import type { XfrmPort } from '../xfrm/port.ts'
import { RecordingXfrm } from './recording-xfrm.ts'
import { seededRandom } from './seeded-random.ts'
import type { VirtualDatagram, VirtualNetwork } from './virtual-network.ts'

const MARKER = new Uint8Array(4)

export interface VirtualPeerOptions {
  /** IPv4 or IPv6 text. */
  readonly address: string
  readonly connections: readonly ConnectionConfig[]
  /** Seed of all randomness; the address when absent. */
  readonly seed?: string
  readonly crypto?: CryptoProvider
  readonly xfrm?: XfrmPort
  readonly limits?: IkeEndpointOptions['limits']
}

/** An IKE endpoint on a virtual network: same inputs, same octets, no socket and no real time. */
export class VirtualPeer {
  readonly address: IpAddress
  readonly ike: IkeEndpoint
  readonly xfrm: XfrmPort
  /** All events so far, in order. */
  readonly events: IkeEvent[] = []
  readonly #network: VirtualNetwork
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(network: VirtualNetwork, options: VirtualPeerOptions) {
    this.#network = network
    this.address = parseIp(options.address)
    this.xfrm = options.xfrm ?? new RecordingXfrm()
    this.ike = new IkeEndpoint({
      crypto: options.crypto ?? nobleProvider,
      random: seededRandom(options.seed ?? options.address),
      xfrm: this.xfrm,
      connections: options.connections,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    })
    network.bind({ address: this.address, port: 500 }, (datagram, now) => this.#receive(datagram, now))
    network.bind({ address: this.address, port: 4500 }, (datagram, now) => this.#receive(datagram, now))
  }

  get now(): number {
    return this.#network.clock.now
  }

  /** Events of one kind so far. */
  eventsOf<Kind extends IkeEvent['kind']>(kind: Kind): Extract<IkeEvent, { kind: Kind }>[] {
    return this.events.filter((event): event is Extract<IkeEvent, { kind: Kind }> => event.kind === kind)
  }

  initiate(connection: string, child?: string): void {
    this.perform(
      this.ike.initiate(connection, this.now, {
        localAddress: this.address,
        ...(child === undefined ? {} : { child }),
      }),
    )
  }

  /** Carries out what a call into `ike` gave back. Throws what an `internal-error` holds: a test must not pass over it. */
  perform(actions: readonly IkeAction[]): void {
    for (const action of actions) {
      if (action.type === 'event') this.#note(action.event)
      else if (action.type === 'keepalive') this.#send(action.local, action.remote, KEEPALIVE_PAYLOAD)
      else
        this.#send(action.local, action.remote, action.nonEspMarker ? concat(MARKER, action.message) : action.message)
    }
    this.#armTimer()
  }

  #note(event: IkeEvent): void {
    this.events.push(event)
    if (event.kind === 'internal-error') throw event.error
  }

  #send(from: SocketAddress, to: SocketAddress, payload: Uint8Array): void {
    this.#network.send({ from, to, payload })
  }

  #receive(datagram: VirtualDatagram, now: number): void {
    const { payload, to, from } = datagram
    if (payload.length === 1) return
    const isMarked = to.port === 4500
    // On 4500 anything without the marker is ESP, which a peer without a data plane does not take.
    if (isMarked && payload.subarray(0, 4).some((octet) => octet !== 0)) return
    const message = isMarked ? payload.subarray(4) : payload
    this.perform(this.ike.handleDatagram({ local: to, remote: from, message }, now))
  }

  #armTimer(): void {
    const at = this.ike.nextTimeoutAt()
    if (at === Number.POSITIVE_INFINITY || at >= this.#wakeAt) return
    this.#wakeAt = at
    this.#network.clock.schedule(at, (now) => {
      if (this.#wakeAt === at) this.#wakeAt = Number.POSITIVE_INFINITY
      this.perform(this.ike.handleTimeouts(now))
    })
  }
}
