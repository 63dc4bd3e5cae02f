import type {
  LarvalState,
  XfrmPolicyConfig,
  XfrmPort,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateId,
} from '../xfrm/port.ts'
import type { RouteRequest, RouteTable } from './route-table.ts'

/** An `XfrmPort` in front of another one that lets the machine's routes follow the outbound policies, traps among them. */
export class RoutedXfrm implements XfrmPort {
  readonly #xfrm: XfrmPort
  readonly #routes: RouteTable
  readonly #requests = new Map<number, RouteRequest>()

  constructor(xfrm: XfrmPort, routes: RouteTable) {
    this.#xfrm = xfrm
    this.#routes = routes
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
    // The new routes first: those that both versions want stay where they are.
    const before = this.#requests.get(policy.index)
    this.#follow(policy)
    if (before !== undefined) this.#routes.remove(before)
  }

  delPolicy(index: number): void {
    this.#xfrm.delPolicy(index)
    const request = this.#requests.get(index)
    if (request === undefined) return
    this.#requests.delete(index)
    this.#routes.remove(request)
  }

  #follow(policy: XfrmPolicyConfig): void {
    const template = policy.templates[0]
    if (policy.direction !== 'out' || template === undefined) return
    const request = {
      destination: policy.selector.destination,
      source: policy.selector.source,
      peer: template.daddr.slice(),
    }
    this.#requests.set(policy.index, request)
    this.#routes.add(request)
  }
}
