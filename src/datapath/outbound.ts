import { EncapStatus } from '../esp/index.ts'
import {
  clampMss,
  FlowStatus,
  IpProtocol,
  Ipv4Fragmenter,
  isTcpSyn,
  newIcmpError,
  newPacketFlow,
  parseFlow,
} from '../ip/index.ts'
import type { XfrmWaiter } from '../xfrm/asking.ts'
import { OutVerdict } from '../xfrm/bundle.ts'
import { hardLimitReached } from '../xfrm/lifetime.ts'
import { PolicyDirection, type XfrmPolicy } from '../xfrm/policy.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { XfrmCounter } from '../xfrm/stats.ts'
import { NO_WORKER } from '../xfrm/workers.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import { FragmentRule } from './fragment-rule.ts'
import type { Deliver } from './inbound.ts'
import type { DatapathOptions } from './options.ts'
import { fillDummyOuter, newOuterFields, type OuterFields } from './outer.ts'
import { agePathMtu, innerMtuOf, LEAST_IPV6_MTU, mostEspBytesOf, mssOf } from './path-mtu.ts'
import { quotedBack } from './quotation.ts'
import { HEADROOM, TAILROOM } from './room.ts'
import { DatapathStatus, droppedStatus } from './status.ts'
import { PaddingRoom, paddedLength } from './tfc.ts'
import { TooBig } from './too-big.ts'
import { WaitingPackets } from './waiting.ts'
import { Wrapping } from './wrapping.ts'

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

/** Where a packet is cut, and each fragment made. */
interface Workbench {
  readonly fragmenter: Ipv4Fragmenter
  readonly buffer: Uint8Array
}

/** The longest inner packet. */
const MOST_PACKET_BYTES = 65_535

const nothing = new Uint8Array(0)

/** From the inner packet to ESP. RFC 4303 §3.3, RFC 4301 §5.1. */
export class Outbound implements XfrmWaiter {
  readonly #xfrm: Xfrm
  readonly #sendEsp: SendEsp
  readonly #waiting = new WaitingPackets()
  readonly #fragments: FragmentRule
  readonly #tooBig: TooBig
  /** Undefined while a packet is cut. */
  #workbench: Workbench | undefined
  // Filled anew for each packet. Nothing is read from them once the packet is sent, because that may lead back here.
  readonly #flow = newPacketFlow()
  readonly #icmp = newIcmpError()
  readonly #outer = newOuterFields()
  readonly #wrapping: Wrapping
  readonly #paddingRoom = new PaddingRoom()
  /** Of the device that the packet came from. */
  #mark = 0
  #ifId = 0
  #worker: number = NO_WORKER

  /** Registers itself as the one who holds packets back. `deliver` takes our ICMP errors. */
  constructor(xfrm: Xfrm, sendEsp: SendEsp, deliver: Deliver, options: DatapathOptions = {}) {
    this.#xfrm = xfrm
    this.#sendEsp = sendEsp
    this.#fragments = new FragmentRule(options.fragments)
    this.#tooBig = new TooBig(deliver, options.icmpSource)
    this.#wrapping = new Wrapping(options)
    xfrm.waiter = this
  }

