import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import { type IpAddress, IpProtocol, type PacketFlow, type SocketAddress } from '../ip/index.ts'
import { hardLimitReached, nextTimeLimit, softLimitReached } from './lifetime.ts'
import { fitsTemplate, PolicyDirection, type XfrmPolicy } from './policy.ts'
import type {
  LarvalState,
  XfrmListener,
  XfrmPolicyConfig,
  XfrmPort,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateId,
} from './port.ts'
import { duplicate, Sad } from './sad.ts'
import { overlaps, selectorOfFlow } from './selector.ts'
import { SharedParts } from './shared-parts.ts'
import { Spd } from './spd.ts'
import { StatePhase, XfrmState } from './state.ts'
import { XfrmCounter, XfrmStats } from './stats.ts'

/**
 * How long an acquire may stay unanswered before the next packet makes another one and the waiting packets are dropped:
 * the kernel's default (`net.core.xfrm_acq_expires`). Longer than an IKE exchange with its first retransmissions, short
 * enough that a peer who comes back is not waited for in vain.
 */
export const ACQUIRE_TIMEOUT_MS = 30_000

/** SPIs that name no state. RFC 4303 §2.1. */
const RESERVED_SPIS = 255
const UNKNOWN_SPI_PAUSE_MS = 1_000
/** Who is told of a mapping may look into it for a while, and find that it was forged or has changed once more. */
const MAPPING_PAUSE_MS = 1_000

/** What `checkInbound` returns for a packet that may pass. */
export const POLICY_OK = -1

export interface XfrmOptions {
  readonly crypto: CryptoProvider
  /** For IVs that must be unpredictable. */
  readonly random: RandomSource
  /** Told of acquire, expire and mapping, within the call that brings them about. It may call back at once, and must not throw. */
  readonly listener: XfrmListener
  /** Monotonic ms. The calls of `XfrmPort` carry no time, so installation reads it here; packets bring their own `now`. */
  readonly clock: () => number
}

/** Who holds packets back until their policy has a state. There is one: the outbound datapath. */
export interface XfrmWaiter {
  /** Look up again what was held back for the policy: send what has a state, and hold what has none. */
  resume(policy: XfrmPolicy): void
  /** None will come: drop it, and count each packet under `counter` (an `XfrmCounter`). */
  abandon(policy: XfrmPolicy, counter: number): void
}

/**
 * The SA and policy databases of one network namespace, with the verbs of the kernel's XFRM. IKE drives it through
 * `XfrmPort`; a datapath asks it about each packet. A state that meets its hard limit is removed and its keys wiped at
 * once. RFC 4301 §4.4.
 */
export class Xfrm implements XfrmPort {
  readonly stats = new XfrmStats()
  readonly clock: () => number
  waiter: XfrmWaiter | undefined
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  readonly #listener: XfrmListener
  readonly #sad = new Sad()
  readonly #parts = new SharedParts()
  readonly #spd = new Spd(this.#parts)
  /** Policies with an unanswered acquire: seldom any, so that installing a state need not look at all policies. */
  readonly #asking = new Set<XfrmPolicy>()
  #nextExpiry = Number.POSITIVE_INFINITY
  #unknownSpiFrom = Number.NEGATIVE_INFINITY

  constructor(options: XfrmOptions) {
    this.#crypto = options.crypto
    this.#random = options.random
    this.#listener = options.listener
    this.clock = options.clock
  }

  allocSpi(larval: LarvalState): void {
    checkProto(larval)
    this.#sad.add(XfrmState.larval(larval, this.clock(), this.#parts))
  }

