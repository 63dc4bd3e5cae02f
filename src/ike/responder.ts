import { PeerError } from '../errors.ts'
import type { Flow } from './asking/flow.ts'
import { mayBeMade } from './child/child-making.ts'
import type { ChildSa } from './child/child-sa.ts'
import { endChild, silentFirst } from './child/child-succession.ts'
import { ExchangeType, exchangeName, type IkeHeader, NotifyType, type Payload, ProtocolId } from './codec/index.ts'
import { answerPeerQuestion } from './config-payload/peer-question.ts'
import { explainPeerRefusedAuthentication } from './explain/explain-auth.ts'
import type { IkeSa } from './ike-sa.ts'
import { answerFollowUp } from './keys/follow-up.ts'
import { newestOf } from './life/succession.ts'
import { findNotify } from './message/notifies.ts'
import { isKnownExchange } from './message/payload-rules.ts'
import { heedInvalidSpi } from './message/stray-messages.ts'
import { answerMobike } from './path/mobike.ts'
import { redirectIn } from './redirect/redirect-payload.ts'
import { answerTicketRequest } from './resumption/resumption.ts'
import type { Path } from './runtime.ts'
import { answerAuth } from './tasks/auth-responder.ts'
import { deletePayload } from './tasks/child-delete.ts'
import { answerCreateChild } from './tasks/child-responder.ts'
import { answerIntermediate } from './tasks/intermediate.ts'

/** Answers an authenticated request: the payloads of the response, or what comes to them. Throws `PeerError` for an error notify. */
export function answerRequest(
  sa: IkeSa,
  header: IkeHeader,
  payloads: readonly Payload[],
  path: Path,
): Payload[] | Flow<Payload[]> {
  const { exchangeType, messageId } = header
  if (exchangeType === ExchangeType.IKE_AUTH && sa.role === 'responder') return answerAuth(sa, payloads)
  if (sa.state === 'connecting' && exchangeType === ExchangeType.IKE_INTERMEDIATE) {
    return answerIntermediate(sa, payloads)
  }
  if (sa.authFlow !== undefined && exchangeType === ExchangeType.INFORMATIONAL && endsSetUp(payloads)) {
    return answerInformational(sa, messageId, payloads, path)
  }
  if (sa.state === 'connecting') {
    throw new PeerError('NOT_AUTHENTICATED', `${exchangeName(exchangeType)} before IKE_AUTH`, {
      notify: NotifyType.INVALID_SYNTAX,
    })
  }
  if (!deletesIke(payloads)) sa.rekeyingOf?.theirsIsUsed()
  if (exchangeType === ExchangeType.CREATE_CHILD_SA) return answerCreateChild(sa, payloads)
  if (exchangeType === ExchangeType.IKE_FOLLOWUP_KE) return answerFollowUp(sa, payloads)
  if (exchangeType === ExchangeType.INFORMATIONAL) return answerInformational(sa, messageId, payloads, path)
  // Of an extension that was not agreed on. INVALID_SYNTAX would end the IKE_SA, silence the peer's patience: the generic error does not.
  if (!isKnownExchange(exchangeType)) {
    throw new PeerError('UNKNOWN_EXCHANGE', `nothing is known about ${exchangeName(exchangeType)}`, {
      notify: NotifyType.NO_PROPOSAL_CHOSEN,
    })
  }
  throw new PeerError('UNEXPECTED_EXCHANGE', `${exchangeName(exchangeType)} is not expected here`, {
    notify: NotifyType.INVALID_SYNTAX,
  })
}

/** Between two IKE_AUTH exchanges the initiator may end it: what it got does not do, or nobody wants it any more. */
const endsSetUp = (payloads: readonly Payload[]): boolean =>
  findNotify(payloads, NotifyType.AUTHENTICATION_FAILED) !== undefined || deletesIke(payloads)

/** INFORMATIONAL: deletes, notifies, or nothing at all (liveness). RFC 7296 §1.4. */
// <-- HDR, SK {[N,] [D,] [CP,] ...}
function answerInformational(sa: IkeSa, messageId: number, payloads: readonly Payload[], path: Path): Payload[] {
  if (findNotify(payloads, NotifyType.AUTHENTICATION_FAILED) !== undefined) return authenticationFailed(sa)
  const deletes = payloads.filter((payload) => payload.kind === 'D')
  if (deletesIke(payloads)) {
    sa.closing = { reason: 'peer' }
    return []
  }
  const ofEsp = deletes.filter(({ protocol }) => protocol === ProtocolId.ESP)
  if (ofEsp.some(({ spiSize }) => spiSize !== 4)) {
    throw new PeerError('BAD_SPI_SIZE', 'a DELETE names ESP SPIs that have not four octets (RFC 7296 §3.11)', {
      notify: NotifyType.INVALID_SYNTAX,
    })
  }
  const elsewhere = sa.beganAs === 'initiator' ? redirectIn(payloads) : undefined
  if (elsewhere !== undefined) sa.runtime.goElsewhere(sa, elsewhere.gateway)
  const spis = ofEsp.flatMap((payload) => payload.spis)
  heedInvalidSpi(sa, payloads)
  const answer = [
    ...answerMobike(sa, messageId, payloads, path),
    ...answerTicketRequest(sa, payloads),
    ...answerPeerQuestion(sa, payloads),
  ]
  return spis.length === 0 ? answer : [...answer, ...deleteChildren(sa, spis)]
}

const deletesIke = (payloads: readonly Payload[]): boolean =>
  payloads.some((payload) => payload.kind === 'D' && payload.protocol === ProtocolId.IKE)

/** The peer took our AUTH for wrong after we had established the IKE_SA as responder. RFC 7296 §2.21.2. */
function authenticationFailed(sa: IkeSa): Payload[] {
  const { connection, setUp } = sa
  const refusal = setUp?.refusing ?? explainPeerRefusedAuthentication({ connection, announced: setUp?.peerAuthMethods })
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
  sa.closing = { reason: 'refused', refusal }
  return []
}

/**
 * The peer names the SPIs that it receives on, our outbound ones. We answer with ours, but not for a CHILD_SA that we are
 * deleting ourselves: our own DELETE says it. RFC 7296 §1.4.1.
 */
// HDR, SK {D} --> or SK {}
function deleteChildren(sa: IkeSa, spis: readonly Uint8Array[]): Payload[] {
  const named: ChildSa[] = []
  for (const spi of spis) {
    const value = new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0)
    const child = newestOf(sa).children.find(({ spiOut }) => spiOut === value)
    if (child === undefined) noteUnknown(sa, value)
    else if (!named.includes(child)) named.push(child)
  }
  const answered = named.filter(({ isAlive }) => isAlive).map(({ spiIn }) => spiIn)
  for (const child of silentFirst(named)) endChild(child, 'peer')
  return answered.length === 0 ? [] : [deletePayload(answered)]
}

/** A peer may delete a CHILD_SA whose making we have not heard the end of. Bounded: the SPIs are the peer's to invent. */
function noteUnknown(sa: IkeSa, spi: number): void {
  if (!mayBeMade(sa)) return
  sa.deletedEarly ??= new Set()
  if (sa.deletedEarly.size < 64) sa.deletedEarly.add(spi)
}
