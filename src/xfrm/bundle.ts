import type { PacketFlow } from '../ip/index.ts'
import { markValue } from './mark.ts'
import { MAX_TEMPLATES, type XfrmPolicy } from './policy.ts'
import type { XfrmTemplate } from './port.ts'
import type { Sad } from './sad.ts'
import type { XfrmState } from './state.ts'
import { NO_WORKER, WorkerStates } from './workers.ts'

/** What is to become of an outbound packet. */
export const OutVerdict = {
  /** It goes through the states of the bundle. */
  TRANSFORM: 0,
  /** It goes out as it is. */
  BYPASS: 1,
  /** A policy blocks it. */
  BLOCK: 2,
  /** No policy is for it. */
  NO_POLICY: 3,
  /** A state that it needs is missing. */
  WAIT: 4,
  /** Its policies ask for more states than a packet can go through. */
  ERROR: 5,
} as const
export type OutVerdict = (typeof OutVerdict)[keyof typeof OutVerdict]

/** What the policies of one packet led to. One record, filled anew for each packet. */
export class Bundle {
  /** The policy that came first, undefined for none. */
  policy: XfrmPolicy | undefined
  /** The first `count` of them: the states to go through, the innermost first. */
  readonly states: (XfrmState | undefined)[] = new Array<XfrmState | undefined>(MAX_TEMPLATES).fill(undefined)
  count = 0
  /** The first `missingCount` of them: templates without a state, for which an acquire is due, and whose they are. */
  readonly missing: (XfrmTemplate | undefined)[] = new Array<XfrmTemplate | undefined>(MAX_TEMPLATES).fill(undefined)
  readonly askers: (XfrmPolicy | undefined)[] = new Array<XfrmPolicy | undefined>(MAX_TEMPLATES).fill(undefined)
  missingCount = 0
  /** Through a state of all goes what came from a worker, for which this policy wants one of its own; undefined for none. */
  sharing: XfrmPolicy | undefined

  /**
   * Fills itself for a flow whose policies are `first` and, beneath a sub policy, `also`; `worker` is the packet's. No
   * allocation.
   */
  resolve(
    sad: Sad,
    first: XfrmPolicy | undefined,
    also: XfrmPolicy | undefined,
    flow: PacketFlow,
    worker: number = NO_WORKER,
  ): OutVerdict {
    this.policy = first
    this.sharing = undefined
    this.count = 0
    this.missingCount = 0
    if (first === undefined) return OutVerdict.NO_POLICY
    if (first.block || also?.block === true) return OutVerdict.BLOCK
    const wanted = first.templates.length + (also === undefined ? 0 : also.templates.length)
    if (wanted === 0) return OutVerdict.BYPASS
    // The kernel compares before it adds, so one less than a policy may have.
    if (first.templates.length >= MAX_TEMPLATES) return OutVerdict.ERROR
    if (!this.#take(sad, first, flow, worker)) return OutVerdict.WAIT
    if (also !== undefined) {
      if (this.count + also.templates.length >= MAX_TEMPLATES) return OutVerdict.ERROR
      if (!this.#take(sad, also, flow, worker)) return OutVerdict.WAIT
    }
    if (also !== undefined && flow.family === 6) this.#sort()
    return this.count === 0 ? OutVerdict.BYPASS : OutVerdict.TRANSFORM
  }

  /** Adds the states of one policy's templates. False when a required one is missing. */
  #take(sad: Sad, policy: XfrmPolicy, flow: PacketFlow, worker: number): boolean {
    const { templates } = policy
    for (let i = 0; i < templates.length; i++) {
      const template = templates[i]!
      const state =
        templates.length === 1 ? stateOf(sad, policy, flow, worker) : chooseFor(sad, policy, template, flow, worker)
      if (state !== undefined) {
        this.states[this.count++] = state
        if (policy.workerAcquires && state.worker !== worker) this.sharing = policy
      } else {
        this.missing[this.missingCount] = template
        this.askers[this.missingCount++] = policy
        if (template.level !== 'use') return false
      }
    }
    return true
  }

  /** IPv6, where sub and main policies add up: transport mode inside of tunnels. */
  #sort(): void {
    const { states, count } = this
    for (let i = 1; i < count; i++) {
      const state = states[i]!
      if (state.mode !== 'transport') continue
      let at = i
      for (; at > 0 && states[at - 1]!.mode !== 'transport'; at--) states[at] = states[at - 1]
      states[at] = state
    }
  }
}

/** The state for a policy of one template, remembered until the SAD changes when it is the same for all packets. No allocation. */
export function stateOf(
  sad: Sad,
  policy: XfrmPolicy,
  flow: PacketFlow | undefined,
  worker: number = NO_WORKER,
): XfrmState | undefined {
  if (worker !== NO_WORKER) return stateOfWorker(sad, policy, flow, worker)
  if (policy.stateGeneration === sad.generation) return policy.state
  const template = policy.templates[0]
  if (template === undefined) return undefined
  const state = chooseFor(sad, policy, template, flow, NO_WORKER)
  if (!sad.foundByFlow && (template.mode !== 'transport' || flow === undefined)) {
    policy.state = state
    policy.stateGeneration = sad.generation
  }
  return state
}

/** The same for the packets of one worker. */
function stateOfWorker(sad: Sad, policy: XfrmPolicy, flow: PacketFlow | undefined, worker: number) {
  policy.workers ??= new WorkerStates()
  if (policy.workers.knows(worker, sad.generation)) return policy.workers.state(worker)
  const template = policy.templates[0]
  if (template === undefined) return undefined
  const state = chooseFor(sad, policy, template, flow, worker)
  if (!sad.foundByFlow && (template.mode !== 'transport' || flow === undefined)) {
    policy.workers.remember(worker, state, sad.generation)
  }
  return state
}

function chooseFor(sad: Sad, policy: XfrmPolicy, template: XfrmTemplate, flow: PacketFlow | undefined, worker: number) {
  const mark = markValue(policy.mark)
  if (template.mode === 'transport' && flow !== undefined) {
    return sad.choose(template, flow.source, flow.destination, flow.addressBytes, flow, mark, policy.ifId, worker)
  }
  const { saddr, daddr } = template
  return sad.choose(template, saddr, daddr, daddr.length, flow, mark, policy.ifId, worker)
}
