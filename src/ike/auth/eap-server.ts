import { equalConstantTime, wipe } from '../../bytes/index.ts'
import { ask, exchange, type Flow } from '../asking/flow.ts'
import { AuthMethod, EapCode, type Payload } from '../codec/index.ts'
import type { EapServerAuth, Identity } from '../config.ts'
import { explainEap, explainNo } from '../explain/explain-methods.ts'
import type { IkeSa } from '../ike-sa.ts'
import { need } from '../message/notifies.ts'
import type { EapServerAnswer } from '../questions.ts'
import { copyEndpoint } from '../runtime.ts'
import { authPayload, ownKey, sharedAuth } from './auth-payloads.ts'
import { eapFailure, eapPacketIn, eapPayload, endlessEap, MOST_EAP_ROUNDS } from './eap-packet.ts'
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
}

/**
 * The peer proves itself by EAP: passes its packets to whoever knows it, and theirs to the peer. `begin` is what the first response
 * holds besides. Gives the request with the peer's AUTH, which is good, and ours for the response. RFC 7296 §2.16.
 */
export function* eapAsServer(
  sa: IkeSa,
  round: EapRound,
  begin: readonly Payload[],
): Flow<{ readonly request: readonly Payload[]; readonly AUTH: Payload; readonly success: EapSuccess }> {
  const { success, last } = yield* converse(sa, round, begin)
  try {
    return { ...(yield* settle(sa, round, success, last)), success }
  } finally {
    if (success.msk !== undefined) wipe(success.msk)
  }
}

// HDR, SK {EAP (Success)} --> <-- HDR, SK {AUTH}
function* settle(
  sa: IkeSa,
  round: EapRound,
  { msk }: EapSuccess,
  last: Payload[],
): Flow<{ readonly request: readonly Payload[]; readonly AUTH: Payload }> {
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
  const expected = sharedAuth(sa, msk ?? ownKey(sa, 'initiator'), 'initiator', round.idBody)
  if (method !== AuthMethod.SHARED_KEY_MIC || !equalConstantTime(expected, data)) {
    throw new Refused(
      explainEap(
        subject,
        "the peer's AUTH does not verify with the key that the method made",
        'somebody may stand between the two ends; else their methods of EAP differ',
      ),
    )
  }
  const ours = sharedAuth(sa, msk ?? ownKey(sa, 'responder'), 'responder', round.ownIdBody)
  return { request, AUTH: authPayload(AuthMethod.SHARED_KEY_MIC, ours) }
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
