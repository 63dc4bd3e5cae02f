import { NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from '../message/notifies.ts'

/** What both ends said that they can do with messages. An IKE_SA that comes of a rekey takes it over. */
export interface PeerAbilities {
  /** Messages in fragments. RFC 7383 §2.3. */
  fragmentation: boolean
  /** The peer can synchronise message ids. RFC 6311 §4. */
  messageIdSync: boolean
  /** The peer can leave out sequence numbers of ESP. RFC 6311 §4. */
  replayCounterSync: boolean
  /** An initiator that goes to another gateway when we say so. RFC 5685 §3. */
  redirect: boolean
}

export const noAbilities = (): PeerAbilities => ({
  fragmentation: false,
  messageIdSync: false,
  replayCounterSync: false,
  redirect: false,
})

/** Our notifies about messages in an IKE_SA_INIT request. */
export function initNotifies({ fragmentation }: ConnectionConfig): Payload[] {
  return fragmentation.mode === 'no' ? [] : [notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)]
}

/** The same in the response: only what the request told of. */
export function initAnswerNotifies(connection: ConnectionConfig, request: readonly Payload[]): Payload[] {
  return initNotifies(connection).filter((ours) => ours.kind === 'N' && findNotify(request, ours.notify) !== undefined)
}

/** Heeds the peer's notifies in IKE_SA_INIT. Nobody has authenticated them yet; AUTH will. */
export function heedInit(sa: IkeSa, payloads: readonly Payload[]): void {
  const isTold = findNotify(payloads, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined
  sa.abilities.fragmentation = isTold && sa.connection.fragmentation.mode !== 'no'
}
