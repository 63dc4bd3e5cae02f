import { prfInfo } from '../../crypto/transforms.ts'
import { AuthMethod, type Payload } from '../codec/index.ts'
import type { Identity } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { IkeKeys } from '../keys/keymat.ts'
import { pskAuth, signedOctets } from './auth-octets.ts'

export type Side = 'initiator' | 'responder'
export type AuthKeys = Pick<IkeKeys, 'SK_pi' | 'SK_pr'>

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

/** Whom an ID payload names, copied. */
export const identityIn = ({ idType, data }: { readonly idType: number; readonly data: Uint8Array }): Identity => ({
  type: idType,
  data: data.slice(),
})

export const authPayload = (method: number, data: Uint8Array): Payload => ({
  kind: 'AUTH',
  critical: false,
  method,
  data,
})

/**
 * What the AUTH of one side covers. `idBody` is the body of that side's ID payload; `keys` are those with a PPK mixed in, where one is
 * used. RFC 7296 §2.15.
 */
export function octetsToProve(
  sa: IkeSa,
  side: Side,
  idBody: Uint8Array,
  keys: AuthKeys = sa.init!.keys,
): Uint8Array<ArrayBuffer> {
  const { crypto } = sa.runtime
  const { suite, initRequest, initResponse, Ni, Nr } = sa.init!
  const prf = prfInfo(suite.prf)!
  const intAuth = sa.intermediate?.intAuth()
  const octets =
    side === 'initiator'
      ? signedOctets(crypto, prf, initRequest, Nr, keys.SK_pi, idBody, intAuth)
      : signedOctets(crypto, prf, initResponse, Ni, keys.SK_pr, idBody, intAuth)
  return octets as Uint8Array<ArrayBuffer>
}

/** The key of one side that takes the place of a secret where there is none. RFC 7296 §2.16, RFC 7619 §2.1. */
export const ownKey = (sa: IkeSa, side: Side, keys: AuthKeys = sa.init!.keys): Uint8Array =>
  side === 'initiator' ? keys.SK_pi : keys.SK_pr

/** The AUTH data of one side by a secret: a pre-shared key, or what EAP has made. RFC 7296 §2.15, §2.16. */
export function sharedAuth(sa: IkeSa, secret: Uint8Array, side: Side, idBody: Uint8Array, keys?: AuthKeys): Uint8Array {
  return pskAuth(sa.runtime.crypto, prfInfo(sa.init!.suite.prf)!, secret, octetsToProve(sa, side, idBody, keys))
}

/** The same where a session is resumed: what both sides have proves them. RFC 5723 §5.2. */
export function resumedAuth(sa: IkeSa, side: Side, idBody: Uint8Array): Uint8Array {
  const prf = prfInfo(sa.init!.suite.prf)!
  return sa.runtime.crypto.prf(prf.id, ownKey(sa, side), octetsToProve(sa, side, idBody))
}

/** True for the methods that are signatures: all but the ones that take a shared key, a password, or nothing. */
export const isSignature = (method: number): boolean =>
  method !== AuthMethod.SHARED_KEY_MIC && method !== AuthMethod.GENERIC_SECURE_PASSWORD && method !== AuthMethod.NULL
