import { PeerError } from '../../errors.ts'
import {
  decodeMessage,
  ExchangeType,
  exchangeName,
  type IkeHeader,
  isInitial,
  NotifyType,
  type Payload,
} from '../codec/index.ts'
import { explainGivenUp, explainPeerNotify, explainProtocolError } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { closeUnheard, heardFrom } from '../life/ike-liveness.ts'
import { renewKeys, serveLifetime } from '../life/ike-renewal.ts'
import { forgetAuth } from '../life/letting-go.ts'
import { answeredElsewhere } from '../path/path-changes.ts'
import type { Path } from '../runtime.ts'
import { heedAnnouncements } from '../set-up/announcements.ts'
import { heedInit } from '../set-up/peer-abilities.ts'
import { taskFailed } from '../tasks/task-failed.ts'
import { broken, contained } from './contained.ts'
import { safeBytes } from './fragmentation.ts'
import { isHolding } from './held-requests.ts'
import type { MessageProtector } from './message-crypto.ts'
import { decodeOr, drop } from './message-drop.ts'
import { emitMessage } from './message-event.ts'
import { takeSync } from './message-id-sync.ts'
import { type ArrivedMessage, MalformedInside, openMessage } from './message-opening.ts'
import { repeatResponse, resend, sendRequest } from './message-sending.ts'
import type { PendingRequest, RequestOrder } from './message-window.ts'
import { findNotify, notify } from './notifies.ts'
import { checkPayloads } from './payload-rules.ts'
import { respond, takeRequest } from './request-answering.ts'

/** Begins what waits, as far as it may begin. */
export function pump(sa: IkeSa): void {
  if (sa.window.runsLow && !sa.isRenewedForIds) {
    sa.isRenewedForIds = true
    renewKeys(sa)
  }
  for (let task = sa.nextTask(); task !== undefined; task = sa.nextTask()) sendRequest(sa, task)
  // Rekeying came to nothing; what the ids that are left are for. RFC 7296 §2.2.
  if (sa.window.isUsedUp && sa.state === 'established' && sa.isQuiet) {
    sa.delete('expired')
    pump(sa)
  }
}

/** Retransmission and timers of one IKE_SA at `runtime.now`. RFC 7296 §2.1, §2.4. */
export function serveTime(sa: IkeSa): void {
  for (const pending of [...sa.window.pending]) {
    const step = sa.window.retransmission(pending, sa.runtime.now)
    if (step === 'resend') resend(sa, pending)
    if (step === 'give-up') {
      giveUp(sa, pending)
      break
    }
  }
  for (const timer of sa.serveTimers()) serveLifetime(sa, timer)
  pump(sa)
}

/** A response to IKE_SA_INIT or IKE_SESSION_RESUME of ours: the only ones that are not inside SK{}. */
export function receiveInitResponse(sa: IkeSa, header: IkeHeader, message: Uint8Array, path: Path): void {
  const pending = sa.window.pendingOf(header.messageId)
  if (sa.init !== undefined || pending === undefined) {
    return drop(sa.runtime, path, 'bad-message-id', 'a late or repeated first response')
  }
  const payloads = decodeOr(() => decodeMessage(message).payloads, sa.runtime, path)
  if (payloads === undefined) return
  emitMessage(sa.runtime, sa.ref, 'in', path, { header, payloads, encrypted: false, bytes: message.length })
  takeResponse(sa, pending, payloads, message, header, path)
  if (sa.init !== undefined) heedInit(sa, payloads)
  contained(sa, () => pump(sa))
}

/** Any message inside SK{}. It changes nothing before its integrity is checked. RFC 7296 §2.1, §3.14. */
export function receiveProtected(sa: IkeSa, header: IkeHeader, message: Uint8Array, path: Path): void {
  if (sa.init === undefined) return drop(sa.runtime, path, 'unexpected-exchange', 'no keys yet')
  if (!header.flags.response && sa.role === 'initiator' && sa.state === 'connecting') {
    // The responder may be established already while its IKE_AUTH response is still on its way: it will ask again.
    return drop(sa.runtime, path, 'unexpected-exchange', 'a request before IKE_AUTH is done')
  }
  if (takeSync(sa, header, message, path)) return contained(sa, () => pump(sa))
  const pending = header.flags.response ? sa.window.pendingOf(header.messageId) : undefined
  const order = header.flags.response ? orderOfResponse(pending) : sa.window.orderOf(header.messageId)
  // Its answer is on its way: somebody of ours is asked.
  if (!header.flags.response && isHolding(sa, header.messageId)) return
  if (order === 'out-of-window') return drop(sa.runtime, path, 'bad-message-id', `message id ${header.messageId}`)
  const arrived = openMessage(sa, header, order, protectorFor(sa, header, order), message, path)
  if (arrived === undefined) return
  if (arrived instanceof MalformedInside) {
    return order === 'retransmit' ? undefined : malformedInside(sa, header, arrived, path)
  }
  if (order === 'retransmit') return repeatResponse(sa, header.messageId, path)
  contained(sa, () => takeFresh(sa, header, pending, arrived, path))
}

