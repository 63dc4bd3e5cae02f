import { equalConstantTime } from '../../bytes/index.ts'
import type { Flow } from '../asking/flow.ts'
import { AuthMethod, NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import { explainAuthenticationFailed, explainNotResumed } from '../explain/explain-auth.ts'
import { explainNo } from '../explain/explain-methods.ts'
import { explainNoPpk, explainUnknownPpk, explainWrongPpk } from '../explain/explain-ppk.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { LastingKeys } from '../keys/keymat.ts'
import { find, findNotify } from '../message/notifies.ts'
import type { No, ProvenCertificate } from '../questions.ts'
import { sharedAuth } from './auth-payloads.ts'
import { equalIdentities } from './identity.ts'
import { checkAuth, type PeerRound, type Verdict } from './peer-auth.ts'
import { choosePpk, discardPpk, wantedPpk } from './ppk.ts'

/** The initiator is who it says. `ppkKeys`: by a PPK, whose keys are to be adopted. */
export interface Proof {
  readonly ppkKeys: LastingKeys | undefined
  readonly certificate: ProvenCertificate | undefined
}

/** Why the initiator has not proved itself: `no` where somebody was asked. */
export interface Unproven {
  readonly no: No | undefined
}

/**
 * Checks the initiator's first IKE_AUTH request, which has an AUTH, against one connection that fits its identity; `idBody` is
 * the body of IDi. RFC 7296 §2.15, RFC 8784 §3.
 */
export function* provePeer(
  sa: IkeSa,
  connection: ConnectionConfig,
  payloads: readonly Payload[],
  idBody: Uint8Array,
): Flow<Proof | Unproven> {
  const round: PeerRound = { connection, auth: connection.remote.auth, id: sa.remoteId!, idBody, side: 'initiator' }
  const AUTH = find(payloads, 'AUTH')!
  if (sa.resumed !== undefined) {
    if (!equalIdentities(sa.remoteId!, sa.resumed.remoteId)) return { no: undefined }
    return outcome(yield* checkAuth(sa, round, AUTH, payloads))
  }
  const ppk = choosePpk(sa, connection, payloads, AUTH.data)
  if (ppk === undefined) return { no: undefined }
  const { keys, data } = ppk
  let isProven = false
  try {
    const proof = outcome(yield* checkAuth(sa, round, { method: AUTH.method, data }, payloads, keys), keys)
    isProven = 'ppkKeys' in proof
    return proof
  } finally {
    if (!isProven && keys !== undefined) discardPpk(keys)
  }
}

const outcome = (verdict: Verdict, keys?: LastingKeys): Proof | Unproven =>
  verdict.good ? { ppkKeys: keys, certificate: verdict.certificate } : { no: verdict.no }

/** Why `provePeer` said no. */
export function explainUnproven(
  sa: IkeSa,
  connection: ConnectionConfig,
  payloads: readonly Payload[],
  idBody: Uint8Array,
  { no }: Unproven,
): Refusal {
  const subject = { connection, remoteId: sa.remoteId! }
  if (no !== undefined) return explainNo(subject, connection.remote.auth.method, no)
  if (sa.resumed !== undefined) return explainNotResumed({ ...subject, expected: sa.resumed.remoteId })
  const AUTH = find(payloads, 'AUTH')
  const method = AUTH?.method
  const wanted = wantedPpk(sa, payloads)
  const { ppk } = connection
  const failed = () => explainAuthenticationFailed({ ...subject, method })
  if (method !== AuthMethod.SHARED_KEY_MIC) {
    if (ppk?.required === true && wanted === undefined) return explainNoPpk(subject)
    return wanted === undefined ? failed() : explainUnknownPpk({ ...subject, id: wanted })
  }
  const withoutPpk = wanted === undefined ? AUTH?.data : findNotify(payloads, NotifyType.NO_PPK_AUTH)?.data
  const isGoodWithout = withoutPpk !== undefined && verifies(sa, connection, withoutPpk, idBody)
  if (wanted === undefined) return isGoodWithout && ppk !== undefined ? explainNoPpk(subject) : failed()
  if (ppk !== undefined && equalConstantTime(wanted, ppk.id)) return isGoodWithout ? explainWrongPpk(subject) : failed()
  if (isGoodWithout || withoutPpk === undefined) return explainUnknownPpk({ ...subject, id: wanted })
  return failed()
}

function verifies(sa: IkeSa, { remote }: ConnectionConfig, data: Uint8Array, idBody: Uint8Array): boolean {
  if (remote.auth.method !== 'psk') return false
  return equalConstantTime(sharedAuth(sa, remote.auth.secret, 'initiator', idBody), data)
}
