import { ExchangeType, type Payload } from '../codec/index.ts'
import type { Task } from '../task.ts'

/** Asks the peer whether it lives: an empty INFORMATIONAL. No answer ends the IKE_SA. RFC 7296 §2.4. */
export class Liveness implements Task {
  readonly name = 'liveness'
  readonly exchangeType = ExchangeType.INFORMATIONAL

  // HDR, SK {} -->
  buildRequest(): Payload[] {
    return []
  }

  // <-- HDR, SK {}
  processResponse(): 'done' {
    return 'done'
  }

  abandon(): void {}
}
