import { wipe } from '../../bytes/index.ts'
import { encodeMessage, NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import { encapObstacle } from '../explain/explain-peer.ts'
import { IkeSa } from '../ike-sa.ts'
import { NONCE_BYTES, peerNonce } from '../keys/nonces.ts'
import { findNotify, notify } from '../message/notifies.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import { detectNat, natDetectionPayloads } from '../path/nat-detection.ts'
import { suiteOf } from '../resumption/resumption.ts'
import type { Session } from '../resumption/session.ts'
import type { IkeRuntime } from '../runtime.ts'
import { settleResumption } from '../set-up/init-result.ts'
import { initAnswerNotifies } from '../set-up/peer-abilities.ts'
import { answerSetUp } from '../set-up/set-up.ts'
import { connectionsFor, type InitAnswer, type InitRequest } from './sa-init-responder.ts'

interface Known {
  readonly session: Session
  readonly connection: ConnectionConfig
  readonly suite: ChosenProposal
}

/**
 * IKE_SESSION_RESUME as responder. A ticket that is not ours, too old, or of a connection that is no longer configured so is
 * refused, and the initiator begins anew. RFC 5723 §4.3.
 */
// <-- HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE), N(NAT_DETECTION_*)
export function answerResume(runtime: IkeRuntime, request: InitRequest, id: number): InitAnswer {
  const known = knownSession(runtime, request)
  const nat = detectNat(runtime.crypto, request.payloads, { SPIi: request.header.SPIi, SPIr: noSpi }, request.path)
  const carriesPlain = runtime.xfrm.carriesPlainEsp === true
  // HDR, N(TICKET_NACK) -->
  if (known === undefined || encapObstacle(known.connection, nat, carriesPlain) !== undefined) {
    wipe(known?.session.SK_d)
    return { sa: undefined, payloads: [notify(NotifyType.TICKET_NACK)] }
  }
  return open(runtime, request, id, known, nat)
}

function knownSession(runtime: IkeRuntime, { payloads, path }: InitRequest): Known | undefined {
  const ticket = findNotify(payloads, NotifyType.TICKET_OPAQUE)?.data
  const session = ticket === undefined ? undefined : runtime.tickets.open(ticket, runtime.now)
  if (session === undefined) return undefined
  const connection = connectionsFor(runtime.connections, path).find(({ name }) => name === session.connection)
  const suite = connection?.resumption === true ? suiteOf(session, connection) : undefined
  if (connection !== undefined && suite !== undefined) return { session, connection, suite }
  wipe(session.SK_d)
  return undefined
}

function open(
  runtime: IkeRuntime,
  { header, payloads, message, path }: InitRequest,
  id: number,
  { session, connection, suite }: Known,
  { natLocal, natRemote }: { readonly natLocal: boolean; readonly natRemote: boolean },
): InitAnswer {
  const Ni = peerNonce(payloads, suite.prf).slice()
  const SPIi = header.SPIi.slice()
  const SPIr = runtime.takeIkeSpi()
  const Nr = runtime.random(NONCE_BYTES, 'nonce')
  const { setUp, notifies } = answerSetUp([connection], payloads)
  // HDR, Nr, N(NAT_DETECTION_*) -->
  const ours: Payload[] = [
    { kind: 'Nonce', critical: false, data: Nr },
    ...natDetectionPayloads(runtime.crypto, connection.encap, { SPIi, SPIr }, path),
    ...initAnswerNotifies(connection, payloads),
    ...notifies,
  ]
  const flags = { initiator: false, response: true, higherVersion: false }
  const response = encodeMessage({ ...header, SPIi, SPIr, flags }, ours)
  const sa = new IkeSa({ runtime, id, role: 'responder', SPIi, connection, path })
  sa.init = settleResumption(runtime, 'responder', SPIi, session.SK_d, {
    SPIr,
    Ni,
    Nr,
    initRequest: message.slice(),
    initResponse: response,
    suite,
    natLocal,
    natRemote,
  })
  sa.setUp = { ...setUp, ppk: false }
  sa.hasPpk = session.ppk
  const { remoteId, eapIdentity, certificate, authenticatedAt } = session
  sa.resumed = { remoteId, eapIdentity, certificate, authenticatedAt }
  sa.window.responded(header.messageId, { datagrams: [response], recut: undefined }, runtime.now)
  return { sa, response, payloads: ours }
}

const noSpi = new Uint8Array(8)