  newSa(config: XfrmStateConfig): void {
    checkProto(config)
    if (!(config.reqid > 0)) throw new UsageError('reqid', 'must be above 0')
    const larval = this.#sad.find(config.daddr, config.spi)
    if (larval !== undefined && (larval.phase !== StatePhase.LARVAL || config.direction !== 'in')) {
      throw duplicate(config.spi)
    }
    const state = XfrmState.valid(config, this.#crypto, this.#random, this.clock(), this.#parts)
    if (larval !== undefined) this.#sad.remove(larval)
    this.#sad.add(state)
    this.#wakeBy(nextTimeLimit(state))
    this.#answerAcquires(state)
  }

  updSa(id: XfrmStateId, change: XfrmStateChange): void {
    const state = this.#sad.find(id.daddr, id.spi)
    if (state === undefined || state.proto !== id.proto) return
    this.#sad.move(state, change)
    this.#answerAcquires(state)
  }

  delSa(id: XfrmStateId): void {
    const state = this.#sad.find(id.daddr, id.spi)
    if (state !== undefined && state.proto === id.proto) this.#remove(state)
  }

  lastUsed({ daddr, spi, proto }: XfrmStateId): number {
    const state = this.#sad.find(daddr, spi)
    return state?.proto === proto ? state.usedAt : -1
  }

  skipSequence({ daddr, spi, proto }: XfrmStateId, count: number): void {
    const state = this.#sad.find(daddr, spi)
    if (state?.proto === proto) state.encapsulator?.skip(count)
  }

  newPolicy(config: XfrmPolicyConfig): void {
    this.#spd.add(config)
  }

  updPolicy(config: XfrmPolicyConfig): void {
    const policy = this.#spd.update(config)
    if (!this.#asking.has(policy)) return
    const needsState = policy.template !== undefined && !policy.block
    if (!needsState || this.stateFor(policy) !== undefined) this.#resume(policy)
  }

  delPolicy(index: number): void {
    const policy = this.#spd.remove(index)
    if (policy !== undefined) this.#abandon(policy, XfrmCounter.XfrmOutPolDead)
  }

  /** Installed and larval states in order of installation. */
  states(): Iterable<XfrmState> {
    return this.#sad
  }

  /** Policies by direction in, out, fwd, each in the order in which they are tried. */
  policies(): Iterable<XfrmPolicy> {
    return this.#spd
  }

  /** When `expireDue` may next have something to do (it may find nothing), `Infinity` for never. Monotonic ms. */
  nextExpiryAt(): number {
    return this.#nextExpiry
  }

  /** Expires states at their time limits and gives up acquires. Call it at `nextExpiryAt()` or at any time. */
  expireDue(now: number): void {
    if (now < this.#nextExpiry) return
    this.#nextExpiry = Number.POSITIVE_INFINITY
    // Copied, because the listener may install and delete while it is told.
    for (const state of [...this.#sad]) {
      if (state.phase !== StatePhase.VALID || this.expired(state, now)) continue
      this.tellSoftExpire(state, now)
      if (state.phase === StatePhase.VALID) this.#wakeBy(nextTimeLimit(state))
    }
    for (const policy of [...this.#asking]) {
      if (policy.acquireUntil <= now) this.#abandon(policy, XfrmCounter.XfrmAcquireError)
      else this.#wakeBy(policy.acquireUntil)
    }
  }

  // What follows is asked for each packet: no allocation, no throw.

  /** The state that a received packet names, of any phase and direction; see `Sad.findInbound`. */
  inboundState(spi: number, local: IpAddress): XfrmState | undefined {
    return this.#sad.findInbound(spi, local)
  }

  /** The newest outbound state of the CHILD_SA that an inbound one belongs to. */
  outboundOf(inbound: XfrmState): XfrmState | undefined {
    return this.#sad.between(inbound.daddr, inbound.saddr).findLast(({ direction, phase, reqid }) => {
      return direction === 'out' && phase === StatePhase.VALID && reqid === inbound.reqid
    })
  }

  /** All states from one outer address to another, oldest first. Borrowed: copy before a change of the database. */
  statesBetween(saddr: IpAddress, daddr: IpAddress): readonly XfrmState[] {
    return this.#sad.between(saddr, daddr)
  }

  /** The policy that decides about an inner packet, undefined when none matches. */
  policyFor(direction: PolicyDirection, flow: PacketFlow): XfrmPolicy | undefined {
    return this.#spd.lookup(direction, flow)
  }

  /** The newest state that the policy's template asks for. */
  stateFor(policy: XfrmPolicy): XfrmState | undefined {
    if (policy.stateGeneration !== this.#sad.generation) {
      policy.state = policy.template && this.#sad.findForTemplate(policy.template)
      policy.stateGeneration = this.#sad.generation
    }
    return policy.state
  }

  /**
   * Whether an inner packet may have come through `state`: `POLICY_OK`, or the `XfrmCounter` to count it under. The
   * direction is `IN`; a caller that routes packets on may ask about `FWD` too. RFC 4301 §5.2.
   */
  checkInbound(direction: PolicyDirection, flow: PacketFlow, state: XfrmState): number {
    const policy = this.#spd.lookup(direction, flow)
    if (policy === undefined) return XfrmCounter.XfrmInNoPols
    if (policy.block) return XfrmCounter.XfrmInPolBlock
    // A bypass policy asks for packets that came through no tunnel.
    if (policy.template === undefined || !fitsTemplate(policy.template, state)) return XfrmCounter.XfrmInTmplMismatch
    return POLICY_OK
  }

  /** True when a hard limit is used up; then the state is gone and the listener knows. */
  expired(state: XfrmState, now: number): boolean {
    if (!hardLimitReached(state, now)) return false
    this.expireHard(state)
    return true
  }

  /** Removes a state that cannot be used any more, and tells it. */
  expireHard(state: XfrmState): void {
    this.#remove(state)
    this.#tellExpire(state, true)
  }

  /** Counts a packet of `bytes` inner octets. */
  account(state: XfrmState, bytes: number, now: number): void {
    state.packets++
    state.bytes += bytes
    state.usedAt = now
  }

  /** Tells, once, that a soft limit is reached. */
  tellSoftExpire(state: XfrmState, now: number): void {
    if (state.softExpired || state.phase !== StatePhase.VALID || !softLimitReached(state, now)) return
    state.softExpired = true
    this.#tellExpire(state, false)
  }

  /** Tells that an authentic packet came from elsewhere; at most once a second, until `updSa` answers. */
  tellMapping(state: XfrmState, remote: SocketAddress, now: number): void {
    if (now < state.mappingFrom || state.phase !== StatePhase.VALID) return
    state.mappingFrom = now + MAPPING_PAUSE_MS
    this.#listener.mapping({
      daddr: state.daddr,
      spi: state.spi,
      proto: state.proto,
      reqid: state.reqid,
      oldAddress: state.saddr,
      oldPort: state.encap?.sport ?? 0,
      newAddress: remote.address.slice(),
      newPort: remote.port,
    })
  }

  /** Tells that a packet has an SPI that no state has; at most once a second, because anybody can send such. */
  tellUnknownSpi(spi: number, local: SocketAddress, remote: SocketAddress, now: number): void {
    if (now < this.#unknownSpiFrom || spi <= RESERVED_SPIS) return
    this.#unknownSpiFrom = now + UNKNOWN_SPI_PAUSE_MS
    this.#listener.unknownSpi?.({
      spi,
      local: { address: local.address.slice(), port: local.port },
      remote: { address: remote.address.slice(), port: remote.port },
    })
  }

