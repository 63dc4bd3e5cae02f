import { intersectRanges } from '../../ip/index.ts'
import type { AddressRange } from '../../xfrm/port.ts'
import type { RouteRequest, RouteTable } from '../route-table.ts'

interface Followed {
  readonly reqid: number
  readonly request: RouteRequest
  /** Added to the table. */
  added: readonly RouteRequest[]
}

/**
 * Routes for outbound policies, as far as they lie in the networks that the peer said are behind it: with selectors for every address and
 * INTERNAL_IP4_SUBNET 10.1.0.0/16, only that goes into the tunnel. RFC 7296 §3.15.2.
 */
export class SplitRoutes {
  readonly #table: RouteTable
  readonly #policies = new Map<number, Followed>()
  readonly #networks = new Map<number, readonly AddressRange[]>()
  readonly #changed = new Set<number>()
  #pending: Promise<void> | undefined

  constructor(table: RouteTable) {
    this.#table = table
  }

  /** An outbound policy is there, or is another one. Returns at once. */
  follow(index: number, reqid: number, request: RouteRequest): void {
    const added = this.#policies.get(index)?.added ?? []
    this.#policies.set(index, { reqid, request, added })
    this.#reconcileSoon(index)
  }

  /** The policy is gone. Returns at once. */
  forget(index: number): void {
    const policy = this.#policies.get(index)
    if (policy === undefined) return
    this.#policies.delete(index)
    for (const request of policy.added) this.#table.remove(request)
  }

  /** Policies of `reqid` are routed as far as they lie in these networks; undefined: whole. Returns at once. */
  restrict(reqid: number, networks: readonly AddressRange[] | undefined): void {
    if (networks === undefined) this.#networks.delete(reqid)
    else this.#networks.set(reqid, networks)
    for (const [index, policy] of this.#policies) if (policy.reqid === reqid) this.#reconcileSoon(index)
  }

  /** Resolves when the machine's routes are as asked for so far. */
  async settled(): Promise<void> {
    await this.#pending
    await this.#table.settled()
  }

  /** Removes every route. */
  clear(): void {
    this.#policies.clear()
    this.#table.clear()
  }

  /**
   * At the end of this turn: a policy comes before the event that says which networks are behind the peer, and a route to everywhere must
   * not be there even for a moment.
   */
  #reconcileSoon(index: number): void {
    this.#changed.add(index)
    this.#pending ??= Promise.resolve().then(() => {
      this.#pending = undefined
      for (const one of this.#changed) this.#reconcile(one)
      this.#changed.clear()
    })
  }

  #reconcile(index: number): void {
    const policy = this.#policies.get(index)
    if (policy === undefined) return
    const wanted = this.#partsOf(policy)
    // The new ones first: routes that both have stay where they are.
    for (const request of wanted) this.#table.add(request)
    for (const request of policy.added) this.#table.remove(request)
    policy.added = wanted
  }

  #partsOf({ reqid, request }: Followed): RouteRequest[] {
    const networks = this.#networks.get(reqid)
    if (networks === undefined) return [request]
    return networks.flatMap((network) => {
      const destination = intersectRanges(network, request.destination)
      return destination === undefined ? [] : [{ ...request, destination }]
    })
  }
}
