import { equalBytes } from '../bytes/index.ts'
import type { PacketFlow } from '../ip/index.ts'
import { Acquires, type AcquireTarget } from './acquires.ts'
import { stateOf } from './bundle.ts'
import { isAnyAddress } from './inbound-check.ts'
import { hardLimitReached, nextTimeLimit } from './lifetime.ts'
import type { XfrmMonitor } from './monitor.ts'
import { PolicyDirection, type XfrmPolicy } from './policy.ts'
import { unlimited, type XfrmListener, type XfrmSelector, type XfrmTemplate } from './port.ts'
import type { Sad } from './sad.ts'
import { overlaps, selectorOfFlow } from './selector.ts'
import type { SharedParts } from './shared-parts.ts'
import type { Spd } from './spd.ts'
import { XfrmState } from './state.ts'
import { XfrmCounter } from './stats.ts'
import { NO_WORKER, WorkerStates } from './workers.ts'

/**
 * How long an acquire may stay unanswered before the next packet makes another one and the waiting packets are dropped:
 * the kernel's default (`net.core.xfrm_acq_expires`). Longer than an IKE exchange with its first retransmissions, short
 * enough that a peer who comes back is not waited for in vain.
 */
export const ACQUIRE_TIMEOUT_MS = 30_000

/** Who holds packets back until their policy has a state. There is one: the outbound datapath. */
export interface XfrmWaiter {
  /** Look up again what was held back for the policy: send what has a state, and hold what has none. */
  resume(policy: XfrmPolicy): void
  /** None will come: drop it, and count each packet under `counter` (an `XfrmCounter`). */
  abandon(policy: XfrmPolicy, counter: number): void
}

/** The parts of the databases that acquires are about. */
export interface AskingParts {
  readonly sad: Sad
  readonly spd: Spd
  readonly parts: SharedParts
  readonly listener: XfrmListener
  readonly monitor: XfrmMonitor
  /** `expireDue` is to be called by then. */
  readonly wakeBy: (at: number) => void
}

/** Acquires: told once, answered by a state, given up after a while; and the policies whose packets wait for that. */
export class Asking {
  readonly acquires = new Acquires()
  waiter: XfrmWaiter | undefined
  readonly #of: AskingParts
  /** Policies that wait for an answer: seldom any, so that installing a state need not look at all policies. */
  readonly #asking = new Map<XfrmPolicy, XfrmState>()

  constructor(parts: AskingParts) {
    this.#of = parts
  }

  /**
   * Asks for a state for a template of the policy, unless that was asked, for this policy or for another one with such a
   * template, and is not answered yet.
   */
  ask(policy: XfrmPolicy, template: XfrmTemplate, flow: PacketFlow, now: number): void {
    // In transport mode each pair of addresses is asked for by itself.
    if (policy.acquireUntil > now && template === policy.template && template.mode !== 'transport') return
    const { listener, monitor, wakeBy } = this.#of
    const target = targetOf(policy, template, flow)
    const known = this.acquires.find(target)
    const isOpen = known !== undefined && !hardLimitReached(known, now)
    if (known !== undefined && !isOpen) this.acquires.remove(known)
    const packet = selectorOfFlow(flow)
    const larval = isOpen ? known : this.#larvalFor(target, packet, now)
    policy.acquireUntil = nextTimeLimit(larval)
    this.#asking.set(policy, larval)
    wakeBy(policy.acquireUntil)
    if (isOpen) return
    const acquire = { policyIndex: policy.index, reqid: template.reqid, packet, seq: larval.seq }
    if (monitor.isWatched) monitor.tell({ type: 'acquire', acquire, policy, larval })
    listener.acquire(acquire)
  }

  /**
   * Asks for a state of the worker's own for the policy's first template, unless that was asked and is not answered yet. Nothing waits
   * for it: the packets go through the state of all until then.
   */
  askForWorker(policy: XfrmPolicy, flow: PacketFlow, worker: number, now: number): void {
    const { template } = policy
    policy.workers ??= new WorkerStates()
    if (template === undefined || policy.workers.askedUntil(worker) > now) return
    const target = { ...targetOf(policy, template, flow), worker }
    const known = this.acquires.find(target)
    const isOpen = known !== undefined && !hardLimitReached(known, now)
    if (known !== undefined && !isOpen) this.acquires.remove(known)
    const packet = selectorOfFlow(flow)
    const larval = isOpen ? known : this.#larvalFor(target, packet, now)
    const until = nextTimeLimit(larval)
    policy.workers.asked(worker, until)
    if (isOpen) return
    const { listener, monitor, wakeBy } = this.#of
    wakeBy(until)
    const acquire = { policyIndex: policy.index, reqid: template.reqid, packet, seq: larval.seq, worker }
    if (monitor.isWatched) monitor.tell({ type: 'acquire', acquire, policy, larval })
    listener.acquire(acquire)
  }

