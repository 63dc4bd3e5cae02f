import { equalBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { IpProtocol } from '../ip/index.ts'
import type { XfrmPolicyConfig, XfrmSelector, XfrmTemplate } from './port.ts'
import type { SharedParts } from './shared-parts.ts'
import type { XfrmState } from './state.ts'

/** Directions as numbers, for the hot path. `FWD` is for packets that are routed on behind the tunnel. */
export const PolicyDirection = { IN: 0, OUT: 1, FWD: 2 } as const
export type PolicyDirection = (typeof PolicyDirection)[keyof typeof PolicyDirection]

const directionNumbers = { in: PolicyDirection.IN, out: PolicyDirection.OUT, fwd: PolicyDirection.FWD } as const

/** One installed policy. Fields are written by `xfrm` only. */
export class XfrmPolicy {
  readonly index: number
  readonly direction: PolicyDirection
  selector: XfrmSelector
  block: boolean
  priority: number
  /** The SA that a packet must use or have used; undefined is bypass (unless `block`). */
  template: XfrmTemplate | undefined
  label: string
  /** Order of installation: decides among equal priorities. */
  readonly serial: number

  /** The state that the template led to, valid while `stateGeneration` is the SAD's. */
  state: XfrmState | undefined
  stateGeneration: number
  /** ms; when an unanswered acquire is given up, 0 when there is none. */
  acquireUntil: number

  /** Everything is copied, by `parts`. Throws `UsageError` for what cannot be carried out. */
  constructor(config: XfrmPolicyConfig, serial: number, parts: SharedParts) {
    checkPolicy(config)
    this.index = config.index
    this.direction = directionNumbers[config.direction]
    this.serial = serial
    this.selector = parts.selector(config.selector)
    this.block = config.action === 'block'
    this.priority = config.priority
    this.template = templateOf(config, parts)
    this.label = parts.label(config.label)
    this.state = undefined
    this.stateGeneration = 0
    this.acquireUntil = 0
  }

  /** Takes everything but index and direction, which must be equal, from `config`. Throws `UsageError`. */
  update(config: XfrmPolicyConfig, parts: SharedParts): void {
    checkPolicy(config)
    if (directionNumbers[config.direction] !== this.direction) {
      throw new UsageError('direction', `policy ${config.index} is installed in another direction`)
    }
    this.selector = parts.selector(config.selector)
    this.block = config.action === 'block'
    this.priority = config.priority
    this.template = templateOf(config, parts)
    this.label = parts.label(config.label)
    this.stateGeneration = 0
  }
}

/** True when a packet that came through `state` satisfies the template. No allocation. */
export function fitsTemplate(template: XfrmTemplate, state: XfrmState): boolean {
  return (
    template.reqid === state.reqid && equalBytes(template.saddr, state.saddr) && equalBytes(template.daddr, state.daddr)
  )
}

function checkPolicy({ index, selector, templates }: XfrmPolicyConfig): void {
  if (!Number.isInteger(index) || index < 0) throw new UsageError('index', 'must be an integer, 0 or more')
  // Several templates are nested SAs, which need AH or transport mode to make sense.
  if (templates.length > 1) throw new UsageError('templates', 'at most one')
  if (templates.some(({ proto }) => proto !== IpProtocol.ESP)) throw new UsageError('templates', 'must be of ESP')
  const bytes = selector.source.start.length
  for (const address of [selector.source.end, selector.destination.start, selector.destination.end]) {
    if (address.length !== bytes) throw new UsageError('selector', 'all addresses must be of one family')
  }
}

function templateOf({ templates }: XfrmPolicyConfig, parts: SharedParts): XfrmTemplate | undefined {
  const [template] = templates
  return template && parts.template(template)
}