  /** See `Datapath.sendInner`. */
  send(
    buffer: Uint8Array,
    offset: number,
    length: number,
    now: number,
    mark: number,
    ifId: number,
    worker: number,
  ): number {
    const xfrm = this.#xfrm
    const flow = this.#flow
    if (parseFlow(buffer, offset, length, flow) !== FlowStatus.OK) return this.#drop(XfrmCounter.XfrmOutError)
    if (!this.#fragments.admit(flow, now)) return this.#drop(XfrmCounter.XfrmOutPolBlock)
    this.#mark = mark
    this.#ifId = ifId
    this.#worker = worker
    const verdict = xfrm.decide(flow, mark, ifId, worker)
    const { bundle } = xfrm
    if (verdict === OutVerdict.WAIT) return this.#hold(bundle.policy!, buffer, offset, now)
    // What no policy names is discarded, as RFC 4301 §5.1 asks.
    if (verdict === OutVerdict.BLOCK || verdict === OutVerdict.NO_POLICY) {
      const state = this.#stateByQuotation(buffer, offset)
      if (state === undefined) return this.#drop(XfrmCounter.XfrmOutPolBlock)
      if (xfrm.expired(state, now)) return this.#drop(XfrmCounter.XfrmOutStateExpired, state)
      return this.#carry(state, buffer, offset, now)
    }
    if (bundle.missingCount > 0) xfrm.acquireMissing(flow, now)
    if (verdict !== OutVerdict.TRANSFORM) return this.#drop(XfrmCounter.XfrmOutPolError)
    if (bundle.count > 1) return this.#drop(XfrmCounter.XfrmOutBundleGenError)
    if (bundle.sharing !== undefined && worker !== NO_WORKER) xfrm.acquireForWorker(flow, worker, now)
    const state = bundle.states[0]!
    if (xfrm.expired(state, now)) return this.#drop(XfrmCounter.XfrmOutStateExpired, state)
    return this.#carry(state, buffer, offset, now)
  }

  /** See `Datapath.sendDummy`. */
  sendDummy(state: XfrmState, length: number, now: number): number {
    if (this.#xfrm.expired(state, now)) return this.#drop(XfrmCounter.XfrmOutStateExpired, state)
    const esp = state.encapsulator
    if (esp === undefined) return this.#drop(XfrmCounter.XfrmOutStateProtoError, state)
    agePathMtu(state, now)
    if (esp.sealedLength(length) > mostEspBytesOf(state)) return this.#drop(XfrmCounter.XfrmOutStateModeError, state)
    fillDummyOuter(this.#outer)
    return this.#sendPadded(state, nothing, 0, 0, IpProtocol.NO_NEXT_HEADER, length, now)
  }

  resume(policy: XfrmPolicy): void {
    const now = this.#xfrm.clock()
    for (const packet of this.#waiting.take(policy)) {
      this.send(
        packet.octets,
        HEADROOM,
        packet.octets.length - HEADROOM - TAILROOM,
        now,
        packet.mark,
        packet.ifId,
        packet.worker,
      )
    }
  }

  abandon(policy: XfrmPolicy, counter: number): void {
    for (const _ of this.#waiting.take(policy)) this.#xfrm.stats.count(counter)
  }

  /**
   * The state for an ICMP error of a router inside, whose own address no policy names: the one that the packet which it quotes came
   * through, if that says so (`flags.icmp`). RFC 4301 §6.
   */
  #stateByQuotation(buffer: Uint8Array, offset: number): XfrmState | undefined {
    const quoted = quotedBack(buffer, offset, this.#flow, this.#icmp)
    if (quoted === undefined) return undefined
    const policy = this.#xfrm.policyFor(PolicyDirection.OUT, quoted, this.#mark, this.#ifId)
    if (policy === undefined || policy.block || policy.template === undefined) return undefined
    const state = this.#xfrm.stateFor(policy)
    return state?.flags.icmp === true && state.mode === 'tunnel' ? state : undefined
  }

  /** Sends the packet, whole or in fragments, or tells its sender that it is too long. */
  #carry(state: XfrmState, buffer: Uint8Array, offset: number, now: number): number {
    const esp = state.encapsulator
    if (esp === undefined) return this.#drop(XfrmCounter.XfrmOutStateInvalid, state)
    const flow = this.#flow
    agePathMtu(state, now)
    if (state.path.mss !== undefined && isTcpSyn(buffer, offset, flow)) {
      clampMss(buffer, offset, flow, mssOf(state, flow.family === 4 ? 4 : 6))
    }
    const outer = this.#outer
    if (!this.#wrapping.find(state, buffer, offset, flow, outer))
      return this.#drop(XfrmCounter.XfrmOutStateModeError, state)
    if (esp.sealedLength(this.#wrapping.length) > mostEspBytesOf(state) - outer.optionBytes) {
      return this.#carryTooLong(state, buffer, offset, now)
    }
    return this.#encapsulate(state, buffer, now)
  }

  #carryTooLong(state: XfrmState, buffer: Uint8Array, offset: number, now: number): number {
    const flow = this.#flow
    const outer = this.#outer
    const { totalLength } = flow
    const isIpv4 = flow.family === 4
    const mayCut = isIpv4 && (buffer[offset + 6]! & 0x40) === 0
    const mtu = innerMtuOf(state, isIpv4 ? 4 : 6)
    if (mayCut && state.mode === 'tunnel') return this.#carryFragments(state, buffer, offset, mtu, now)
    // No IPv6 link may ask for less (RFC 8200 §5), so it is for us to get those through.
    const isLeast = !isIpv4 && totalLength <= LEAST_IPV6_MTU
    const isWhole = mayCut || isLeast || state.flags.noPmtuDisc === true || state.path.df === 'clear'
    if (isWhole && this.#mayBeFragmentedOutside(state)) {
      outer.dontFragment = false
      return this.#encapsulate(state, buffer, now)
    }
    this.#tooBig.tell(buffer, offset, totalLength, isIpv4 ? mtu : Math.max(mtu, LEAST_IPV6_MTU), now, this.#ifId)
    return this.#drop(XfrmCounter.XfrmOutStateModeError, state)
  }

  /** What is too long for the path and still fits the length fields of the outer headers. */
  #mayBeFragmentedOutside(state: XfrmState): boolean {
    const sealed = state.encapsulator!.sealedLength(this.#wrapping.length)
    return sealed + this.#outer.optionBytes <= mostEspBytesOf(state, Number.POSITIVE_INFINITY)
  }

  /** Fragments before encryption: each arrives by itself, and none is put together again before it is decrypted. RFC 4301 §8.2.1. */
  #carryFragments(state: XfrmState, buffer: Uint8Array, offset: number, mtu: number, now: number): number {
    const bench = this.#workbench ?? newWorkbench()
    this.#workbench = undefined
    const { fragmenter, buffer: spare } = bench
    let status: number = DatapathStatus.DONE
    if (!fragmenter.begin(buffer, offset, mtu)) status = this.#drop(XfrmCounter.XfrmOutStateModeError, state)
    while (status === DatapathStatus.DONE) {
      const bytes = fragmenter.next(spare, HEADROOM)
      if (bytes === 0) break
      if (state.encapsulator === undefined || this.#xfrm.expired(state, now)) {
        const isGone = state.encapsulator === undefined && !hardLimitReached(state, now)
        status = this.#drop(isGone ? XfrmCounter.XfrmOutStateInvalid : XfrmCounter.XfrmOutStateExpired, state)
        break
      }
      parseFlow(spare, HEADROOM, bytes, this.#flow)
      this.#wrapping.find(state, spare, HEADROOM, this.#flow, this.#outer)
      status = this.#encapsulate(state, spare, now)
    }
    this.#workbench = bench
    return status
  }

  /** Makes what `#wrapping` found into an ESP packet and sends it. */
  #encapsulate(state: XfrmState, buffer: Uint8Array, now: number): number {
    const esp = state.encapsulator
    if (esp === undefined) return this.#drop(XfrmCounter.XfrmOutStateInvalid, state)
    const { totalLength } = this.#flow
    const { at, length, nextHeader } = this.#wrapping
    const outer = this.#outer
    if (!this.#wrapping.write(buffer, outer, esp.headerBytes))
      return this.#drop(XfrmCounter.XfrmOutBundleGenError, state)
    const padTo = paddedLength(state, esp, length)
    if (padTo > length) return this.#sendPadded(state, buffer, at, length, nextHeader, padTo, now)
    const espLength = esp.encapsulate(buffer, at, length, nextHeader)
    if (espLength < 0) return this.#refuse(state, espLength)
    this.#xfrm.account(state, totalLength, now)
    this.#sendEsp(buffer, at - esp.headerBytes, espLength, state, outer)
    this.#xfrm.tellSoftExpire(state, now)
    return DatapathStatus.DONE
  }

  /** The same with padding, for which there is seldom room behind the packet. */
  #sendPadded(
    state: XfrmState,
    buffer: Uint8Array,
    at: number,
    length: number,
    nextHeader: number,
    padTo: number,
    now: number,
  ): number {
    const esp = state.encapsulator!
    const spare = this.#paddingRoom.take(buffer, at, length)
    const espLength = esp.encapsulatePadded(spare, HEADROOM, length, nextHeader, padTo)
    if (espLength >= 0) {
      this.#xfrm.account(state, length, now)
      this.#sendEsp(spare, HEADROOM - esp.headerBytes, espLength, state, this.#outer)
      this.#xfrm.tellSoftExpire(state, now)
    }
    this.#paddingRoom.giveBack(spare)
    return espLength < 0 ? this.#refuse(state, espLength) : DatapathStatus.DONE
  }

  #refuse(state: XfrmState, status: number): number {
    if (status === EncapStatus.NO_ROOM) return this.#drop(XfrmCounter.XfrmOutBundleGenError, state)
    // It will never send again; IKE must not believe that it does.
    this.#xfrm.expireHard(state)
    const isUsedUp = status === EncapStatus.USAGE_LIMIT
    return this.#drop(isUsedUp ? XfrmCounter.XfrmOutStateExpired : XfrmCounter.XfrmOutStateSeqError, state)
  }

  #hold(policy: XfrmPolicy, buffer: Uint8Array, offset: number, now: number): number {
    const held = this.#waiting.add(policy, buffer, offset, this.#flow.totalLength, this.#mark, this.#ifId, this.#worker)
    // Held first: the listener may bring the state up at once.
    this.#xfrm.acquireMissing(this.#flow, now)
    return held ? DatapathStatus.QUEUED : this.#drop(XfrmCounter.XfrmOutNoStates)
  }

  /** Counts it, also at the state that it would have used. */
  #drop(counter: number, state?: XfrmState): number {
    state?.countDrop(counter)
    this.#xfrm.stats.count(counter)
    return droppedStatus(counter)
  }
}

const newWorkbench = (): Workbench => ({
  fragmenter: new Ipv4Fragmenter(),
  buffer: new Uint8Array(HEADROOM + MOST_PACKET_BYTES + TAILROOM),
})