  /** An outbound state was installed or moved: it may be what was asked for. */
  answer(state: XfrmState): void {
    if (state.direction !== 'out') return
    const answered = this.acquires.answeredBy(state)
    if (answered !== undefined) this.acquires.remove(answered)
    if (this.#asking.size === 0) return
    const served: XfrmPolicy[] = []
    for (const policy of this.#of.spd.all()) {
      if (policy.direction === PolicyDirection.OUT && isServed(policy, state)) served.push(policy)
    }
    for (const policy of [...this.#asking.keys()]) {
      // A state of one worker lets that one's packets go, and no more.
      if (served.includes(policy) && state.worker !== NO_WORKER) this.waiter?.resume(policy)
      else if (served.includes(policy)) this.#resume(policy)
      // What came up is narrower than what was asked for and has policies of its own. The acquire is not answered by it:
      // asking again for the packets that it does not serve would bring it up again.
      else if (served.some(({ selector }) => overlaps(selector, policy.selector))) this.waiter?.resume(policy)
    }
  }

  /** A policy changed: what waits for its state may have one. */
  lookAgain(policy: XfrmPolicy): void {
    if (!this.#asking.has(policy)) return
    const needsState = policy.template !== undefined && !policy.block
    if (!needsState || stateOf(this.#of.sad, policy, undefined) !== undefined) this.#resume(policy)
  }

  /** Gives up what the policy's packets wait for. */
  abandon(policy: XfrmPolicy, counter: number): void {
    if (!this.#asking.has(policy)) return
    this.#stop(policy)
    this.waiter?.abandon(policy, counter)
  }

  /** Gives up acquires that nobody answered in time. Returns when there is more to do, `Infinity` for never. */
  expireDue(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const larval of [...this.acquires]) {
      if (hardLimitReached(larval, now)) this.#expire(larval)
      else next = Math.min(next, nextTimeLimit(larval))
    }
    for (const policy of [...this.#asking.keys()]) {
      if (policy.acquireUntil <= now) this.abandon(policy, XfrmCounter.XfrmAcquireError)
      else next = Math.min(next, policy.acquireUntil)
    }
    return next
  }

  #larvalFor(target: AcquireTarget, packet: XfrmSelector, now: number): XfrmState {
    const lifetime = { ...unlimited, hardMs: ACQUIRE_TIMEOUT_MS }
    const fields = { ...target, spi: target.spi ?? 0, seq: this.acquires.nextSeq(), selector: packet, lifetime }
    const larval = XfrmState.acquiring(fields, now, this.#of.parts)
    this.acquires.add(larval)
    return larval
  }

  #expire(larval: XfrmState): void {
    this.acquires.remove(larval)
    const { monitor } = this.#of
    const { daddr, spi, proto, reqid } = larval
    if (monitor.isWatched)
      monitor.tell({ type: 'expire', expire: { daddr, spi, proto, reqid, hard: true }, state: larval })
  }

  #resume(policy: XfrmPolicy): void {
    this.#stop(policy)
    this.waiter?.resume(policy)
  }

  /** The larval state goes with the last policy that waits for it. */
  #stop(policy: XfrmPolicy): void {
    const larval = this.#asking.get(policy)
    policy.acquireUntil = 0
    this.#asking.delete(policy)
    if (larval !== undefined && ![...this.#asking.values()].includes(larval)) this.acquires.remove(larval)
  }
}

/** True when one of the policy's templates can lead to the state. */
function isServed({ templates }: XfrmPolicy, state: XfrmState): boolean {
  return templates.some((template) => {
    if (template.reqid !== state.reqid || template.mode !== state.mode) return false
    if (template.mode === 'transport') return true
    return (
      equalBytes(template.daddr, state.daddr) &&
      (isAnyAddress(template.saddr) || equalBytes(template.saddr, state.saddr))
    )
  })
}

/** What an acquire for the template is for; in transport mode the packet's own addresses. */
function targetOf(policy: XfrmPolicy, template: XfrmTemplate, flow: PacketFlow): AcquireTarget {
  const { proto, mode, reqid, spi = 0 } = template
  const isTransport = mode === 'transport'
  return {
    saddr: isTransport ? flow.source.slice(0, flow.addressBytes) : template.saddr,
    daddr: isTransport ? flow.destination.slice(0, flow.addressBytes) : template.daddr,
    ...{ proto, mode, reqid, ifId: policy.ifId, spi },
    ...(policy.mark === undefined ? {} : { mark: policy.mark }),
  }
}
