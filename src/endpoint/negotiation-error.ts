import { PeerError } from '../errors.ts'
import type { CloseReason } from '../ike/events.ts'
import type { Refusal } from '../ike/explain/refusal.ts'
import { explainRefusal } from '../ike/explain/refusal-text.ts'

/** A negotiation that `initiate` asked for came to nothing. `code` is the refusal's kind in upper snake case, or `CLOSED`. */
export class NegotiationError extends PeerError {
  /** Which side said no, to what, and the setting to change; undefined when the SA ended without a refusal. */
  readonly refusal: Refusal | undefined

  constructor(connection: string, outcome: Refusal | CloseReason) {
    const refusal = typeof outcome === 'string' ? undefined : outcome
    const code = refusal === undefined ? 'CLOSED' : refusal.kind.toUpperCase().replaceAll('-', '_')
    const text = typeof outcome === 'string' ? `closed (${outcome})` : explainRefusal(outcome)
    super(code, `${connection}: ${text}`, { explanation: refusal })
    this.refusal = refusal
  }
}
