import { concat, readU32, Writer } from '../../bytes/index.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from '../message/notifies.ts'
import { type ChosenProposal, chooseProposal } from '../negotiation/proposal.ts'
import { decodeSession, encodeSession, type Session } from './session.ts'
import { TICKET_MS } from './ticket-office.ts'

/** A session that is to be resumed as initiator, and the responder's ticket for it. */
export interface Resumable {
  readonly session: Session
  readonly ticket: Uint8Array
}

/** What `initiate` is given, as octets: from the event `ticket`. Undefined when it is malformed. */
export function decodeResumable(octets: Uint8Array): Resumable | undefined {
  const decoded = decodeSession(octets)
  return decoded === undefined ? undefined : { session: decoded.session, ticket: decoded.rest }
}

/** As initiator, in IKE_AUTH: we would like a ticket. RFC 5723 §4.1. */
export const ticketRequest = ({ resumption }: ConnectionConfig): Payload[] =>
  resumption ? [notify(NotifyType.TICKET_REQUEST)] : []

/**
 * As responder: the ticket that the peer asked for, or that it gets none. It is not good beyond the time at which the peer is to
 * authenticate anew. RFC 5723 §4.1, §6.2.
 */
export function answerTicketRequest(sa: IkeSa, request: readonly Payload[]): Payload[] {
  if (findNotify(request, NotifyType.TICKET_REQUEST) === undefined) return []
  const { runtime, connection } = sa
  const reauthAt = (sa.authenticatedAt ?? runtime.now) + connection.lifetime.reauthMs
  const seconds = Math.floor(Math.min(TICKET_MS, reauthAt - runtime.now) / 1_000)
  if (!connection.resumption || seconds <= 0 || hasSeveralCertificates(sa)) return [notify(NotifyType.TICKET_NACK)]
  const ticket = runtime.tickets.seal({ ...sessionOf(sa, 1_000 * seconds), certificates: [] }, runtime.now)
  return [notify(NotifyType.TICKET_LT_OPAQUE, new Writer(4 + ticket.length).u32(seconds).bytes(ticket).finish())]
}

/** As initiator: tells of the ticket that we got, if any. RFC 5723 §4.1. */
export function takeTicket(sa: IkeSa, response: readonly Payload[]): void {
  const data = findNotify(response, NotifyType.TICKET_LT_OPAQUE)?.data
  if (!sa.connection.resumption || data === undefined || data.length <= 4 || hasSeveralCertificates(sa)) return
  const lifetimeMs = 1_000 * readU32(data, 0)
  const session = encodeSession(sessionOf(sa, lifetimeMs))
  sa.ticket = 'good'
  sa.runtime.emit({ kind: 'ticket', sa: sa.ref, ticket: concat(session, data.subarray(4)), lifetimeMs })
}

/**
 * As initiator: the tickets of this IKE_SA are good no more, since it was rekeyed, or deleted by one of us. Does nothing when we have
 * none. RFC 5723 §6.2.
 */
export function voidTicket(sa: IkeSa): void {
  if (sa.ticket !== 'good') return
  sa.ticket = 'void'
  sa.runtime.emit({ kind: 'ticket-void', sa: sa.ref })
}

/**
 * The suite of a session, when it still is one of those configured, and the session has a PPK where one is required: nothing would be
 * left to mix it in when it is resumed.
 */
export function suiteOf({ proposal, ppk: hasPpk }: Session, connection: ConnectionConfig): ChosenProposal | undefined {
  if (connection.ppk?.required === true && !hasPpk) return undefined
  return chooseProposal([proposal], connection.ikeProposals, { protocol: proposal.protocol })
}

/** A session has room for one, and a peer that proved itself by two is to prove both. RFC 4739. */
const hasSeveralCertificates = ({ provenPeer }: IkeSa): boolean =>
  (provenPeer?.methods ?? []).filter((method) => method === 'pubkey').length > 1

function sessionOf(sa: IkeSa, lifetimeMs: number): Session {
  const { runtime, connection } = sa
  const { suite, keys } = sa.init!
  return {
    connection: connection.name,
    remoteId: sa.remoteId!,
    SK_d: keys.SK_d,
    proposal: suite.toProposal(),
    ppk: sa.hasPpk,
    eapIdentity: sa.provenPeer?.eapIdentity ?? '',
    certificate: sa.provenPeer?.certificate?.fingerprint ?? '',
    certificates: sa.peerCertificates,
    authenticatedAt: sa.authenticatedAt ?? runtime.now,
    expiresAt: runtime.now + lifetimeMs,
  }
}
