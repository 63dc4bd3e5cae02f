import { EncapStatus } from '../esp/index.ts'
import { FlowStatus, IpProtocol, newPacketFlow, parseFlow } from '../ip/index.ts'
import { PolicyDirection, type XfrmPolicy } from '../xfrm/policy.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { XfrmCounter } from '../xfrm/stats.ts'
import type { Xfrm, XfrmWaiter } from '../xfrm/xfrm.ts'
import { newOuterFields, type OuterFields } from './outer.ts'
import { HEADROOM, TAILROOM } from './room.ts'
import { DatapathStatus, droppedStatus } from './status.ts'
import { WaitingPackets } from './waiting.ts'

/**
 * Takes an ESP packet at `buffer[offset, offset + length)`, borrowed during the call. It goes to `state.daddr` (from
 * `state.saddr`), in UDP between the ports of `state.encap` when that is there. `outer` says
 * what the outer IP header is to carry, and is borrowed too.
 */
export type SendEsp = (
  buffer: Uint8Array,
  offset: number,
  length: number,
  state: XfrmState,
  outer: Readonly<OuterFields>,
) => void

/** The longest UDP payload over IPv4; an ESP packet above it cannot be sent. */
const MAX_UDP_PAYLOAD = 65_507

/** From the inner packet to ESP. RFC 4303 §3.3, RFC 4301 §5.1. */
export class Outbound implements XfrmWaiter {
  readonly #xfrm: Xfrm
  readonly #sendEsp: SendEsp
  readonly #waiting = new WaitingPackets()
  // Filled anew for each packet. Nothing is read from it once the packet is sent, because that may lead back here.
  readonly #flow = newPacketFlow()
  readonly #outer = newOuterFields()

  /** Registers itself as the one who holds packets back. */
  constructor(xfrm: Xfrm, sendEsp: SendEsp) {
    this.#xfrm = xfrm
    this.#sendEsp = sendEsp
    xfrm.waiter = this
  }

  /** See `Datapath.sendInner`. */
  send(buffer: Uint8Array, offset: number, length: number, now: number): number {
    const xfrm = this.#xfrm
    const flow = this.#flow
    if (parseFlow(buffer, offset, length, flow) !== FlowStatus.OK) return this.#drop(XfrmCounter.XfrmOutError)
    const policy = xfrm.policyFor(PolicyDirection.OUT, flow)
    // What no policy names is discarded, as RFC 4301 §5.1 asks.
    if (policy === undefined || policy.block) return this.#drop(XfrmCounter.XfrmOutPolBlock)
    if (policy.template === undefined) return this.#drop(XfrmCounter.XfrmOutPolError)
    const state = xfrm.stateFor(policy)
    if (state === undefined) return this.#hold(policy, buffer, offset, now)
    if (xfrm.expired(state, now)) return this.#drop(XfrmCounter.XfrmOutStateExpired)
    return this.#encapsulate(state, buffer, offset, now)
  }

  resume(policy: XfrmPolicy): void {
    const now = this.#xfrm.clock()
    for (const packet of this.#waiting.take(policy)) {
      this.send(packet, HEADROOM, packet.length - HEADROOM - TAILROOM, now)
    }
  }

  abandon(policy: XfrmPolicy, counter: number): void {
    for (const _ of this.#waiting.take(policy)) this.#xfrm.stats.count(counter)
  }

  #encapsulate(state: XfrmState, buffer: Uint8Array, offset: number, now: number): number {
    const esp = state.encapsulator
    if (esp === undefined) return this.#drop(XfrmCounter.XfrmOutStateProtoError)
    const { family, totalLength } = this.#flow
    if (esp.sealedLength(totalLength) > MAX_UDP_PAYLOAD) return this.#drop(XfrmCounter.XfrmOutStateModeError)
    const nextHeader = family === 4 ? IpProtocol.IPV4 : IpProtocol.IPV6
    const espLength = esp.encapsulate(buffer, offset, totalLength, nextHeader)
    if (espLength < 0) return this.#refuse(state, espLength)
    this.#xfrm.account(state, totalLength, now)
    this.#sendEsp(buffer, offset - esp.headerBytes, espLength, state, this.#outer)
    this.#xfrm.tellSoftExpire(state, now)
    return DatapathStatus.DONE
  }

  #refuse(state: XfrmState, status: number): number {
    if (status === EncapStatus.NO_ROOM) return this.#drop(XfrmCounter.XfrmOutBundleGenError)
    // It will never send again; IKE must not believe that it does.
    this.#xfrm.expireHard(state)
    const isUsedUp = status === EncapStatus.USAGE_LIMIT
    return this.#drop(isUsedUp ? XfrmCounter.XfrmOutStateExpired : XfrmCounter.XfrmOutStateSeqError)
  }

  #hold(policy: XfrmPolicy, buffer: Uint8Array, offset: number, now: number): number {
    const held = this.#waiting.add(policy, buffer, offset, this.#flow.totalLength)
    // Held first: the listener may bring the state up at once.
    this.#xfrm.acquire(policy, this.#flow, now)
    return held ? DatapathStatus.QUEUED : this.#drop(XfrmCounter.XfrmOutNoStates)
  }

  #drop(counter: number): number {
    this.#xfrm.stats.count(counter)
    return droppedStatus(counter)
  }
}
