import { readU32 } from '../bytes/index.ts'
import { DecapStatus, ESP_HEADER_BYTES, newDecapResult } from '../esp/index.ts'
import {
  clampMss,
  correctAddressChecksum,
  decapsulatedEcn,
  EcnFate,
  ecnOf,
  FlowStatus,
  fateOf,
  IpProtocol,
  isTcpSyn,
  newIcmpError,
  newPacketFlow,
  parseFlow,
  type SocketAddress,
  trafficClass,
  writeTrafficClass,
} from '../ip/index.ts'
import { endpointChanged } from '../nat-t/mapping.ts'
import { POLICY_OK } from '../xfrm/inbound-check.ts'
import { putMark } from '../xfrm/mark.ts'
import { PolicyDirection } from '../xfrm/policy.ts'
import { StatePhase, type XfrmState } from '../xfrm/state.ts'
import { XfrmCounter } from '../xfrm/stats.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import { FragmentRule } from './fragment-rule.ts'
import type { DatapathOptions } from './options.ts'
import type { OuterFields } from './outer.ts'
import { mssOf } from './path-mtu.ts'
import type { Prober } from './prober.ts'
import { quotedBack } from './quotation.ts'
import { Rebuilding } from './rebuilding.ts'
import { DatapathStatus, droppedStatus } from './status.ts'

/**
 * Takes an inner IP packet at `buffer[offset, offset + length)`, borrowed during the call, for the device of interface `ifId` (0: that of no
 * interface); `mark` is what its state puts on it.
 */
export type Deliver = (buffer: Uint8Array, offset: number, length: number, ifId: number, mark: number) => void

/** From ESP to the inner packet. RFC 4303 §3.4, RFC 4301 §5.2. */
export class Inbound {
  readonly #xfrm: Xfrm
  readonly #deliver: Deliver
  // Filled anew for each packet. Nothing is read from them once the packet is delivered, because that may lead back here.
  readonly #result = newDecapResult()
  readonly #flow = newPacketFlow()
  readonly #icmp = newIcmpError()
  readonly #fragments: FragmentRule
  readonly #rebuilding = new Rebuilding()
  readonly #prober: Prober

  constructor(xfrm: Xfrm, deliver: Deliver, prober: Prober, options: DatapathOptions = {}) {
    this.#prober = prober
    this.#xfrm = xfrm
    this.#deliver = deliver
    this.#fragments = new FragmentRule(options.fragments)
  }

