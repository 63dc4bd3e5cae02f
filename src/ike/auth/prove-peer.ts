import { equalConstantTime } from '../../bytes/index.ts'
import { AuthMethod, NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import { explainAuthenticationFailed, explainNotResumed } from '../explain/explain-auth.ts'
import { explainNoPpk, explainUnknownPpk, explainWrongPpk } from '../explain/explain-ppk.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { LastingKeys } from '../keys/keymat.ts'
import { find, findNotify } from '../message/notifies.ts'
import { authData } from './auth-payloads.ts'
import { equalIdentities } from './identity.ts'
import { discardPpk, ppkIdIn, ppkKeys } from './ppk.ts'

/** The initiator is who it says. `ppkKeys`: by a PPK, whose keys are to be adopted. */
export interface Proof {
  readonly ppkKeys: LastingKeys | undefined
}

/**
 * Checks the initiator's IKE_AUTH request against the secrets of one connection that fits its identity; `idBody` is the body of
 * IDi. Undefined when it does not prove it. RFC 7296 §2.15, RFC 8784 §3.
 */
export function provePeer(
  sa: IkeSa,
  connection: ConnectionConfig,
  payloads: readonly Payload[],
  idBody: Uint8Array,
): Proof | undefined {
  const AUTH = find(payloads, 'AUTH')
  if (AUTH?.method !== AuthMethod.SHARED_KEY_MIC || connection.remote.auth.method !== 'psk') return undefined
  if (sa.resumed !== undefined) {
    const isSame = equalIdentities(sa.remoteId!, sa.resumed.remoteId)
    return isSame && verifies(sa, connection, AUTH.data, idBody) ? { ppkKeys: undefined } : undefined
  }
  const plain = (data: Uint8Array | undefined): Proof | undefined =>
    data !== undefined && verifies(sa, connection, data, idBody) ? { ppkKeys: undefined } : undefined
  const wanted = wantedPpk(sa, payloads)
  if (wanted !== undefined && connection.ppk !== undefined && equalConstantTime(wanted, connection.ppk.id)) {
    const keys = ppkKeys(sa, connection.ppk)
    if (verifies(sa, connection, AUTH.data, idBody, keys)) return { ppkKeys: keys }
    discardPpk(keys)
    return undefined
  }
  if (connection.ppk?.required === true) return undefined
  // With a PPK that we do not have, what proves the peer without one stands in a notify, if the peer takes that.
  return plain(wanted === undefined ? AUTH.data : findNotify(payloads, NotifyType.NO_PPK_AUTH)?.data)
}

/** Why `provePeer` said no. */
export function explainUnproven(
  sa: IkeSa,
  connection: ConnectionConfig,
  payloads: readonly Payload[],
  idBody: Uint8Array,
): Refusal {
  const subject = { connection, remoteId: sa.remoteId! }
  if (sa.resumed !== undefined) return explainNotResumed({ ...subject, expected: sa.resumed.remoteId })
  const AUTH = find(payloads, 'AUTH')
  const method = AUTH?.method
  const wanted = wantedPpk(sa, payloads)
  const { ppk } = connection
  if (method !== AuthMethod.SHARED_KEY_MIC) return explainAuthenticationFailed({ ...subject, method })
  const withoutPpk = wanted === undefined ? AUTH?.data : findNotify(payloads, NotifyType.NO_PPK_AUTH)?.data
  const isGoodWithout = withoutPpk !== undefined && verifies(sa, connection, withoutPpk, idBody)
  if (wanted === undefined) {
    return isGoodWithout && ppk !== undefined
      ? explainNoPpk(subject)
      : explainAuthenticationFailed({ ...subject, method })
  }
  if (ppk !== undefined && equalConstantTime(wanted, ppk.id)) {
    return isGoodWithout ? explainWrongPpk(subject) : explainAuthenticationFailed({ ...subject, method })
  }
  if (isGoodWithout || withoutPpk === undefined) return explainUnknownPpk({ ...subject, id: wanted })
  return explainAuthenticationFailed({ ...subject, method })
}

/** The PPK that the initiator used; one that was not agreed on in IKE_SA_INIT does not count. */
const wantedPpk = (sa: IkeSa, payloads: readonly Payload[]): Uint8Array | undefined =>
  sa.setUp?.ppk === true ? ppkIdIn(payloads) : undefined

function verifies(
  sa: IkeSa,
  { remote }: ConnectionConfig,
  data: Uint8Array,
  idBody: Uint8Array,
  keys?: LastingKeys,
): boolean {
  return equalConstantTime(authData(sa, remote.auth, 'initiator', idBody, keys), data)
}
