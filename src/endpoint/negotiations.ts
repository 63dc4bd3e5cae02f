import type { ChildSaStatus, CloseReason, IkeEvent, IkeSaRef, IkeSaStatus } from '../ike/events.ts'
import type { Refusal } from '../ike/explain/refusal.ts'
import { NegotiationError } from './negotiation-error.ts'

/** What `initiate` resolves to. */
export interface Established {
  readonly sa: IkeSaRef
  readonly details: IkeSaStatus
  /** Undefined for a connection without CHILD_SAs. */
  readonly child: ChildSaStatus | undefined
}

interface Waiter {
  id: number
  readonly connection: string
  /** Undefined: the IKE_SA alone is waited for. */
  readonly child: string | undefined
  details: IkeSaStatus | undefined
  readonly resolve: (established: Established) => void
  readonly reject: (error: Error) => void
}

/** Matches the events of the core with the callers that wait for a negotiation's end. */
export class Negotiations {
  readonly #waiters = new Set<Waiter>()

  /**
   * Resolves when the IKE_SA of `status` and its CHILD_SA `child`, if any, are established, at once when they are; rejects with
   * `NegotiationError`. Without `status` there is no IKE_SA, and so nothing to wait for: it rejects at once.
   */
  wait(status: IkeSaStatus | undefined, connection: string, child: string | undefined): Promise<Established> {
    if (status === undefined) return Promise.reject(new NegotiationError(connection, 'error'))
    const { sa } = status
    const details = status.state === 'established' ? status : undefined
    const installed = status.children.find(({ name, state }) => name === child && carriesTraffic(state))
    if (details !== undefined && (installed !== undefined || child === undefined)) {
      return Promise.resolve({ sa, details, child: installed })
    }
    return new Promise((resolve, reject) => {
      this.#waiters.add({ id: sa.id, connection, child, details, resolve, reject })
    })
  }

  /** Settles what `event` decides. */
  notice(event: IkeEvent): void {
    if (!('sa' in event) || event.sa === undefined) return
    for (const waiter of this.#waiters) if (waiter.id === event.sa.id) this.#decide(waiter, event.sa, event)
  }

  /** Rejects everybody who still waits: the endpoint ends. */
  abandon(): void {
    for (const waiter of this.#waiters) this.#reject(waiter, 'local')
  }

  #decide(waiter: Waiter, sa: IkeSaRef, event: IkeEvent): void {
    switch (event.kind) {
      case 'ike-established':
        waiter.details = event.details
        if (waiter.child === undefined) this.#resolve(waiter, sa, event.details, undefined)
        break
      case 'child-established':
        if (waiter.details === undefined || event.child.name !== waiter.child) break
        this.#resolve(waiter, sa, waiter.details, event.child)
        break
      case 'refused':
        // Another CHILD_SA, ours or the peer's: the IKE_SA goes on, and so does this negotiation.
        if (
          event.renewal === true ||
          event.worker !== undefined ||
          (event.child !== undefined && event.child !== waiter.child)
        )
          break
        this.#reject(waiter, event.refusal)
        break
      case 'ike-closed':
        // What is waited for comes up on the IKE_SA that has its place.
        if (event.reason === 'replaced' && event.by !== undefined) waiter.id = event.by.id
        else this.#reject(waiter, event.refusal ?? event.reason)
        break
    }
  }

  #resolve(waiter: Waiter, sa: IkeSaRef, details: IkeSaStatus, child: ChildSaStatus | undefined): void {
    this.#waiters.delete(waiter)
    waiter.resolve({ sa, details, child })
  }

  #reject(waiter: Waiter, outcome: Refusal | CloseReason): void {
    this.#waiters.delete(waiter)
    waiter.reject(new NegotiationError(waiter.connection, outcome))
  }
}

/** While one is rekeyed, or deleted after that, another one stands for it. */
const carriesTraffic = (state: string): boolean => state === 'installed' || state === 'rekeyed'
