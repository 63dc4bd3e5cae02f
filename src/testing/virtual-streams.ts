import type { ConnectAction } from '../ike/events.ts'
import { formatSocketAddress, type SocketAddress } from '../ip/address.ts'
import type { VirtualClock } from './virtual-clock.ts'
import type { VirtualPeer } from './virtual-peer.ts'

interface Link {
  readonly ends: ReadonlyMap<VirtualPeer, { readonly local: SocketAddress; readonly remote: SocketAddress }>
}

const FIRST_PORT = 50_000

/** TCP connections between peers of a virtual network, which lose nothing until they are cut. RFC 9329. */
export class VirtualStreams {
  /** Messages that were sent over TCP. */
  sent = 0
  /** Connections that were asked for. */
  asked = 0
  /** No connection comes about while it is set. */
  isBlocked = false
  readonly #clock: VirtualClock
  readonly #latencyMs: number
  readonly #listeners = new Map<VirtualPeer, number>()
  readonly #links = new Set<Link>()
  #nextPort = FIRST_PORT

  constructor(clock: VirtualClock, latencyMs = 10) {
    this.#clock = clock
    this.#latencyMs = latencyMs
  }

  /** How many are open. */
  get size(): number {
    return this.#links.size
  }

  /** `peer` takes connections at this port of all its addresses. */
  listen(peer: VirtualPeer, port = 4500): void {
    this.#listeners.set(peer, port)
  }

  /** Carries out the action of a peer's core. */
  connect(peer: VirtualPeer, { token, local: address, remote }: ConnectAction): void {
    this.asked++
    this.#later(() => {
      const taker = [...this.#listeners].find(
        ([other, port]) => port === remote.port && other.addresses.some((one) => one.join() === remote.address.join()),
      )?.[0]
      if (taker === undefined || this.isBlocked || taker.isDown) {
        return peer.perform(peer.ike.notConnected(token, 'refused', peer.now))
      }
      const local: SocketAddress = { address, port: this.#nextPort++, tcp: true }
      const ends = new Map([
        [peer, { local, remote }],
        [taker, { local: remote, remote: local }],
      ])
      this.#links.add({ ends })
      peer.perform(peer.ike.connected(token, local, peer.now))
    })
  }

  /** Sends an IKE message of `peer` over the connection between these ends; without one it is lost. */
  send(peer: VirtualPeer, local: SocketAddress, remote: SocketAddress, message: Uint8Array): void {
    this.sent++
    const link = [...this.#links].find(({ ends }) => sameEnds(ends.get(peer), { local, remote }))
    if (link === undefined) return
    this.#later(() => {
      for (const [other, end] of link.ends) {
        if (other === peer || other.isDown || !this.#links.has(link)) continue
        other.perform(other.ike.handleDatagram({ ...end, message: message.slice() }, other.now))
      }
    })
  }

  /** Ends all connections. `tell` hears of it; by default both ends. */
  cut(tell: (peer: VirtualPeer) => boolean = () => true): void {
    const links = [...this.#links]
    this.#links.clear()
    for (const { ends } of links) {
      for (const [peer, { local, remote }] of ends) {
        if (!peer.isDown && tell(peer)) peer.perform(peer.ike.disconnected(local, remote, 'cut', peer.now))
      }
    }
  }

  #later(work: () => void): void {
    this.#clock.schedule(this.#clock.now + this.#latencyMs, work)
  }
}

type Ends = { readonly local: SocketAddress; readonly remote: SocketAddress }

const sameEnds = (a: Ends | undefined, b: Ends): boolean =>
  a !== undefined &&
  formatSocketAddress(a.local) === formatSocketAddress(b.local) &&
  formatSocketAddress(a.remote) === formatSocketAddress(b.remote)