  /** See `Datapath.receiveEsp`. */
  receive(
    buffer: Uint8Array,
    offset: number,
    length: number,
    remote: SocketAddress,
    local: SocketAddress,
    now: number,
    outer: Readonly<OuterFields>,
  ): number {
    if (offset < 0 || length < 0 || offset + length > buffer.length) return this.#drop(XfrmCounter.XfrmInBufferError)
    if (length < ESP_HEADER_BYTES) return this.#drop(XfrmCounter.XfrmInHdrError)
    const state = this.#xfrm.inboundState(readU32(buffer, offset), local.address)
    if (state === undefined) {
      this.#xfrm.tellUnknownSpi(readU32(buffer, offset), local, remote, now)
      return this.#drop(XfrmCounter.XfrmInNoStates)
    }
    if (state.phase !== StatePhase.VALID) return this.#drop(XfrmCounter.XfrmInStateInvalid, state)
    const esp = state.decapsulator
    if (esp === undefined) return this.#drop(XfrmCounter.XfrmInStateDirError, state)
    // Port 0 is plain ESP. The other way round is right: UDP must be taken whether or not a NAT was found, RFC 7296 §2.23.
    if (remote.port === 0 && state.encap !== undefined) return this.#drop(XfrmCounter.XfrmInStateMismatch, state)
    if (this.#xfrm.expired(state, now)) return this.#drop(XfrmCounter.XfrmInStateExpired, state)

    const { high, low } = esp.replay
    const opened = esp.decapsulate(buffer, offset, length, this.#result)
    if (opened !== DecapStatus.OK && opened !== DecapStatus.DUMMY) return this.#refuse(state, opened)
    const newest = esp.replay.low !== low || esp.replay.high !== high
    this.#xfrm.account(state, opened === DecapStatus.OK ? this.#result.length : 0, now)

    const status = opened === DecapStatus.OK ? this.#passInner(buffer, offset, state, outer, now) : DatapathStatus.DUMMY
    if (status === DatapathStatus.DUMMY) {
      state.dummies++
      this.#prober.takeDummy(state, buffer, this.#result.offset, this.#result.length, now)
    }
    if (newest) this.#followSource(state, remote, now)
    this.#xfrm.tellSoftExpire(state, now)
    return status
  }

  /** Makes an IP packet of what was opened, checks it against its SA and policy, and delivers it. */
  #passInner(buffer: Uint8Array, espAt: number, state: XfrmState, outer: Readonly<OuterFields>, now: number): number {
    const { mode } = state
    if (mode === 'tunnel') {
      const { offset, length, nextHeader } = this.#result
      if (nextHeader !== IpProtocol.IPV4 && nextHeader !== IpProtocol.IPV6) {
        return this.#drop(XfrmCounter.XfrmInStateModeError, state)
      }
      return this.#check(buffer, offset, length, nextHeader === IpProtocol.IPV4 ? 4 : 6, state, outer, now)
    }
    const built = this.#rebuilding
    const bytes =
      mode === 'transport'
        ? built.transport(state, buffer, espAt, this.#result, outer)
        : built.beet(state, buffer, this.#result, outer)
    if (bytes < 0) return this.#drop(XfrmCounter.XfrmInStateModeError, state)
    const family = built.buffer[built.offset]! >>> 4
    return this.#check(built.buffer, built.offset, bytes, family, state, outer, now)
  }

  #check(
    buffer: Uint8Array,
    offset: number,
    length: number,
    family: number,
    state: XfrmState,
    outer: Readonly<OuterFields>,
    now: number,
  ): number {
    const flow = this.#flow
    if (parseFlow(buffer, offset, length, flow) !== FlowStatus.OK || flow.family !== family) {
      return this.#drop(XfrmCounter.XfrmInStateModeError, state)
    }
    if (state.originalSource !== undefined) {
      correctAddressChecksum(buffer, offset, flow, state.originalSource, state.originalDestination!)
    }
    if (!this.#fragments.admit(flow, now)) return this.#drop(XfrmCounter.XfrmInPolBlock, state)
    // A device that hands packets to a kernel cannot say which of them will be routed on, so all are asked of `in`;
    // IKE installs `fwd` policies with equal selectors.
    const mark = putMark(0, state.outputMark)
    const refused = this.#xfrm.checkInbound(PolicyDirection.IN, flow, state, mark)
    if (refused !== POLICY_OK && !this.#passesByQuotation(buffer, offset, state, mark))
      return this.#drop(refused, state)
    if (state.mode === 'tunnel' && outer.trafficClass >= 0 && !this.#takeTrafficClass(buffer, offset, state, outer)) {
      return this.#drop(XfrmCounter.XfrmInError, state)
    }
    if (state.path.mss !== undefined && isTcpSyn(buffer, offset, flow)) this.#clampMss(buffer, offset, state)
    this.#deliver(buffer, offset, flow.totalLength, state.ifId, mark)
    return DatapathStatus.DONE
  }

  /** An ICMP error of a router behind the peer, about a packet that went the other way through this SA. RFC 4301 §6. */
  #passesByQuotation(buffer: Uint8Array, offset: number, state: XfrmState, mark: number): boolean {
    if (state.flags.icmp !== true) return false
    const quoted = quotedBack(buffer, offset, this.#flow, this.#icmp)
    return quoted !== undefined && this.#xfrm.checkInbound(PolicyDirection.IN, quoted, state, mark) === POLICY_OK
  }

  /** Congestion that was marked outside is told inside. False for a packet to drop. RFC 6040 §4.2. */
  #takeTrafficClass(buffer: Uint8Array, offset: number, state: XfrmState, outer: Readonly<OuterFields>): boolean {
    const inner = trafficClass(buffer, offset)
    const combined = state.flags.noEcn === true ? inner & 3 : decapsulatedEcn(inner, outer.trafficClass)
    const fate = fateOf(combined)
    if (fate >= EcnFate.ALARM) state.ecnAlarms++
    if (fate === EcnFate.DROP) return false
    const dscp = state.flags.decapDscp === true ? outer.trafficClass : inner
    writeTrafficClass(buffer, offset, (dscp & 0xfc) | ecnOf(combined))
    return true
  }

  /** What the far end announces is how long the packets to it may be, which go out by the other state. */
  #clampMss(buffer: Uint8Array, offset: number, state: XfrmState): void {
    const outbound = this.#xfrm.outboundOf(state)
    if (outbound !== undefined) {
      clampMss(buffer, offset, this.#flow, mssOf(outbound, this.#flow.family === 4 ? 4 : 6))
    }
  }

  /** The packet is authentic and the newest: if it came from elsewhere, a NAT has a new mapping for the peer. */
  #followSource(state: XfrmState, remote: SocketAddress, now: number): void {
    const { encap } = state
    if (encap === undefined) return
    const sameTransport = (remote.tcp === true) === (encap.type === 'tcp')
    if (sameTransport && !endpointChanged(state.saddr, encap.sport, remote.address, remote.port)) return
    this.#xfrm.tellMapping(state, remote, now)
  }

  #refuse(state: XfrmState, opened: number): number {
    if (opened === DecapStatus.USAGE_LIMIT) {
      this.#xfrm.expireHard(state)
      return this.#drop(XfrmCounter.XfrmInStateExpired, state)
    }
    if (opened === DecapStatus.REPLAY_OLD) state.replayWindowDrops++
    else if (opened === DecapStatus.REPLAY_DUPLICATE) state.replayDrops++
    else {
      if (opened === DecapStatus.BAD_ICV) state.integrityFailures++
      return this.#drop(XfrmCounter.XfrmInStateProtoError, state)
    }
    return this.#drop(XfrmCounter.XfrmInStateSeqError, state)
  }

  /** Counts it, also at the state that it came to. */
  #drop(counter: number, state?: XfrmState): number {
    state?.countDrop(counter)
    this.#xfrm.stats.count(counter)
    return droppedStatus(counter)
  }
}
