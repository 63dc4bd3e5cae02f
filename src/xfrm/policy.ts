import { UsageError } from '../errors.ts'
import { IpProtocol, type PacketFlow } from '../ip/index.ts'
import { marksMeet } from './mark.ts'
import type { XfrmMark, XfrmPolicyConfig, XfrmSelector, XfrmTemplate } from './port.ts'
import { matchesSelector } from './selector.ts'
import type { SharedParts } from './shared-parts.ts'
import type { XfrmState } from './state.ts'
import type { WorkerStates } from './workers.ts'

/** Directions as numbers, for the hot path and as the kernel's. `FWD` is for packets that are routed on behind the tunnel. */
export const PolicyDirection = { IN: 0, OUT: 1, FWD: 2 } as const
export type PolicyDirection = (typeof PolicyDirection)[keyof typeof PolicyDirection]

/** Templates of one policy at most, and states that one packet goes through: the kernel's XFRM_MAX_DEPTH. */
export const MAX_TEMPLATES = 6

const directionNumbers = { in: PolicyDirection.IN, out: PolicyDirection.OUT, fwd: PolicyDirection.FWD } as const

/** One installed policy. Fields are written by `xfrm` only. */
export class XfrmPolicy {
  readonly index: number
  readonly direction: PolicyDirection
  selector: XfrmSelector
  block: boolean
  priority: number
  /** The SAs that a packet must use or have used, the innermost first; none is bypass (unless `block`). */
  templates: readonly XfrmTemplate[]
  mark: XfrmMark | undefined
  /** 0 for packets of no interface. */
  ifId: number
  /** Asked before the others. */
  sub: boolean
  /** See `XfrmPolicyConfig`. */
  workerAcquires: boolean
  label: string
  /** Order of installation: decides among equal priorities. */
  serial: number
  /** The next policy at its place in the policy table. */
  nextHere: XfrmPolicy | undefined

  /** The state that its only template led to, valid while `stateGeneration` is the SAD's. */
  state: XfrmState | undefined
  stateGeneration: number
  /** ms; when an unanswered acquire is given up, 0 when there is none. */
  acquireUntil: number
  /** The same for each worker; undefined as long as no packet came from one. */
  workers: WorkerStates | undefined

  /** Everything is copied, by `parts`. Throws `UsageError` for what cannot be carried out. */
  constructor(config: XfrmPolicyConfig, serial: number, parts: SharedParts) {
    checkPolicy(config)
    this.index = config.index
    this.direction = directionNumbers[config.direction]
    this.serial = serial
    this.selector = parts.selector(config.selector)
    this.block = config.action === 'block'
    this.priority = config.priority
    this.templates = parts.templates(config.templates)
    this.mark = config.mark && { ...config.mark }
    this.ifId = config.ifId ?? 0
    this.sub = config.type === 'sub'
    this.workerAcquires = config.workerAcquires ?? false
    this.label = parts.label(config.label)
    this.nextHere = undefined
    this.state = undefined
    this.stateGeneration = 0
    this.acquireUntil = 0
    this.workers = undefined
  }

  /** The first template, undefined for none. */
  get template(): XfrmTemplate | undefined {
    return this.templates[0]
  }

  /** The index that this policy would have in the kernel, where the direction stands in the low three bits. */
  get kernelIndex(): number {
    return (this.index + 1) * 8 + this.direction
  }

  /**
   * Takes everything but index and direction, which must be equal, from `config`. `serial` is its new place among
   * equals when its priority changes. Throws `UsageError`.
   */
  update(config: XfrmPolicyConfig, serial: number, parts: SharedParts): void {
    checkPolicy(config)
    if (directionNumbers[config.direction] !== this.direction) {
      throw new UsageError('direction', `policy ${config.index} is installed in another direction`)
    }
    if (config.priority !== this.priority) this.serial = serial
    this.selector = parts.selector(config.selector)
    this.block = config.action === 'block'
    this.priority = config.priority
    this.templates = parts.templates(config.templates)
    this.mark = config.mark && { ...config.mark }
    this.ifId = config.ifId ?? 0
    this.sub = config.type === 'sub'
    this.workerAcquires = config.workerAcquires ?? false
    this.label = parts.label(config.label)
    this.stateGeneration = 0
    this.workers = undefined
  }
}

/** True when `a` is tried before `b`: lower priority first, then the first installed. */
export function isBefore(a: XfrmPolicy, b: XfrmPolicy): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.serial < b.serial)
}

/** True when the policy is for this packet of the interface that the policy is for. No allocation. */
export function matchesPolicy(policy: XfrmPolicy, flow: PacketFlow, mark: number): boolean {
  return marksMeet(mark, policy.mark) && matchesSelector(policy.selector, flow)
}

function checkPolicy({ index, direction, selector, templates, priority }: XfrmPolicyConfig): void {
  if (!Number.isInteger(index) || index < 0) throw new UsageError('index', 'must be an integer, 0 or more')
  if (!(priority >= 0 && priority <= 0xffffffff)) throw new UsageError('priority', 'must be 0 to 2^32-1')
  if (templates.length > MAX_TEMPLATES) throw new UsageError('templates', `at most ${MAX_TEMPLATES}`)
  if (templates.some(({ proto }) => proto !== IpProtocol.ESP)) throw new UsageError('templates', 'must be of ESP')
  // What may go out in the clear or in a tunnel, as states come and go, is a leak; as the kernel.
  if (direction === 'out' && templates.some(({ level, mode }) => level === 'use' && mode !== 'transport')) {
    throw new UsageError('templates', 'level use is for transport mode alone, in policies out')
  }
  const bytes = selector.source.start.length
  for (const address of [selector.source.end, selector.destination.start, selector.destination.end]) {
    if (address.length !== bytes) throw new UsageError('selector', 'all addresses must be of one family')
  }
}
