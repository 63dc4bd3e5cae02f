import { PeerError } from '../../errors.ts'
import { ask, type Flow } from '../asking/flow.ts'
import { AuthResponder } from '../auth/auth-responder.ts'
import type { Gateway } from '../auth/gateway-identity.ts'
import { Refused } from '../auth/refused.ts'
import { acceptChild, chooseChild, refusalPayload } from '../child/child-choice.ts'
import { selectChildren } from '../child/child-selection.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { announceGiven, answerConfigRequest } from '../config-payload/config-answer.ts'
import { explainChildRefused } from '../explain/explain-childless.ts'
import { explainNo } from '../explain/explain-methods.ts'
import type { IkeSa } from '../ike-sa.ts'
import { finishOrAbandon } from '../keys/follow-up.ts'
import { refuseDuplicate, settleDuplicates } from '../life/ike-uniqueness.ts'
import { find, findNotify, notify } from '../message/notifies.ts'
import { mobikeAuthPayloads, noteMobikeSupport } from '../path/mobike.ts'
import { sendElsewhere } from '../redirect/redirect-gateway.ts'
import { answerTicketRequest } from '../resumption/resumption.ts'
import { saidOfAuth } from '../set-up/set-up.ts'

/**
 * IKE_AUTH as responder, all its exchanges: both ends prove themselves, and the first CHILD_SA is made. A CHILD_SA that cannot be
 * made leaves the IKE_SA standing. `first` is the first request. RFC 7296 §1.2, §2.15, §2.21.2.
 */
// <-- HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] [AUTH,] [N(PPK_IDENTITY), N(NO_PPK_AUTH),] [CP,] [SAi2, TSi, TSr]}
export function* answerAuth(sa: IkeSa, first: readonly Payload[]): Flow<Payload[]> {
  checkPlace(sa)
  if (sa.setUp !== undefined) sa.setUp = { ...sa.setUp, ...saidOfAuth(first) }
  try {
    const { request, response } = yield* new AuthResponder(sa, first).prove()
    return [...response, ...(yield* letIn(sa, first, request))]
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    // HDR, SK {N(AUTHENTICATION_FAILED)} -->
    const { refusal, answer } = error
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.closing = { reason: 'refused', refusal }
    return answer
  }
}

function checkPlace(sa: IkeSa): void {
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
}

/** The peer is who it says: what it gets. `first` and `last` are its first and its last request. */
// HDR, SK {..., [CP,] [SAr2, TSi, TSr]} -->
function* letIn(sa: IkeSa, first: readonly Payload[], last: readonly Payload[]): Flow<Payload[]> {
  const wantsChild = find(first, 'SA') !== undefined
  if (!wantsChild && (sa.setUp?.childless !== true || sa.connection.childless === 'never')) throw childlessRefused()
  const said = first === last ? first : [...first, ...last]
  const isInitialContact = findNotify(said, NotifyType.INITIAL_CONTACT) !== undefined
  const duplicate = refuseDuplicate(sa, isInitialContact)
  if (duplicate !== undefined) throw new Refused(duplicate)
  yield* authorize(sa)
  // Whoever is sent elsewhere may stay for a while, and ask for CHILD_SAs.
  const elsewhere = sa.setUp?.elsewhere?.get(sa.connection)
  if (elsewhere !== undefined) return redirect(sa, elsewhere)
  const config = yield* answerConfigRequest(sa, first)
  const makesChild = wantsChild && config.error === undefined
  const children = makesChild ? yield* childrenFor(sa, first) : []
  noteMobikeSupport(sa, said)
  sa.established()
  announceGiven(sa, config.given)
  const child = makesChild ? answerFirstChild(sa, first, children) : config.error === undefined ? [] : [config.error]
  settleDuplicates(sa, isInitialContact)
  return [
    ...config.payloads,
    ...child,
    ...answerTicketRequest(sa, said),
    ...mobikeAuthPayloads(sa, sa.mobike !== undefined),
  ]
}

/** The peer is who it says, and is to go elsewhere: no CHILD_SA is made here. RFC 5685 §6. */
// HDR, SK {IDr, AUTH, N(REDIRECT, new gateway)} -->
function redirect(sa: IkeSa, to: Gateway): Payload[] {
  sa.established()
  return [sendElsewhere(sa, to)]
}

function* authorize(sa: IkeSa): Flow<void> {
  if (sa.runtime.asks.authorize !== true) return
  const peer = sa.provenPeer!
  const answer = yield* ask({ kind: 'authorize', peer })
  if (answer.ok) return
  throw new Refused(explainNo({ connection: sa.connection, remoteId: sa.remoteId }, peer.methods.join('+'), answer))
}

const childlessRefused = (): PeerError =>
  new PeerError('CHILDLESS_NEVER', 'an IKE_AUTH without a CHILD_SA, and childless is "never" for this connection', {
    notify: NotifyType.INVALID_SYNTAX,
  })

/** The children that the first CHILD_SA may be; an error notify when somebody of ours says that it is none. */
function* childrenFor(sa: IkeSa, payloads: readonly Payload[]): Flow<readonly ChildConfig[] | Payload> {
  if (sa.connection.childless === 'force') return []
  try {
    return yield* selectChildren(sa, payloads)
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    return refusalPayload(error)
  }
}

// HDR, SK {..., SAr2, TSi, TSr} --> or SK {..., N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN | NO_ADDITIONAL_SAS)}
function answerFirstChild(
  sa: IkeSa,
  payloads: readonly Payload[],
  children: readonly ChildConfig[] | Payload,
): Payload[] {
  if (sa.connection.childless === 'force') {
    const refusal = explainChildRefused(sa.connection)
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
    return [notify(NotifyType.NO_ADDITIONAL_SAS)]
  }
  if ('kind' in children) return [children]
  try {
    const { Ni, Nr } = sa.init!
    const choice = chooseChild(sa, payloads, true, children)
    const answer = acceptChild(sa, choice)
    finishOrAbandon(answer, { Ni, Nr, secrets: [] })
    const proposals = [choice.suite.toProposal(answer.spi)]
    return [...answer.before, { kind: 'SA', critical: false, proposals }, ...answer.after]
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    return [refusalPayload(error)]
  }
}
