import { prfInfo } from '../../crypto/transforms.ts'
import { UsageError } from '../../errors.ts'
import type { Identity, LocalAuth, RemoteAuth } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { IkeKeys } from '../keys/keymat.ts'
import { pskAuth, signedOctets } from './auth-octets.ts'

type IdPayloadOf<Kind> = {
  readonly kind: Kind
  readonly critical: boolean
  readonly idType: number
  readonly reserved: number
  readonly data: Uint8Array
}

/** An ID payload of ours; `id.data` is borrowed. RFC 7296 §3.5. */
export const idPayload = <Kind extends 'IDi' | 'IDr'>(kind: Kind, id: Identity): IdPayloadOf<Kind> => ({
  kind,
  critical: false,
  idType: id.type,
  reserved: 0,
  data: id.data,
})

/**
 * The AUTH data of one side for a pre-shared key. `idBody` is the body of that side's ID payload. `keys` are those with a PPK
 * mixed in, where one is used. RFC 7296 §2.15.
 */
export function authData(
  sa: IkeSa,
  auth: LocalAuth | RemoteAuth,
  side: 'initiator' | 'responder',
  idBody: Uint8Array,
  keys: Pick<IkeKeys, 'SK_pi' | 'SK_pr'> = sa.init!.keys,
): Uint8Array {
  const { crypto } = sa.runtime
  const { suite, initRequest, initResponse, Ni, Nr } = sa.init!
  const prf = prfInfo(suite.prf)!
  const intAuth = sa.intermediate?.intAuth()
  const octets =
    side === 'initiator'
      ? signedOctets(crypto, prf, initRequest, Nr, keys.SK_pi, idBody, intAuth)
      : signedOctets(crypto, prf, initResponse, Ni, keys.SK_pr, idBody, intAuth)
  // RFC 5723 §5.2: what both sides have proves them when a session is resumed.
  if (sa.resumed !== undefined) return crypto.prf(prf.id, side === 'initiator' ? keys.SK_pi : keys.SK_pr, octets)
  if (auth.method !== 'psk') throw new UsageError('auth', `${auth.method} has no secret to make AUTH from`)
  return pskAuth(crypto, prf, auth.secret, octets)
}
