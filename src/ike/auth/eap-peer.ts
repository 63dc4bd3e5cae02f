import { ask, exchange, type Flow } from '../asking/flow.ts'
import { EapCode, NotifyType, type Payload } from '../codec/index.ts'
import type { EapPeerAuth, Identity } from '../config.ts'
import { explainPeerRefusedAuthentication } from '../explain/explain-auth.ts'
import { explainEap, explainNo } from '../explain/explain-methods.ts'
import { explainPeerNotify } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { find, findErrorNotify } from '../message/notifies.ts'
import type { EapPeerAnswer } from '../questions.ts'
import { eapPacketIn, eapPayload, endlessEap, MOST_EAP_ROUNDS } from './eap-packet.ts'
import { Refused } from './refused.ts'

/** What EAP has made. */
export type EapKey = Extract<EapPeerAnswer, { readonly done: true }>

/**
 * We prove ourselves by EAP: passes the server's packets to whoever has our password, and theirs to the server, until EAP Success.
 * `response` holds the server's first packet. Throws `Refused`. RFC 7296 §2.16.
 */
// <-- HDR, SK {EAP} HDR, SK {EAP} -->, until <-- HDR, SK {EAP (Success)}
export function* eapAsPeer(
  sa: IkeSa,
  { auth, id }: { readonly auth: EapPeerAuth; readonly id: Identity },
  response: readonly Payload[],
): Flow<EapKey> {
  const session = sa.runtime.nextEapSession++
  const subject = { connection: sa.connection, remoteId: sa.remoteId }
  const setting = `connections.${sa.connection.name}.local.auth`
  let last = response
  for (let i = 0; i < MOST_EAP_ROUNDS; i++) {
    const { code, packet } = eapPacketIn(last)
    const answer = yield* ask({ kind: 'eap-peer', auth, session, id, packet })
    // Whoever answers knows best why it failed.
    if (code === EapCode.FAILURE) {
      const reason = answer.ok ? 'the peer answered EAP Failure' : answer.message
      const hint = answer.ok ? `${setting}: the name and the password, or the certificate` : answer.hint
      throw new Refused(explainEap({ ...subject, by: 'peer' }, reason, hint))
    }
    if (!answer.ok) throw new Refused(explainNo(subject, 'eap', answer))
    if (code === EapCode.SUCCESS && 'done' in answer) return answer
    if (code === EapCode.SUCCESS || 'done' in answer) {
      const problem = 'the peer and our method do not agree on when it is over'
      throw new Refused(explainEap(subject, problem, `${setting}: a method that the peer uses`))
    }
    last = yield* exchange([eapPayload(answer.packet)])
    if (find(last, 'EAP') === undefined) throw refusedByPeer(sa, last)
  }
  throw endlessEap()
}

/** The peer's error notify in the place of its proof. */
export function refusedByPeer(sa: IkeSa, response: readonly Payload[]): Refused {
  const type = findErrorNotify(response)?.notify ?? NotifyType.AUTHENTICATION_FAILED
  const { connection, setUp, remoteId } = sa
  return new Refused(
    type === NotifyType.AUTHENTICATION_FAILED
      ? explainPeerRefusedAuthentication({ connection, remoteId, announced: setUp?.peerAuthMethods })
      : explainPeerNotify(type, 'IKE_AUTH'),
  )
}
