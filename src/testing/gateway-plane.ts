import { nobleProvider } from '../crypto/noble.ts'
import { Datapath, droppedAs } from '../datapath/index.ts'
import type { IkeAction } from '../ike/events.ts'
import type { XfrmPort } from '../xfrm/port.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { Xfrm } from '../xfrm/xfrm.ts'
import type { GatewayInside } from './gateway-inside.ts'
import { watchSealing } from './sealed-packets.ts'
import type { VirtualDatagram } from './virtual-datagram.ts'
import type { PeerPlane, VirtualPeer } from './virtual-peer.ts'

/** Databases and datapath of a gateway, joined to IKE as the endpoint joins them. */
export class GatewayPlane implements PeerPlane {
  readonly xfrm: XfrmPort
  readonly databases: Xfrm
  readonly #peer: VirtualPeer
  readonly #inside: GatewayInside
  readonly #datapath: Datapath
  /** The cargo of the packet that is being encrypted. */
  #sealing: object | undefined
  /** What the databases told within a packet's call; it is passed on when the call is over. */
  #told: ((peer: VirtualPeer) => IkeAction[])[] = []

  constructor(peer: VirtualPeer, inside: GatewayInside) {
    this.#peer = peer
    this.#inside = inside
    const crypto = watchSealing(peer.options.crypto ?? nobleProvider, (buffer, offset) => {
      this.#sealing = inside.cargoOf(buffer, offset)
    })
    this.databases = new Xfrm({
      crypto,
      random: peer.entropy.random,
      clock: () => peer.now,
      carriesTransport: true,
      listener: {
        acquire: (acquire) => this.#told.push(({ ike, now }) => ike.acquire(acquire, now)),
        expire: (expire) => this.#told.push(({ ike, now }) => ike.expire(expire, now)),
        unknownSpi: (packet) => this.#told.push(({ ike, now }) => ike.unknownSpi(packet, now)),
        mapping: (mapping) => this.#told.push(({ ike, now }) => ike.mapping(mapping, now)),
      },
    })
    this.xfrm = this.databases
    this.#datapath = new Datapath(this.databases, {
      sendEsp: (buffer, offset, length, state) => this.#sendEsp(buffer.slice(offset, offset + length), state),
      deliver: (buffer, offset, length) => void inside.tun.write(buffer, offset, length),
    })
    inside.attach((buffer, offset, length) => {
      const status = this.#datapath.sendInner(buffer, offset, length, peer.now, 0, 0, inside.workerOf(buffer, offset))
      this.#settle()
      return status
    })
  }

  nextTimeoutAt(): number {
    return Math.min(this.databases.nextExpiryAt(), this.#datapath.nextTimeoutAt())
  }

  serve(now: number): void {
    this.databases.expireDue(now)
    this.#datapath.serve(now)
  }

  /** Probes the paths of all outbound states; see `Datapath.probe`. */
  probePaths(now: number): void {
    for (const state of this.databases.states()) if (state.direction === 'out') this.#datapath.probe(state, now)
    this.#settle()
  }

  passOn(): void {
    while (this.#told.length > 0) {
      const told = this.#told
      this.#told = []
      for (const tell of told) this.#peer.perform(tell(this.#peer))
    }
  }

  receiveEsp({ payload, from, to, note }: VirtualDatagram, now: number): void {
    // Copied, because it is decrypted in place and other copies may be under way.
    const status = this.#datapath.receiveEsp(payload.slice(), 0, payload.length, from, to, now)
    const counter = droppedAs(status)
    if (counter !== undefined && note?.kind === 'esp' && note.cargo !== undefined)
      this.#inside.refused(note.cargo, counter)
    this.#settle()
  }

  #settle(): void {
    this.#peer.armTimer()
    this.passOn()
  }

  #sendEsp(payload: Uint8Array, { saddr, daddr, encap }: XfrmState): void {
    const cargo = this.#sealing
    this.#sealing = undefined
    const from = { address: saddr, port: encap?.sport ?? 0 }
    const to = { address: daddr, port: encap?.dport ?? 0 }
    const note = { kind: 'esp', sender: this.#peer, ...(cargo === undefined ? {} : { cargo }) } as const
    this.#peer.transmit(from, to, payload, note)
  }
}
