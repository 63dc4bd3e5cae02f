import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import { announceToken, heedToken } from '../gate/crash-tokens.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from '../message/notifies.ts'
import { announceWindow, heedWindow } from '../message/window-size.ts'

/** What we tell of ourselves in an encrypted message with these `payloads`. */
export function announcements(sa: IkeSa, exchangeType: number, payloads: readonly Payload[]): Payload[] {
  const isAuth = exchangeType === ExchangeType.IKE_AUTH
  const isProof = isAuth && isOurProof(sa, payloads)
  // An IKE_SA that came of a rekey has other SPIs than the one before.
  const ofCrash = isProof || (sa.state === 'established' && !isAuth) ? announceToken(sa) : []
  return [...announceWindow(sa, payloads), ...(isProof ? authNotifies(sa) : []), ...ofCrash]
}

/** Heeds what the peer tells of itself in an authenticated message. */
export function heedAnnouncements(sa: IkeSa, exchangeType: number, payloads: readonly Payload[]): void {
  heedWindow(sa, payloads)
  heedToken(sa, payloads)
  if (exchangeType !== ExchangeType.IKE_AUTH) return
  const isTold = (type: number) => findNotify(payloads, type) !== undefined
  sa.abilities.messageIdSync ||= isTold(NotifyType.IKEV2_MESSAGE_ID_SYNC_SUPPORTED)
  sa.abilities.replayCounterSync ||= isTold(NotifyType.IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED)
}

/** The message that proves who we are, and for a responder that the peer has. */
function isOurProof(sa: IkeSa, payloads: readonly Payload[]): boolean {
  return payloads.some(({ kind }) => kind === 'AUTH') && (sa.role === 'initiator' || sa.state === 'established')
}

function authNotifies({ connection }: IkeSa): Payload[] {
  if (!connection.messageIdSync) return []
  const types = [NotifyType.IKEV2_MESSAGE_ID_SYNC_SUPPORTED, NotifyType.IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED]
  return types.map((type) => notify(type))
}
