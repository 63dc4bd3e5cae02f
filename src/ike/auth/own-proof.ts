import { ask, type Flow } from '../asking/flow.ts'
import { AuthMethod, encodeIdBody, type Payload } from '../codec/index.ts'
import { explainNo, explainWrongSide } from '../explain/explain-methods.ts'
import type { IkeSa } from '../ike-sa.ts'
import {
  type AuthKeys,
  authPayload,
  idPayload,
  octetsToProve,
  ownKey,
  resumedAuth,
  type Side,
  sharedAuth,
} from './auth-payloads.ts'
import { certPayloads } from './certificates.ts'
import { Refused } from './refused.ts'
import type { LocalRound } from './rounds.ts'

/** What proves us in one round. */
export interface OwnProof {
  readonly certificates: readonly Payload[]
  readonly AUTH: Extract<Payload, { kind: 'AUTH' }>
}

/** The body of our ID payload in a round. */
export const ownIdBody = (side: Side, { id }: LocalRound): Uint8Array =>
  encodeIdBody(side === 'initiator' ? idPayload('IDi', id) : idPayload('IDr', id))

/** Our AUTH, with the CERT payloads that go before it. Whoever has the key is asked to sign. RFC 7296 §2.15, RFC 7427, RFC 7619. */
export function* ownProof(sa: IkeSa, side: Side, round: LocalRound, keys?: AuthKeys): Flow<OwnProof> {
  const { id, auth } = round
  const idBody = ownIdBody(side, round)
  const plain = (method: number, data: Uint8Array): OwnProof => ({ certificates: [], AUTH: authOf(method, data) })
  if (sa.resumed !== undefined) return plain(AuthMethod.SHARED_KEY_MIC, resumedAuth(sa, side, idBody))
  if (auth.method === 'psk') return plain(AuthMethod.SHARED_KEY_MIC, sharedAuth(sa, auth.secret, side, idBody, keys))
  if (auth.method === 'null') return plain(AuthMethod.NULL, sharedAuth(sa, ownKey(sa, side, keys), side, idBody, keys))
  const subject = { connection: sa.connection, remoteId: sa.remoteId }
  if (auth.method !== 'pubkey') throw new Refused(explainWrongSide(subject, auth.method, side))
  const requests = sa.setUp?.certRequests ?? []
  const octets = octetsToProve(sa, side, idBody, keys)
  const { peerHashes: hashes, peerAuthMethods: announced } = sa.setUp ?? {}
  const answer = yield* ask({ kind: 'sign', auth, id, octets, hashes, announced, requests })
  if (!answer.ok) throw new Refused(explainNo(subject, 'pubkey', answer))
  return {
    certificates: certPayloads(auth, answer.certificates, requests),
    AUTH: authOf(answer.method, answer.data),
  }
}

const authOf = (method: number, data: Uint8Array) => authPayload(method, data) as Extract<Payload, { kind: 'AUTH' }>
