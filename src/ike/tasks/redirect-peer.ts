import type { Gateway } from '../auth/gateway-identity.ts'
import { ExchangeType, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { sendElsewhere } from '../redirect/redirect-gateway.ts'
import type { Task } from '../task.ts'

/** Sends the initiator of an established IKE_SA to another gateway. RFC 5685 §5. */
export class RedirectPeer implements Task {
  readonly name = 'redirect'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly #to: Gateway
  #sa: IkeSa

  constructor(sa: IkeSa, to: Gateway) {
    this.#sa = sa
    this.#to = to
  }

  // HDR, SK {N(REDIRECT, new gateway)} -->
  buildRequest(): Payload[] {
    return [sendElsewhere(this.#sa, this.#to)]
  }

  // <-- HDR, SK {}
  processResponse(): 'done' {
    return 'done'
  }

  moveTo(sa: IkeSa): void {
    this.#sa = sa
  }

  abandon(): void {}
}
