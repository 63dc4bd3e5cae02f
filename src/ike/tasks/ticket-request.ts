import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { notify } from '../message/notifies.ts'
import { takeTicket } from '../resumption/resumption.ts'
import type { ResponseMessage, Task } from '../task.ts'

/** Asks for a ticket with the keys of an IKE_SA that was rekeyed. RFC 5723 §4.1, §6.2. */
export class TicketRequest implements Task {
  readonly name = 'ticket-request'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly #sa: IkeSa

  constructor(sa: IkeSa) {
    this.#sa = sa
  }

  // HDR, SK {N(TICKET_REQUEST)} -->
  buildRequest(): Payload[] {
    return [notify(NotifyType.TICKET_REQUEST)]
  }

  // <-- HDR, SK {N(TICKET_LT_OPAQUE)} | SK {N(TICKET_ACK)} | SK {N(TICKET_NACK)}
  processResponse({ payloads }: ResponseMessage): 'done' {
    takeTicket(this.#sa, payloads)
    return 'done'
  }

  abandon(): void {}
}
