import { equalConstantTime } from '../../bytes/index.ts'
import { ask, type Flow } from '../asking/flow.ts'
import { AuthMethod, type Payload } from '../codec/index.ts'
import type { ConnectionConfig, Identity, RemoteAuth } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { No, ProvenCertificate } from '../questions.ts'
import {
  type AuthKeys,
  isSignature,
  octetsToProve,
  ownKey,
  resumedAuth,
  type Side,
  sharedAuth,
} from './auth-payloads.ts'
import { certificatesIn } from './certificates.ts'
import { stillGood } from './still-good.ts'

/** Whose AUTH it is, and how that peer has to prove itself. */
export interface PeerRound {
  readonly connection: ConnectionConfig
  readonly auth: RemoteAuth
  readonly id: Identity
  /** The body of its ID payload. */
  readonly idBody: Uint8Array
  readonly side: Side
}

/** `no` where somebody has said why. */
export type Verdict =
  | { readonly good: true; readonly certificate: ProvenCertificate | undefined }
  | { readonly good: false; readonly no: No | undefined }

/** True when a peer that has to prove itself so may use this `AuthMethod`; undefined stands for none, as EAP begins. */
export function fitsMethod({ method: configured }: RemoteAuth, method: number | undefined): boolean {
  if (configured === 'eap' || configured === 'eap-only') return method === undefined
  if (method === undefined) return false
  if (configured === 'psk') return method === AuthMethod.SHARED_KEY_MIC
  return configured === 'null' ? method === AuthMethod.NULL : isSignature(method)
}

/**
 * Does this AUTH prove the peer? `payloads` are those of its message, with its certificates. Whoever knows whom to trust is asked
 * about a signature. RFC 7296 §2.15, RFC 7427, RFC 7619.
 */
export function* checkAuth(
  sa: IkeSa,
  round: PeerRound,
  { method, data }: { readonly method: number; readonly data: Uint8Array },
  payloads: readonly Payload[],
  keys?: AuthKeys,
): Flow<Verdict> {
  const { auth, side, idBody, connection, id } = round
  if (sa.resumed !== undefined) {
    const isProven = method === AuthMethod.SHARED_KEY_MIC && equalConstantTime(resumedAuth(sa, side, idBody), data)
    return isProven ? yield* stillGood(sa, round) : verdict(false)
  }
  if (!fitsMethod(auth, method)) return verdict(false)
  if (auth.method === 'psk') return verdict(equalConstantTime(sharedAuth(sa, auth.secret, side, idBody, keys), data))
  if (auth.method === 'null')
    return verdict(equalConstantTime(sharedAuth(sa, ownKey(sa, side, keys), side, idBody, keys), data))
  if (auth.method !== 'pubkey') return verdict(false)
  const octets = octetsToProve(sa, side, idBody, keys)
  const certificates = certificatesIn(payloads)
  const answer = yield* ask({
    kind: 'verify',
    ...{ auth, connection: connection.name, id, octets, method, certificates },
    data: data.slice(),
  })
  if (!answer.ok) return { good: false, no: answer }
  // For the session that may be resumed, which we keep.
  if (side === 'responder' && connection.resumption) sa.peerCertificates = certificates
  return { good: true, certificate: answer.peer }
}

const verdict = (good: boolean): Verdict => (good ? { good, certificate: undefined } : { good, no: undefined })
