import { PlatformError, UsageError } from '../errors.ts'
import type { CloseReason, IkeEvent, IkeSaStatus } from '../ike/events.ts'
import type { Refusal } from '../ike/explain/refusal.ts'
import { NegotiationError } from './negotiation-error.ts'

/** What to renew, and how. */
export interface RenewalRequest {
  readonly connection: string
  /** This CHILD_SA alone; left out: the IKE_SA. */
  readonly child?: string
  /** Not with `child`: the whole IKE_SA anew, with authentication, instead of its keys alone. */
  readonly reauth?: boolean
}

/** What came of it, in the words of `status`. */
export interface Renewed {
  readonly connection: string
  /** The id of the IKE_SA, another one after a reauthentication. */
  readonly ikeSa: number
  readonly what: 'ike-rekeyed' | 'child-rekeyed' | 'reauthenticated'
}

/** A peer that has no time is asked again for longer than anybody waits for an answer. */
const PATIENCE_MS = 20_000

interface Waiter {
  readonly request: RenewalRequest
  readonly id: number
  readonly resolve: (renewed: Renewed) => void
  readonly reject: (error: Error) => void
}

/** Matches the events of the core with the callers that wait for a renewal's end. */
export class Renewals {
  readonly #waiters = new Set<Waiter>()

  /** Waits for the renewal of `id`. Rejects with `NegotiationError`, and with `PlatformError` when it takes too long: it goes on then. */
  async wait(request: RenewalRequest, id: number): Promise<Renewed> {
    let waiter: Waiter | undefined
    let patience: NodeJS.Timeout | undefined
    try {
      return await new Promise<Renewed>((resolve, reject) => {
        waiter = { request, id, resolve, reject }
        this.#waiters.add(waiter)
        patience = setTimeout(() => reject(tooSlow(request)), PATIENCE_MS)
      })
    } finally {
      clearTimeout(patience)
      if (waiter !== undefined) this.#waiters.delete(waiter)
    }
  }

  /** Settles what `event` decides. */
  notice(event: IkeEvent): void {
    for (const waiter of this.#waiters) decide(waiter, event)
  }

  /** Rejects everybody who still waits: the endpoint ends. */
  abandon(): void {
    for (const { request, reject } of this.#waiters) reject(new NegotiationError(request.connection, 'local'))
  }
}

/** The IKE_SA that a request is about, and the inbound SPIs of the child that it names. Throws `UsageError` when there is none. */
export function findRenewable(
  sas: readonly IkeSaStatus[],
  { connection, child, reauth }: RenewalRequest,
): { readonly id: number; readonly spis: readonly number[] } {
  if (child !== undefined && reauth === true) {
    throw new UsageError('reauth', 'is about the IKE_SA: it cannot be asked for a CHILD_SA')
  }
  const sa = sas.findLast((one) => one.sa.connection === connection && one.state === 'established')
  if (sa === undefined) throw new UsageError('connection', `"${connection}" has no established IKE_SA`)
  const spis = sa.children
    .filter(({ name, state }) => name === child && state === 'installed')
    .map(({ spiIn }) => spiIn)
  if (child !== undefined && spis.length === 0) {
    throw new UsageError('child', `"${child}" of "${connection}" has no installed CHILD_SA`)
  }
  return { id: sa.sa.id, spis }
}

function decide({ request, id, resolve, reject }: Waiter, event: IkeEvent): void {
  if (!('sa' in event) || event.sa === undefined) return
  const { connection, child, reauth } = request
  const refuse = (outcome: Refusal | CloseReason) => reject(new NegotiationError(connection, outcome))
  const isOurs = event.sa.id === id
  if (isOurs && event.kind === 'ike-rekeyed' && child === undefined && reauth !== true)
    resolve({ connection, ikeSa: id, what: 'ike-rekeyed' })
  else if (isOurs && event.kind === 'child-rekeyed' && event.child.name === child)
    resolve({ connection, ikeSa: id, what: 'child-rekeyed' })
  else if (event.kind === 'ike-closed' && isOurs) {
    if (event.reason !== 'replaced' || event.by === undefined) refuse(event.refusal ?? event.reason)
    else if (child === undefined) resolve({ connection, ikeSa: event.by.id, what: 'reauthenticated' })
  } else if (event.kind === 'refused' && event.worker === undefined) {
    // The new IKE_SA of a reauthentication has an id of its own.
    const isAttempt = reauth === true && event.sa.connection === connection && event.sa.id > id
    const isRefused = isOurs && (child === undefined ? event.renewal === true : event.child === child)
    if (isAttempt || isRefused) refuse(event.refusal)
  }
}

const tooSlow = ({ connection }: RenewalRequest): PlatformError =>
  new PlatformError(
    'NOT_DONE_YET',
    `the renewal of ${connection} is not done after ${PATIENCE_MS / 1000} s`,
    'it goes on: "typeswan status" and the log tell what becomes of it',
  )