  /** Asks for a state for the policy, unless that was asked and is not answered yet. */
  acquire(policy: XfrmPolicy, flow: PacketFlow, now: number): void {
    if (policy.acquireUntil > now || policy.template === undefined) return
    policy.acquireUntil = now + ACQUIRE_TIMEOUT_MS
    this.#asking.add(policy)
    this.#wakeBy(policy.acquireUntil)
    this.#listener.acquire({
      policyIndex: policy.index,
      reqid: policy.template.reqid,
      packet: selectorOfFlow(flow),
    })
  }

  #remove(state: XfrmState): void {
    this.#sad.remove(state)
    state.destroy()
  }

  #tellExpire(state: XfrmState, hard: boolean): void {
    const { daddr, spi, proto, reqid } = state
    this.#listener.expire({ daddr, spi, proto, reqid, hard })
  }

  #answerAcquires(state: XfrmState): void {
    if (state.direction !== 'out' || this.#asking.size === 0) return
    const outbound = this.#spd.inOrder(PolicyDirection.OUT)
    const served = outbound.filter(({ template }) => template !== undefined && fitsTemplate(template, state))
    for (const policy of [...this.#asking]) {
      if (served.includes(policy)) this.#resume(policy)
      // What came up is narrower than what was asked for and has policies of its own. The acquire is not answered by it:
      // asking again for the packets that it does not serve would bring it up again.
      else if (served.some(({ selector }) => overlaps(selector, policy.selector))) this.waiter?.resume(policy)
    }
  }

  #resume(policy: XfrmPolicy): void {
    policy.acquireUntil = 0
    this.#asking.delete(policy)
    this.waiter?.resume(policy)
  }

  #abandon(policy: XfrmPolicy, counter: number): void {
    if (!this.#asking.delete(policy)) return
    policy.acquireUntil = 0
    this.waiter?.abandon(policy, counter)
  }

  #wakeBy(at: number): void {
    if (at < this.#nextExpiry) this.#nextExpiry = at
  }
}

function checkProto({ proto, spi }: XfrmStateId): void {
  if (proto !== IpProtocol.ESP) throw new UsageError('proto', `must be ${IpProtocol.ESP}, ESP`)
  // RFC 4303 §2.1: 0 is for local use and marks IKE on port 4500.
  if (!Number.isInteger(spi) || spi < 1 || spi > 0xffffffff) throw new UsageError('spi', 'must be 1 to 2^32-1')
}