/** An authenticated message that is new: a response to `pending`, or a request. */
function takeFresh(
  sa: IkeSa,
  header: IkeHeader,
  pending: PendingRequest | undefined,
  arrived: ArrivedMessage,
  path: Path,
): void {
  heardFrom(sa, path)
  const { payloads, bytes, datagram } = arrived
  emitMessage(sa.runtime, sa.ref, 'in', path, { header, payloads, encrypted: true, bytes })
  heedAnnouncements(sa, header.exchangeType, payloads)
  if (isIntermediate(header)) sa.intermediate?.received(datagram, header.flags.response, arrived)
  if (pending !== undefined) takeResponse(sa, pending, payloads, datagram, header, path)
  else takeRequest(sa, header, arrived, path)
  forgetAuth(sa)
  pump(sa)
}

const orderOfResponse = (pending: PendingRequest | undefined): RequestOrder =>
  pending === undefined ? 'out-of-window' : 'fresh'

/** An IKE_INTERMEDIATE request that comes again is protected by the keys before the ones that came of it. RFC 9242 §3.2. */
function protectorFor(sa: IkeSa, header: IkeHeader, order: RequestOrder): MessageProtector {
  const before = order === 'retransmit' && isIntermediate(header) ? sa.intermediate?.previousInbound : undefined
  return before ?? sa.init!.protectInbound
}

const isIntermediate = ({ exchangeType }: { readonly exchangeType: number }): boolean =>
  exchangeType === ExchangeType.IKE_INTERMEDIATE

function takeResponse(
  sa: IkeSa,
  pending: PendingRequest,
  payloads: readonly Payload[],
  message: Uint8Array,
  header: IkeHeader,
  path: Path,
): void {
  const { task, messageId } = pending
  if (header.exchangeType !== task.exchangeType) {
    const detail = `${exchangeName(header.exchangeType)} answers ${exchangeName(task.exchangeType)}`
    return drop(sa.runtime, sa.path, 'unexpected-exchange', detail)
  }
  try {
    checkPayloads(header.exchangeType, true, payloads)
    // RFC 7296 §2.21.3: the peer has closed the IKE_SA already.
    if (sa.state === 'established' && findNotify(payloads, NotifyType.INVALID_SYNTAX) !== undefined) {
      return sa.close('error', explainPeerNotify(NotifyType.INVALID_SYNTAX, task.name))
    }
    const result = task.processResponse({ payloads, message, SPIr: header.SPIr, path })
    if (result === 'ignore' || sa.state === 'closed') return
    sa.window.answered(messageId)
    answeredElsewhere(sa, path)
    sa.lastProblem = undefined
    if (pending.wasCut) sa.fragmentBytes = safeBytes(sa.path)
    if (result === 'again') sa.taskContinues(task)
    else if (result === 'done') sa.taskDone(task)
  } catch (error) {
    if (!(error instanceof PeerError)) return broken(sa, error)
    if (isInitial(header.exchangeType)) return doubt(sa, error)
    sa.window.answered(messageId)
    taskFailed(sa, task, error)
  }
}

/** Nobody has authenticated a first answer: a forged one must not end the attempt, the good one may follow. */
function doubt(sa: IkeSa, error: PeerError): void {
  sa.lastProblem = error.message
  drop(sa.runtime, sa.path, 'invalid-syntax', error.message)
}

/** The peer has our keys and sent nonsense: told with INVALID_SYNTAX, and the IKE_SA ends. RFC 7296 §2.21.3. */
function malformedInside(sa: IkeSa, header: IkeHeader, { error, datagram }: MalformedInside, path: Path): void {
  drop(sa.runtime, path, 'invalid-syntax', error.message)
  const problem = new PeerError('MALFORMED', error.message, { notify: NotifyType.INVALID_SYNTAX })
  if (header.flags.response) return sa.close('error', explainProtocolError(problem))
  sa.closing = { reason: 'error', refusal: explainProtocolError(problem) }
  respond(sa, { header, datagram, answerBytes: Number.POSITIVE_INFINITY, path }, [notify(NotifyType.INVALID_SYNTAX)])
}

function giveUp(sa: IkeSa, { task, attempts }: PendingRequest): void {
  if (task.unanswered?.() === true) return sa.taskDone(task)
  const refusal = explainGivenUp(task.name, attempts, sa.path.remote, sa.lastProblem)
  closeUnheard(sa, refusal)
}
