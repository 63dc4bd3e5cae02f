import type { ChildSa } from '../child/child-sa.ts'
import { endChild, familyOf, takeOver } from '../child/child-succession.ts'
import { ExchangeType, type Payload, ProtocolId } from '../codec/index.ts'
import type { CloseReason } from '../events.ts'
import type { Task } from '../task.ts'

/** Deletes one CHILD_SA: we name our inbound SPI, the peer answers with its own. RFC 7296 §1.4.1. */
export class ChildDelete implements Task {
  readonly name = 'child-delete'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly subject: ChildSa
  readonly #reason: CloseReason

  constructor(child: ChildSa, reason: CloseReason = 'local') {
    this.subject = child
    this.#reason = reason
  }

  /** Somebody here does not want it any more, or it has been replaced; else its lifetime ended. */
  get isLocal(): boolean {
    return this.#reason === 'local'
  }

  // HDR, SK {D} -->
  buildRequest(): Payload[] {
    if (this.subject.isAlive) this.subject.deleting(this.#reason)
    return [deletePayload([this.subject.spiIn])]
  }

  // <-- HDR, SK {D}, or SK {} when both sides deleted at once
  processResponse(): 'done' {
    endChild(this.subject, this.#reason)
    return 'done'
  }

  /** The CHILD_SA knows where it is. */
  moveTo(): void {}

  abandon(): void {}
}

/** Begins to delete a CHILD_SA, unless that is under way. */
export function startDelete(child: ChildSa, reason: CloseReason): void {
  const { sa } = child
  if (child.isAlive && !isBeingDeleted(child)) sa.enqueue(new ChildDelete(child, reason))
}

/** The same with what is about to take its place, or the one whose place it is about to take. */
export function deleteFamily(child: ChildSa): void {
  for (const one of familyOf(child)) startDelete(one, 'local')
}

/** Its states are gone: what is to take its place does so at once. */
export function expireChild(child: ChildSa): void {
  if (child.sends && child.replacement?.state === 'receiving') takeOver(child.replacement, child)
  startDelete(child, 'expired')
}

export const isBeingDeleted = (child: ChildSa): boolean =>
  child.sa.findTask((task) => task instanceof ChildDelete && task.subject === child) !== undefined

/** Somebody has asked to delete it. */
export const isUnwanted = (child: ChildSa): boolean =>
  child.sa.findTask((task) => task instanceof ChildDelete && task.subject === child && task.isLocal) !== undefined

export function deletePayload(spis: readonly number[]): Payload {
  const octets = spis.map((spi) => Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff))
  return { kind: 'D', critical: false, protocol: ProtocolId.ESP, spiSize: 4, spis: octets }
}
