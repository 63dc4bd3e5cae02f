import { ExchangeType, NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import type { CloseReason } from '../events.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { notify } from '../message/notifies.ts'
import type { Task } from '../task.ts'

/** Deletes the IKE_SA with all its CHILD_SAs. RFC 7296 §1.4.1. */
export class IkeDelete implements Task {
  readonly name: string = 'ike-delete'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly alone = true
  readonly mostRetransmissions: number | undefined
  readonly #sa: IkeSa
  readonly #reason: CloseReason
  readonly #refusal: Refusal | undefined

  constructor(sa: IkeSa, reason: CloseReason, refusal?: Refusal) {
    // A peer that is gone, or forgot the IKE_SA with its answer, is not worth minutes; nobody waits for a superseded one.
    this.mostRetransmissions = sa.successor === undefined ? 2 : undefined
    this.#sa = sa
    this.#reason = reason
    this.#refusal = refusal
  }

  // HDR, SK {D} -->
  buildRequest(): Payload[] {
    // What another IKE_SA carries as well is taken until the peer has stopped to send it here.
    if (this.#reason !== 'replaced') this.#sa.removeChildren(this.#reason)
    return [{ kind: 'D', critical: false, protocol: ProtocolId.IKE, spiSize: 0, spis: [] }]
  }

  // <-- HDR, SK {}
  processResponse(): 'done' {
    this.#sa.close(this.#reason, this.#refusal)
    return 'done'
  }

  abandon(): void {}
}

/**
 * An initiator that cannot accept the responder's AUTH tells it so in an INFORMATIONAL of its own, because the responder
 * already believes in the IKE_SA. RFC 7296 §2.21.2.
 */
export class RejectPeer extends IkeDelete {
  override readonly name = 'reject-peer'

  // HDR, SK {N(AUTHENTICATION_FAILED)} -->
  override buildRequest(): Payload[] {
    super.buildRequest()
    return [notify(NotifyType.AUTHENTICATION_FAILED)]
  }
}
