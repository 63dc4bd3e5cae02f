import type { ChildSa } from '../child-sa.ts'
import { ExchangeType, type Payload, ProtocolId } from '../codec/index.ts'
import type { CloseReason } from '../events.ts'
import type { Task } from '../task.ts'

/** Deletes one CHILD_SA: we name our inbound SPI, the peer answers with its own. RFC 7296 §1.4.1. */
export class ChildDelete implements Task {
  readonly name = 'child-delete'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly subject: object
  readonly #child: ChildSa
  readonly #reason: CloseReason

  constructor(child: ChildSa, reason: CloseReason = 'local') {
    this.subject = child
    this.#child = child
    this.#reason = reason
  }

  // HDR, SK {D} -->
  buildRequest(): Payload[] {
    if (this.#child.state === 'installed') this.#child.deleting()
    return [deletePayload([this.#child.spiIn])]
  }

  // <-- HDR, SK {D}, or SK {} when both sides deleted at once
  processResponse(): 'done' {
    this.#child.remove(this.#reason)
    return 'done'
  }

  /** The CHILD_SA knows where it is. */
  moveTo(): void {}

  abandon(): void {}
}

export function deletePayload(spis: readonly number[]): Payload {
  const octets = spis.map((spi) => Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff))
  return { kind: 'D', critical: false, protocol: ProtocolId.ESP, spiSize: 4, spis: octets }
}
