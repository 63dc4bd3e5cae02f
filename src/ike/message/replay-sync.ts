import { readU32, Writer } from '../../bytes/index.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from './notifies.ts'

/** Asks the peer to leave out `delta` sequence numbers of ESP, where it can and that is wanted. RFC 6311 §5.2, §8.4. */
export function replaySyncPayloads(sa: IkeSa, delta: number): Payload[] {
  if (delta === 0 || !sa.abilities.replayCounterSync) return []
  const writer = new Writer(8)
  if (sa.children.some((child) => child.status().esn)) writer.u32(Math.floor(delta / 0x1_0000_0000))
  const data = writer.u32(delta >>> 0).finish()
  return [notify(NotifyType.IPSEC_REPLAY_COUNTER_SYNC, data)]
}

/** The peer wants its inbound CHILD_SAs to go on further up: its window may lag behind what we have sent. */
export function skipSequenceNumbers(sa: IkeSa, payloads: readonly Payload[]): void {
  const data = findNotify(payloads, NotifyType.IPSEC_REPLAY_COUNTER_SYNC)?.data
  if (data?.length !== 4 && data?.length !== 8) return
  const delta = data.length === 4 ? readU32(data, 0) : readU32(data, 0) * 0x1_0000_0000 + readU32(data, 4)
  for (const child of sa.children) child.skipSequenceNumbers(delta)
}
