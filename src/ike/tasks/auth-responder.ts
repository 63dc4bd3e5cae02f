import { PeerError } from '../../errors.ts'
import { authData, idPayload } from '../auth/auth-payloads.ts'
import type { Gateway } from '../auth/gateway-identity.ts'
import { identityMatches } from '../auth/identity.ts'
import { adoptPpk } from '../auth/ppk.ts'
import { explainUnproven, type Proof, provePeer } from '../auth/prove-peer.ts'
import { acceptChild, chooseChild, refusalPayload } from '../child/child-choice.ts'
import { AuthMethod, encodeIdBody, NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig, Identity } from '../config.ts'
import { explainNoConnection } from '../explain/explain-auth.ts'
import { explainChildRefused } from '../explain/explain-childless.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { finishOrAbandon } from '../keys/follow-up.ts'
import { refuseDuplicate, settleDuplicates } from '../life/ike-uniqueness.ts'
import { find, findNotify, need, notify } from '../message/notifies.ts'
import { mobikeAuthPayloads, noteMobikeSupport } from '../path/mobike.ts'
import { sendElsewhere } from '../redirect/redirect-gateway.ts'
import { answerTicketRequest } from '../resumption/resumption.ts'
import { authMethodsIn } from '../set-up/set-up.ts'

/**
 * IKE_AUTH as responder: the peer's identity chooses the connection, its AUTH proves it, and the first CHILD_SA is made.
 * A CHILD_SA that cannot be made leaves the IKE_SA standing. RFC 7296 §1.2, §2.15, §2.21.2.
 */
// <-- HDR, SK {IDi, [IDr,] AUTH, [N(PPK_IDENTITY), N(NO_PPK_AUTH),] [SAi2, TSi, TSr]}
export function answerAuth(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  if (sa.state !== 'connecting') {
    throw new PeerError('UNEXPECTED_AUTH', 'IKE_AUTH on an IKE_SA that is authenticated', {
      notify: NotifyType.INVALID_SYNTAX,
    })
  }
  if (sa.intermediate?.nextGroup !== undefined) {
    throw new PeerError('MISSING_INTERMEDIATE', 'IKE_AUTH before the additional key exchanges that were agreed on', {
      notify: NotifyType.INVALID_SYNTAX,
    })
  }
  const IDi = need(payloads, 'IDi')
  const IDr = find(payloads, 'IDr')
  const wantedId = IDr === undefined ? undefined : { type: IDr.idType, data: IDr.data.slice() }
  sa.remoteId = { type: IDi.idType, data: IDi.data.slice() }
  const fitting = sa.candidates.filter((connection) => fitsIdentities(connection, sa.remoteId!, wantedId))
  if (fitting.length === 0) {
    return reject(sa, explainNoConnection({ candidates: sa.candidates, remoteId: sa.remoteId, localId: wantedId }))
  }
  if (sa.setUp !== undefined) sa.setUp = { ...sa.setUp, peerAuthMethods: authMethodsIn(payloads) }
  const idBody = encodeIdBody(IDi)
  const proof = firstProof(sa, fitting, payloads, idBody)
  if (proof === undefined) {
    sa.connection = fitting[0]!
    return reject(sa, explainUnproven(sa, sa.connection, payloads, idBody))
  }
  if (proof.ppkKeys !== undefined) adoptPpk(sa, proof.ppkKeys)
  const wantsChild = find(payloads, 'SA') !== undefined
  if (!wantsChild && (sa.setUp?.childless !== true || sa.connection.childless === 'never')) throw childlessRefused()
  const elsewhere = sa.setUp?.elsewhere?.get(sa.connection)
  if (elsewhere !== undefined) return redirect(sa, proof, elsewhere)
  const isInitialContact = findNotify(payloads, NotifyType.INITIAL_CONTACT) !== undefined
  const duplicate = refuseDuplicate(sa, isInitialContact)
  if (duplicate !== undefined) return reject(sa, duplicate)
  noteMobikeSupport(sa, payloads)
  sa.established()
  const child = wantsChild ? answerFirstChild(sa, payloads) : []
  settleDuplicates(sa, isInitialContact)
  return [
    ...ourAuth(sa),
    ...(proof.ppkKeys === undefined ? [] : [notify(NotifyType.PPK_IDENTITY)]),
    ...child,
    ...answerTicketRequest(sa, payloads),
    ...mobikeAuthPayloads(sa, sa.mobike !== undefined),
  ]
}

/** The peer is who it says, and is to go elsewhere: no CHILD_SA is made here. RFC 5685 §6. */
// HDR, SK {IDr, AUTH, N(REDIRECT, new gateway)} -->
function redirect(sa: IkeSa, proof: Proof, to: Gateway): Payload[] {
  sa.established()
  const ppk = proof.ppkKeys === undefined ? [] : [notify(NotifyType.PPK_IDENTITY)]
  return [...ourAuth(sa), ...ppk, sendElsewhere(sa, to)]
}

/** Chooses the connection: the first of those that fit whose secrets the peer has. */
function firstProof(
  sa: IkeSa,
  fitting: readonly ConnectionConfig[],
  payloads: readonly Payload[],
  idBody: Uint8Array,
): Proof | undefined {
  for (const connection of fitting) {
    const proof = provePeer(sa, connection, payloads, idBody)
    if (proof === undefined) continue
    sa.connection = connection
    return proof
  }
  return undefined
}

const childlessRefused = (): PeerError =>
  new PeerError('CHILDLESS_NEVER', 'an IKE_AUTH without a CHILD_SA, and childless is "never" for this connection', {
    notify: NotifyType.INVALID_SYNTAX,
  })

function fitsIdentities(connection: ConnectionConfig, remoteId: Identity, wantedId: Identity | undefined): boolean {
  return (
    identityMatches(connection.remote.id, remoteId) &&
    (wantedId === undefined || identityMatches(connection.local.id, wantedId))
  )
}

// HDR, SK {N(AUTHENTICATION_FAILED)} -->
function reject(sa: IkeSa, refusal: Refusal): Payload[] {
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
  sa.closing = { reason: 'refused', refusal }
  return [notify(NotifyType.AUTHENTICATION_FAILED)]
}

// HDR, SK {IDr, AUTH, ...} -->
function ourAuth(sa: IkeSa): Payload[] {
  const { local } = sa.connection
  const IDr = idPayload('IDr', local.id)
  const data = authData(sa, local.auth, 'responder', encodeIdBody(IDr))
  return [IDr, { kind: 'AUTH', critical: false, method: AuthMethod.SHARED_KEY_MIC, data }]
}

// HDR, SK {..., SAr2, TSi, TSr} --> or SK {..., N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN | NO_ADDITIONAL_SAS)}
function answerFirstChild(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  if (sa.connection.childless === 'force') {
    const refusal = explainChildRefused(sa.connection)
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
    return [notify(NotifyType.NO_ADDITIONAL_SAS)]
  }
  try {
    const { Ni, Nr } = sa.init!
    const choice = chooseChild(sa, payloads, true)
    const answer = acceptChild(sa, choice)
    finishOrAbandon(answer, { Ni, Nr, secrets: [] })
    const proposals = [choice.suite.toProposal(answer.spi)]
    return [...answer.before, { kind: 'SA', critical: false, proposals }, ...answer.after]
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    return [refusalPayload(error)]
  }
}
