import type {
  LarvalState,
  XfrmPolicyConfig,
  XfrmPort,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateId,
} from '../xfrm/port.ts'
import type { SplitRoutes } from './host/split-routes.ts'
import type { TransportSteering } from './host/transport-steering.ts'

/** An `XfrmPort` in front of another one that lets the machine's routes follow the outbound policies, traps among them. */
export class RoutedXfrm implements XfrmPort {
  readonly #xfrm: XfrmPort
  readonly #routes: SplitRoutes
  readonly #steering: TransportSteering | undefined

  constructor(xfrm: XfrmPort, routes: SplitRoutes, steering?: TransportSteering) {
    this.#xfrm = xfrm
    this.#routes = routes
    this.#steering = steering
  }

  get carriesTransport(): boolean {
    return this.#xfrm.carriesTransport === true
  }

  get carriesPlainEsp(): boolean {
    return this.#xfrm.carriesPlainEsp === true
  }

  allocSpi(larval: LarvalState): void {
    this.#xfrm.allocSpi(larval)
  }

  newSa(state: XfrmStateConfig): void {
    this.#xfrm.newSa(state)
  }

  updSa(id: XfrmStateId, change: XfrmStateChange): void {
    this.#xfrm.updSa(id, change)
  }

  delSa(id: XfrmStateId): void {
    this.#xfrm.delSa(id)
  }

  lastUsed(id: XfrmStateId): number {
    return this.#xfrm.lastUsed?.(id) ?? -1
  }

  skipSequence(id: XfrmStateId, count: number): void {
    this.#xfrm.skipSequence(id, count)
  }

  newPolicy(policy: XfrmPolicyConfig): void {
    this.#xfrm.newPolicy(policy)
    this.#follow(policy)
  }

  updPolicy(policy: XfrmPolicyConfig): void {
    this.#xfrm.updPolicy(policy)
    this.#follow(policy)
  }

  delPolicy(index: number): void {
    this.#xfrm.delPolicy(index)
    this.#routes.forget(index)
    this.#steering?.forget(index)
  }

  #follow(policy: XfrmPolicyConfig): void {
    const template = policy.templates[0]
    if (policy.direction !== 'out') return
    // A policy may change into a bypass.
    if (template === undefined) {
      this.#steering?.forget(policy.index)
      return this.#routes.forget(policy.index)
    }
    if (template.mode === 'transport') {
      const { selector } = policy
      this.#steering?.follow(policy.index, { selector, local: template.saddr.slice(), peer: template.daddr.slice() })
      return
    }
    const { destination, source } = policy.selector
    this.#routes.follow(policy.index, template.reqid, { destination, source, peer: template.daddr.slice() })
  }
}
