import { equalBytes, readU32, Writer } from '../../bytes/index.ts'
import { DecodeError } from '../../errors.ts'
import { ExchangeType, type IkeHeader, NotifyType, type Payload } from '../codec/index.ts'
import { explainGivenUp } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { closeUnheard, heardFrom } from '../life/ike-liveness.ts'
import type { Path } from '../runtime.ts'
import type { Sealed } from './fragmentation.ts'
import { drop } from './message-drop.ts'
import { emitMessage } from './message-event.ts'
import { renumber, sendSync, transmit } from './message-sending.ts'
import { findNotify, notify } from './notifies.ts'
import { reassemblyChanged } from './reassembly-timer.ts'
import { replaySyncPayloads, skipSequenceNumbers } from './replay-sync.ts'
import { retransmitDelay } from './retransmit-delay.ts'

/** Ids up to here can be agreed on: so many are left for a rekeying and the DELETE. They do not wrap (RFC 7296 §2.2). */
const LAST_AGREED_ID = 0xffff_fff0

/** `send`: the message id of the sender's next request. `receive`: the one that it expects of the receiver's. */
interface SyncCounters {
  /** 4 octets. */
  readonly nonce: Uint8Array
  readonly send: number
  readonly receive: number
}

/** Our synchronisation, while it waits for its response. */
export interface OwnSync {
  readonly nonce: Uint8Array
  /** What else it asks for. */
  readonly extra: readonly Payload[]
  send: number
  readonly receive: number
  attempts: number
}

/** The peer's last synchronisation. */
export interface PeerSync {
  readonly request: Uint8Array
  readonly response: Sealed
  /** The request that we expected next: as long as that has not come, the response may be lost. */
  readonly expectedId: number
}

/** True for an IKE_SA whose both ends can synchronise their message ids. RFC 6311 §4. */
export function canSync(sa: IkeSa): boolean {
  return sa.state === 'established' && speaksSync(sa)
}

/**
 * One that is replaced or deleted meanwhile goes on with it: its DELETE waits for the ids. One that is to take the place of another
 * stands for the peer already.
 */
const answersSync = (sa: IkeSa): boolean => sa.state !== 'connecting' && sa.state !== 'closed' && speaksSync(sa)

const speaksSync = ({ abilities, connection }: IkeSa): boolean => abilities.messageIdSync && connection.messageIdSync

/**
 * Asks the peer to agree on message ids, because we took this IKE_SA over and may know less than was said. Until it has
 * answered no request goes out. `replayDelta`: sequence numbers that the peer is to leave out in ESP. RFC 6311 §5.1.
 */
// HDR(id 0), SK {N(IKEV2_MESSAGE_ID_SYNC), [N(IPSEC_REPLAY_COUNTER_SYNC)]} -->
export function beginSync(sa: IkeSa, replayDelta: number): void {
  const { window, runtime } = sa
  window.isHeld = true
  sa.ownSync = {
    nonce: runtime.random(4),
    extra: replaySyncPayloads(sa, replayDelta),
    // What the one before us sent, and we do not know of, fits into the peer's window.
    send: window.nextRequestId + window.peerSize,
    receive: window.expectedId,
    attempts: 0,
  }
  send(sa, sa.ownSync)
}

/** The response did not come: asks again with a higher id, since the peer takes none twice. */
export function serveSync(sa: IkeSa): void {
  const sync = sa.ownSync
  if (sync === undefined) return
  if (sync.attempts > sa.connection.retransmit.tries) {
    return closeUnheard(sa, explainGivenUp('message-id-sync', sync.attempts, sa.path.remote, undefined))
  }
  sync.send += sa.window.peerSize * 2 ** sync.attempts
  sa.runtime.emit({ kind: 'retransmit', sa: sa.ref, messageId: 0, attempt: sync.attempts })
  send(sa, sync)
}

/**
 * Takes a message about message ids, which has the id 0 whatever the window says. False when this is no such message.
 * RFC 6311 §5.1, §8.3.
 */
