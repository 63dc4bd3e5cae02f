import { equalConstantTime, wipe } from '../../bytes/index.ts'
import { ask, exchange, type Flow } from '../asking/flow.ts'
import { AuthMethod, EapCode, NotifyType, type Payload } from '../codec/index.ts'
import type { EapServerAuth, Identity } from '../config.ts'
import { explainEap, explainNo } from '../explain/explain-methods.ts'
import { explainNoPpk, explainUnknownPpk, explainWrongPpk } from '../explain/explain-ppk.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { LastingKeys } from '../keys/keymat.ts'
import { findNotify, need, notify } from '../message/notifies.ts'
import type { EapServerAnswer } from '../questions.ts'
import { copyEndpoint } from '../runtime.ts'
import { authPayload, ownKey, sharedAuth } from './auth-payloads.ts'
import { eapFailure, eapPacketIn, eapPayload, endlessEap, MOST_EAP_ROUNDS } from './eap-packet.ts'
import { adoptPpk, choosePpk, discardPpk, wantedPpk } from './ppk.ts'
import { Refused } from './refused.ts'

/** What EAP has found out about the peer. */
export type EapSuccess = Extract<EapServerAnswer, { readonly done: true }>

export interface EapRound {
  readonly auth: EapServerAuth
  /** Whom the peer says that it is, and the body of IDi; ours of IDr. */
  readonly id: Identity
  readonly idBody: Uint8Array
  readonly ownIdBody: Uint8Array
  /** It is to prove us as well. RFC 5998. */
  readonly isOnly: boolean
  /** The peer's AUTH is its first, beside which it speaks of PPKs. RFC 8784 §3. */
  readonly isFirst: boolean
}

/** The peer's request with its AUTH, which is good, and what of the response proves us. */
interface Settled {
  readonly request: readonly Payload[]
  readonly response: Payload[]
}

/**
 * The peer proves itself by EAP: passes its packets to whoever knows it, and theirs to the peer. `begin` is what the first response
 * holds besides. A PPK that the peer used is in the keys afterwards. RFC 7296 §2.16, RFC 8784 §3.
 */
export function* eapAsServer(
  sa: IkeSa,
  round: EapRound,
  begin: readonly Payload[],
): Flow<Settled & { readonly success: EapSuccess }> {
  const { success, last } = yield* converse(sa, round, begin)
  try {
    return { ...(yield* settle(sa, round, success, last)), success }
  } finally {
    if (success.msk !== undefined) wipe(success.msk)
  }
}

// HDR, SK {EAP (Success)} --> <-- HDR, SK {AUTH, [N(PPK_IDENTITY), [N(NO_PPK_AUTH)]]} HDR, SK {AUTH, [N(PPK_IDENTITY)]} -->
function* settle(sa: IkeSa, round: EapRound, { msk }: EapSuccess, last: Payload[]): Flow<Settled> {
  const request = yield* exchange(last)
  const subject = { connection: sa.connection, remoteId: sa.remoteId }
  const name = sa.connection.name
  if (round.isOnly && msk === undefined) {
    throw new Refused(
      explainEap(
        subject,
        'the method made no key, and it was to prove us as well',
        `connections.${name}.local.auth: pubkey, or a method of EAP that makes a key`,
      ),
    )
  }
  const { method, data } = need(request, 'AUTH')
  const isProof = (keys?: LastingKeys, octets = data): boolean =>
    method === AuthMethod.SHARED_KEY_MIC &&
    equalConstantTime(sharedAuth(sa, msk ?? ownKey(sa, 'initiator', keys), 'initiator', round.idBody, keys), octets)
  const ppk = round.isFirst ? choosePpk(sa, sa.connection, request, data) : { keys: undefined, data }
  if (ppk === undefined) throw new Refused(explainLackingPpk(sa, request))
  if (!isProof(ppk.keys, ppk.data)) {
    if (ppk.keys !== undefined) discardPpk(ppk.keys)
    const withoutPpk = findNotify(request, NotifyType.NO_PPK_AUTH)?.data
    const isPpkWrong = ppk.keys !== undefined && withoutPpk !== undefined && isProof(undefined, withoutPpk)
    throw new Refused(isPpkWrong ? explainWrongPpk(subject) : explainEap(subject, ...wrongAuth(ppk.keys !== undefined)))
  }
  if (ppk.keys !== undefined) adoptPpk(sa, ppk.keys)
  const ours = sharedAuth(sa, msk ?? ownKey(sa, 'responder'), 'responder', round.ownIdBody)
  const usesPpk = ppk.keys === undefined ? [] : [notify(NotifyType.PPK_IDENTITY)]
  return { request, response: [authPayload(AuthMethod.SHARED_KEY_MIC, ours), ...usesPpk] }
}

const wrongAuth = (hasPpk: boolean): [problem: string, hint: string] => [
  `the peer's AUTH does not verify with the key that the method made${hasPpk ? ' and the post-quantum pre-shared key' : ''}`,
  `somebody may stand between the two ends; else their methods of EAP${hasPpk ? ', or the secrets of that key,' : ''} differ`,
]

/** The initiator does not use the PPK that it has to, or requires another one. */
function explainLackingPpk(sa: IkeSa, request: readonly Payload[]): Refusal {
  const { connection, remoteId } = sa
  const id = wantedPpk(sa, request)
  return id === undefined ? explainNoPpk({ connection, remoteId }) : explainUnknownPpk({ connection, remoteId, id })
}

/** Gives `last`, the message with EAP Success that is to be sent. */
// HDR, SK {[IDr, [CERT,] [AUTH,]] EAP} --> <-- HDR, SK {EAP}
function* converse(
  sa: IkeSa,
  { auth, id }: EapRound,
  begin: readonly Payload[],
): Flow<{ readonly success: EapSuccess; readonly last: Payload[] }> {
  const session = sa.runtime.nextEapSession++
  let packet: Uint8Array | undefined
  let before = begin
  for (let i = 0; i < MOST_EAP_ROUNDS; i++) {
    const connection = sa.connection.name
    const remote = copyEndpoint(sa.path.remote)
    const answer = yield* ask({ kind: 'eap-server', sa: sa.ref, auth, session, connection, id, remote, packet })
    if (!answer.ok) {
      const refusal = explainNo({ connection: sa.connection, remoteId: sa.remoteId }, 'eap', answer)
      const failure = answer.packet ?? (packet && eapFailure(packet))
      // HDR, SK {EAP (Failure)} -->
      throw failure === undefined ? new Refused(refusal) : new Refused(refusal, [...before, eapPayload(failure)])
    }
    noteRefusal(sa, answer)
    const response = [...before, eapPayload(answer.packet)]
    if ('done' in answer && answer.packet[0] === EapCode.SUCCESS) return { success: answer, last: response }
    packet = eapPacketIn(yield* exchange(response)).packet
    before = []
  }
  throw endlessEap()
}

/** Clients often end the IKE_SA where the method has told them no, and would leave us without the reason that we have. */
function noteRefusal(sa: IkeSa, answer: EapServerAnswer & { readonly ok: true }): void {
  if (sa.setUp === undefined) return
  const refusal = 'refusal' in answer ? answer.refusal : undefined
  const subject = { connection: sa.connection, remoteId: sa.remoteId }
  sa.setUp = { ...sa.setUp, refusing: refusal && explainNo(subject, 'eap', refusal) }
}
