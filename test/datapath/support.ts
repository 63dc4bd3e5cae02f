import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import {
  Datapath,
  type DatapathOptions,
  type DatapathSinks,
  HEADROOM,
  type OuterFields,
  TAILROOM,
  unknownOuter,
} from '../../src/datapath/index.ts'
import { buildUdp, parseIp, type SocketAddress } from '../../src/ip/index.ts'
import type { XfrmLifetime } from '../../src/xfrm/port.ts'
import type { XfrmState } from '../../src/xfrm/state.ts'
import type { Xfrm } from '../../src/xfrm/xfrm.ts'
import type { Suite } from '../esp/suites.ts'
import { newXfrm, policyConfig, Recorder, selector, stateConfig, type VirtualClock } from '../xfrm/support.ts'

/** An ESP packet on its way: what is in front of it are IPv4 options or IPv6 extension headers. */
export interface Sent {
  readonly packet: Uint8Array
  readonly state: XfrmState
  readonly outer: OuterFields
  readonly front: Uint8Array
}

/** One end of a tunnel: databases, datapath, and everything that came out of it, copied. */
export class Side {
  readonly address: string
  readonly clock: VirtualClock
  readonly told = new Recorder()
  readonly xfrm: Xfrm
  readonly datapath: Datapath
  readonly sent: Sent[] = []
  readonly delivered: Uint8Array[] = []

  constructor(
    address: string,
    clock: VirtualClock = { now: 0 },
    crypto: CryptoProvider = nodeProvider,
    options: DatapathOptions = {},
  ) {
    this.address = address
    this.clock = clock
    this.xfrm = newXfrm(this.told, clock, crypto)
    const sinks: DatapathSinks = {
      sendEsp: (buffer, offset, length, state, outer) =>
        this.sent.push({
          packet: buffer.slice(offset, offset + length),
          state,
          outer: { ...outer },
          front: buffer.slice(offset - outer.optionBytes, offset),
        }),
      deliver: (buffer, offset, length) => this.delivered.push(buffer.slice(offset, offset + length)),
    }
    this.datapath = new Datapath(this.xfrm, sinks, options)
  }

  get socket(): SocketAddress {
    return { address: parseIp(this.address), port: 4500 }
  }

  /** Hands in an inner packet, copied into a buffer with room. */
  send(inner: Uint8Array): number {
    const buffer = new Uint8Array(HEADROOM + inner.length + TAILROOM)
    buffer.set(inner, HEADROOM)
    return this.datapath.sendInner(buffer, HEADROOM, inner.length, this.clock.now)
  }

  /** Hands in an ESP packet, copied into a buffer at an odd place. */
  receive(
    esp: Uint8Array,
    from: SocketAddress,
    outer: OuterFields = unknownOuter,
    front: Uint8Array = new Uint8Array(0),
  ): number {
    const at = 7 + front.length
    const buffer = new Uint8Array(at + esp.length + 5).fill(0xa5)
    buffer.set(front, 7)
    buffer.set(esp, at)
    return this.datapath.receiveEsp(buffer, at, esp.length, from, this.socket, this.clock.now, outer)
  }

  /** Hands in what another side sent, with all that its outer header says. */
  take(sent: Sent, from: SocketAddress): number {
    return this.receive(sent.packet, from, sent.outer, sent.front)
  }

  /** The ESP packet of an inner packet that must be sent. */
  seal(inner: Uint8Array): Uint8Array {
    const before = this.sent.length
    const status = this.send(inner)
    if (this.sent.length !== before + 1) throw new Error(`not sent: ${status}`)
    return this.sent.at(-1)!.packet
  }
}

export interface TunnelFields {
  readonly reqid?: number
  readonly suite?: Suite
  readonly esn?: boolean
  /** Inner networks of the left and right side. */
  readonly left?: string
  readonly right?: string
  readonly lifetime?: Partial<XfrmLifetime>
  /** What the outbound states pad to. */
  readonly tfcPad?: number
  /** SPI of the right side's inbound state; the left side's is one higher. */
  readonly spi?: number
}

/** Installs both states of one CHILD_SA and its policies on both sides. */
export function tunnel(left: Side, right: Side, fields: TunnelFields = {}): void {
  const { reqid = 1, spi = 0x1000 * reqid } = fields
  const forth = { ...fields, spi, saddr: left.address, daddr: right.address, reqid }
  const back = { ...fields, spi: spi + 1, saddr: right.address, daddr: left.address, reqid }
  left.xfrm.newSa(stateConfig({ ...forth, direction: 'out' }))
  left.xfrm.newSa(stateConfig({ ...back, direction: 'in' }))
  right.xfrm.newSa(stateConfig({ ...forth, direction: 'in' }))
  right.xfrm.newSa(stateConfig({ ...back, direction: 'out' }))
  policies(left, right.address, fields.left ?? '10.1.0.0/16', fields.right ?? '10.2.0.0/16', reqid)
  policies(right, left.address, fields.right ?? '10.2.0.0/16', fields.left ?? '10.1.0.0/16', reqid)
}

/** The policies of one side for packets between two inner networks: indexes `100 * reqid` and the next two. */
export function policies(side: Side, peer: string, own: string, theirs: string, reqid = 1): void {
  const index = 100 * reqid
  const inbound = { selector: selector(theirs, own), template: [peer, side.address, reqid] as const }
  const outbound = { selector: selector(own, theirs), template: [side.address, peer, reqid] as const }
  side.xfrm.newPolicy(policyConfig({ ...outbound, index, direction: 'out' }))
  side.xfrm.newPolicy(policyConfig({ ...inbound, index: index + 1, direction: 'in' }))
  side.xfrm.newPolicy(policyConfig({ ...inbound, index: index + 2, direction: 'fwd' }))
}

/** A left and a right side with a tunnel between. */
export function twoSides(
  fields: TunnelFields = {},
  crypto: CryptoProvider = nodeProvider,
): { left: Side; right: Side } {
  const clock = { now: 0 }
  const left = new Side('192.0.2.1', clock, crypto)
  const right = new Side('198.51.100.2', clock, crypto)
  tunnel(left, right, fields)
  return { left, right }
}

/** An inner UDP packet, by default from the left to the right network. */
export function inner(source = '10.1.0.1', destination = '10.2.0.1', dataBytes = 40, port = 5000): Uint8Array {
  const data = Uint8Array.from({ length: dataBytes }, (_, i) => i & 0xff)
  const addresses = { source: parseIp(source), destination: parseIp(destination) }
  return buildUdp({ ...addresses, sourcePort: port, destinationPort: 7, data })
}
