import { PeerError } from '../../errors.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'

/** Why a peer gets no CHILD_SA. */
export interface NoAddress {
  /** INTERNAL_ADDRESS_FAILURE or FAILED_CP_REQUIRED. */
  readonly notify: number
  readonly refusal: Refusal
}

/** Tells that a CHILD_SA was refused for it. */
export function tellWithoutAddress(sa: IkeSa, { refusal }: NoAddress): void {
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
}

/** Throws `PeerError` where a peer that was to have an address and has none asks for a further CHILD_SA. RFC 7296 §2.19. */
export function checkAddress(sa: IkeSa): void {
  const { withoutAddress } = sa
  if (withoutAddress === undefined) return
  tellWithoutAddress(sa, withoutAddress)
  const { notify, refusal } = withoutAddress
  throw new PeerError('NO_ADDRESS', refusal.message, { notify, explanation: refusal })
}
