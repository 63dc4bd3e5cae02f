import { Writer } from '../../bytes/index.ts'
import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import { notify } from '../message/notifies.ts'
import type { Task } from '../task.ts'

/** Tells the peer that it sends ESP packets with an SPI that is not here. RFC 7296 §1.5. */
export class InvalidSpi implements Task {
  readonly name = 'invalid-spi'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly #spi: number

  constructor(spi: number) {
    this.#spi = spi
  }

  // HDR, SK {N(INVALID_SPI)} -->
  buildRequest(): Payload[] {
    return [invalidSpi(this.#spi)]
  }

  // <-- HDR, SK {}
  processResponse(): 'done' {
    return 'done'
  }

  abandon(): void {}
}

/** N(INVALID_SPI): the SPI of the packet, 4 octets. RFC 7296 §3.10.1. */
export function invalidSpi(spi: number): Payload {
  return notify(NotifyType.INVALID_SPI, new Writer(4).u32(spi).finish())
}
