import { NotifyType, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from './notifies.ts'

/**
 * SET_WINDOW_SIZE for the message with these `payloads`: with our AUTH as initiator, else with the first message of an
 * established IKE_SA, which for one that came of a rekey is any. From then on the window counts. RFC 7296 §2.3.
 */
export function announceWindow(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  const { windowSize } = sa.connection
  const mayTell =
    sa.state === 'established' || (sa.role === 'initiator' && payloads.some(({ kind }) => kind === 'AUTH'))
  if (!mayTell || sa.window.ownSize === windowSize) return []
  sa.window.ownSize = windowSize
  return [notify(NotifyType.SET_WINDOW_SIZE, Uint8Array.of(0, 0, windowSize >>> 8, windowSize & 0xff))]
}

/** Heeds SET_WINDOW_SIZE in any message of the peer. One of another length than four octets says nothing. */
export function heedWindow(sa: IkeSa, payloads: readonly Payload[]): void {
  const data = findNotify(payloads, NotifyType.SET_WINDOW_SIZE)?.data
  if (data?.length !== 4) return
  sa.window.peerSize = new DataView(data.buffer, data.byteOffset, 4).getUint32(0)
}
