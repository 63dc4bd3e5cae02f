import { concat, equalConstantTime, wipe } from '../../bytes/index.ts'
import { prfInfo } from '../../crypto/transforms.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig, PpkConfig } from '../config.ts'
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

/** With which keys the initiator's first AUTH has to verify (`keys`: with a PPK, to be adopted or discarded), and what has to. */
export interface PpkChoice {
  readonly keys: LastingKeys | undefined
  /** Borrowed of the message. */
  readonly data: Uint8Array
}

/**
 * What the initiator says of PPKs beside its first AUTH, of which `data` is, against one connection. Undefined: it does not use the PPK
 * that we require, or requires one that we do not have. RFC 8784 §3.
 */
export function choosePpk(
  sa: IkeSa,
  { ppk }: ConnectionConfig,
  payloads: readonly Payload[],
  data: Uint8Array,
): PpkChoice | undefined {
  const wanted = wantedPpk(sa, payloads)
  if (wanted !== undefined && ppk !== undefined && equalConstantTime(wanted, ppk.id))
    return { keys: ppkKeys(sa, ppk), data }
  if (ppk?.required === true) return undefined
  if (wanted === undefined) return { keys: undefined, data }
  // With a PPK that we do not have, what proves the peer without one stands in a notify, if the peer takes that.
  const withoutPpk = findNotify(payloads, NotifyType.NO_PPK_AUTH)?.data
  return withoutPpk && { keys: undefined, data: withoutPpk }
}

/** The PPK that the initiator used; one that was not agreed on in IKE_SA_INIT does not count. */
export const wantedPpk = (sa: IkeSa, payloads: readonly Payload[]): Uint8Array | undefined =>
  sa.setUp?.ppk === true ? ppkIdIn(payloads) : undefined

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
