import { concat, wipe } from '../../bytes/index.ts'
import { prfInfo } from '../../crypto/transforms.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { PpkConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import { type LastingKeys, mixPpk } from '../keys/keymat.ts'
import { findNotify, notify } from '../message/notifies.ts'

/** RFC 8784 §5.1. */
const PpkIdType = { OPAQUE: 1, FIXED: 2 } as const

/** The keys of the IKE_SA with a PPK mixed in: to be adopted or discarded. RFC 8784 §3. */
export const ppkKeys = (sa: IkeSa, { secret }: PpkConfig): LastingKeys =>
  mixPpk(sa.runtime.crypto, prfInfo(sa.init!.suite.prf)!, secret, sa.init!.keys)

/** The PPK is used: SK_d, SK_pi and SK_pr are those of `mixed` from here on. */
export function adoptPpk(sa: IkeSa, mixed: LastingKeys): void {
  discardPpk(sa.init!.keys)
  sa.init = { ...sa.init!, keys: mixed }
  sa.hasPpk = true
}

/** Wipes what the PPK made, or what it made of. */
export function discardPpk({ SK_d, SK_pi, SK_pr }: LastingKeys): void {
  wipe(SK_d, SK_pi, SK_pr)
}

/** Which PPK the initiator used. RFC 8784 §5.1. */
export const ppkIdentity = ({ id }: PpkConfig): Payload =>
  notify(NotifyType.PPK_IDENTITY, concat(Uint8Array.of(PpkIdType.FIXED), id))

/** Which PPK the peer used, borrowed; undefined when it used none. One without a type counts as an unknown PPK. */
export const ppkIdIn = (payloads: readonly Payload[]): Uint8Array | undefined =>
  findNotify(payloads, NotifyType.PPK_IDENTITY)?.data.subarray(1)