export function takeSync(sa: IkeSa, header: IkeHeader, message: Uint8Array, path: Path): boolean {
  if (header.messageId !== 0 || header.exchangeType !== ExchangeType.INFORMATIONAL || !answersSync(sa)) return false
  if (header.flags.response && sa.ownSync === undefined) return false
  const payloads = insideOf(sa, message)
  const counters = payloads === undefined ? undefined : countersOf(payloads)
  if (payloads === undefined || counters === undefined) return false
  emitMessage(sa.runtime, sa.ref, 'in', path, { header, payloads, encrypted: true, bytes: message.length })
  if (header.flags.response) takeResponse(sa, counters, path)
  else takeRequest(sa, counters, payloads, message, path)
  return true
}

// <-- HDR(id 0), SK {N(IKEV2_MESSAGE_ID_SYNC)}
function takeResponse(sa: IkeSa, { nonce, send, receive }: SyncCounters, path: Path): void {
  const own = sa.ownSync!
  if (!equalBytes(nonce, own.nonce) || receive < own.send || send < own.receive) {
    return drop(sa.runtime, path, 'bad-message-id', 'an answer about message ids that is none to our question')
  }
  sa.ownSync = undefined
  sa.timers.clear('id-sync')
  sa.window.isHeld = false
  heardFrom(sa, path)
  adopt(sa, receive, send)
}

function takeRequest(
  sa: IkeSa,
  { nonce, send, receive }: SyncCounters,
  payloads: readonly Payload[],
  request: Uint8Array,
  path: Path,
): void {
  const { window } = sa
  const last = sa.peerSync
  if (last !== undefined && equalBytes(last.request, request) && last.expectedId === window.expectedId) {
    return transmit(sa, last.response, path)
  }
  // Whoever replays a synchronisation must not turn the ids back.
  if (send <= window.highestSeen) {
    return drop(sa.runtime, path, 'bad-message-id', `message ids from ${send} on, after ${window.highestSeen}`)
  }
  sa.rekeyingOf?.theirsIsUsed()
  heardFrom(sa, path)
  skipSequenceNumbers(sa, payloads)
  const next = Math.max(receive, window.nextRequestId, sa.ownSync?.send ?? 0)
  const response = sendSync(sa, true, [syncPayload({ nonce, send: next, receive: send })], path)
  adopt(sa, next, send)
  sa.peerSync = { request: request.slice(), response, expectedId: window.expectedId }
}

/** Goes on with these ids. What waits for a response gets one of them: under its old one it will not be heard. */
function adopt(sa: IkeSa, nextRequestId: number, expectedId: number): void {
  sa.reassembly.forgetAll()
  reassemblyChanged(sa)
  const pending = sa.window.resync(nextRequestId, expectedId)
  for (const one of pending) renumber(sa, one)
  sa.runtime.emit({ kind: 'message-ids-agreed', sa: sa.ref, nextSent: nextRequestId, nextReceived: expectedId })
}

function send(sa: IkeSa, sync: OwnSync): void {
  const at = sa.runtime.now + retransmitDelay(sa.connection.retransmit, sync.attempts, sa.runtime.random)
  sync.attempts++
  sa.timers.set('id-sync', at)
  sendSync(sa, false, [syncPayload(sync), ...sync.extra], sa.path)
}

/** Undefined for what is not whole, not authentic or malformed: the usual way of messages has the words for that. */
function insideOf(sa: IkeSa, message: Uint8Array): readonly Payload[] | undefined {
  try {
    const opened = sa.init!.protectInbound.open(message)
    return opened.ok ? opened.payloads : undefined
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return undefined
  }
}

/** Undefined too for those that no peer has come to. */
function countersOf(payloads: readonly Payload[]): SyncCounters | undefined {
  const data = findNotify(payloads, NotifyType.IKEV2_MESSAGE_ID_SYNC)?.data
  if (data?.length !== 12) return undefined
  const [send, receive] = [readU32(data, 4), readU32(data, 8)]
  return Math.max(send, receive) > LAST_AGREED_ID ? undefined : { nonce: data.slice(0, 4), send, receive }
}

function syncPayload({ nonce, send, receive }: SyncCounters): Payload {
  const data = new Writer(12).bytes(nonce).u32(send).u32(receive).finish()
  return notify(NotifyType.IKEV2_MESSAGE_ID_SYNC, data)
}
