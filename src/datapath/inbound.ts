import { readU32 } from '../bytes/index.ts'
import { DecapStatus, ESP_HEADER_BYTES, newDecapResult } from '../esp/index.ts'
import { FlowStatus, IpProtocol, newPacketFlow, parseFlow, type SocketAddress } from '../ip/index.ts'
import { endpointChanged } from '../nat-t/mapping.ts'
import { PolicyDirection } from '../xfrm/policy.ts'
import { StatePhase, type XfrmState } from '../xfrm/state.ts'
import { XfrmCounter } from '../xfrm/stats.ts'
import { POLICY_OK, type Xfrm } from '../xfrm/xfrm.ts'
import type { OuterFields } from './outer.ts'
import { DatapathStatus, droppedStatus } from './status.ts'

/** Takes an inner IP packet at `buffer[offset, offset + length)`, borrowed during the call. */
export type Deliver = (buffer: Uint8Array, offset: number, length: number) => void

/** From ESP to the inner packet. RFC 4303 §3.4, RFC 4301 §5.2. */
export class Inbound {
  readonly #xfrm: Xfrm
  readonly #deliver: Deliver
  // Filled anew for each packet. Nothing is read from them once the packet is delivered, because that may lead back here.
  readonly #result = newDecapResult()
  readonly #flow = newPacketFlow()

  constructor(xfrm: Xfrm, deliver: Deliver) {
    this.#xfrm = xfrm
    this.#deliver = deliver
  }

  /** See `Datapath.receiveEsp`. */
  receive(
    buffer: Uint8Array,
    offset: number,
    length: number,
    remote: SocketAddress,
    local: SocketAddress,
    now: number,
    _outer: Readonly<OuterFields>,
  ): number {
    if (offset < 0 || length < 0 || offset + length > buffer.length) return this.#drop(XfrmCounter.XfrmInBufferError)
    if (length < ESP_HEADER_BYTES) return this.#drop(XfrmCounter.XfrmInHdrError)
    const state = this.#xfrm.inboundState(readU32(buffer, offset), local.address)
    if (state === undefined) {
      this.#xfrm.tellUnknownSpi(readU32(buffer, offset), local, remote, now)
      return this.#drop(XfrmCounter.XfrmInNoStates)
    }
    if (state.phase !== StatePhase.VALID) return this.#drop(XfrmCounter.XfrmInStateInvalid)
    const esp = state.decapsulator
    if (esp === undefined) return this.#drop(XfrmCounter.XfrmInStateDirError)
    // Port 0 is plain ESP. The other way round is right: UDP must be taken whether or not a NAT was found, RFC 7296 §2.23.
    if (remote.port === 0 && state.encap !== undefined) return this.#drop(XfrmCounter.XfrmInStateMismatch)
    if (this.#xfrm.expired(state, now)) return this.#drop(XfrmCounter.XfrmInStateExpired)

    const { high, low } = esp.replay
    const opened = esp.decapsulate(buffer, offset, length, this.#result)
    if (opened !== DecapStatus.OK && opened !== DecapStatus.DUMMY) return this.#refuse(state, opened)
    const newest = esp.replay.low !== low || esp.replay.high !== high
    this.#xfrm.account(state, opened === DecapStatus.OK ? this.#result.length : 0, now)

    const status = opened === DecapStatus.OK ? this.#passInner(buffer, state) : DatapathStatus.DUMMY
    if (status === DatapathStatus.DUMMY) state.dummies++
    if (newest) this.#followSource(state, remote, now)
    this.#xfrm.tellSoftExpire(state, now)
    return status
  }

  /** Checks the opened packet against its SA and policy, and delivers it. */
  #passInner(buffer: Uint8Array, state: XfrmState): number {
    const { offset, length, nextHeader } = this.#result
    const flow = this.#flow
    if (nextHeader !== IpProtocol.IPV4 && nextHeader !== IpProtocol.IPV6) {
      return this.#drop(XfrmCounter.XfrmInStateModeError)
    }
    if (parseFlow(buffer, offset, length, flow) !== FlowStatus.OK) return this.#drop(XfrmCounter.XfrmInStateModeError)
    if (flow.family !== (nextHeader === IpProtocol.IPV4 ? 4 : 6)) return this.#drop(XfrmCounter.XfrmInStateModeError)
    // A device that hands packets to a kernel cannot say which of them will be routed on, so all are asked of `in`;
    // IKE installs `fwd` policies with equal selectors.
    const refused = this.#xfrm.checkInbound(PolicyDirection.IN, flow, state)
    if (refused !== POLICY_OK) return this.#drop(refused)
    this.#deliver(buffer, offset, flow.totalLength)
    return DatapathStatus.DONE
  }

  /** The packet is authentic and the newest: if it came from elsewhere, a NAT has a new mapping for the peer. */
  #followSource(state: XfrmState, remote: SocketAddress, now: number): void {
    const { encap } = state
    if (encap === undefined || !endpointChanged(state.saddr, encap.sport, remote.address, remote.port)) return
    this.#xfrm.tellMapping(state, remote, now)
  }

  #refuse(state: XfrmState, opened: number): number {
    if (opened === DecapStatus.USAGE_LIMIT) {
      this.#xfrm.expireHard(state)
      return this.#drop(XfrmCounter.XfrmInStateExpired)
    }
    if (opened === DecapStatus.REPLAY_OLD) state.replayWindowDrops++
    else if (opened === DecapStatus.REPLAY_DUPLICATE) state.replayDrops++
    else {
      if (opened === DecapStatus.BAD_ICV) state.integrityFailures++
      return this.#drop(XfrmCounter.XfrmInStateProtoError)
    }
    return this.#drop(XfrmCounter.XfrmInStateSeqError)
  }

  #drop(counter: number): number {
    this.#xfrm.stats.count(counter)
    return droppedStatus(counter)
  }
}
