import { prfInfo } from '../../crypto/transforms.ts'
import { PeerError } from '../../errors.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import { need } from '../message/notifies.ts'

/** Octets of our nonces: at least half the key length of any PRF we offer. RFC 7296 §2.10. */
export const NONCE_BYTES = 32

/**
 * The nonce of a peer's message, borrowed. Throws `PeerError` (INVALID_SYNTAX) when it has not at least half the key size
 * of the negotiated PRF. RFC 7296 §2.10.
 */
export function peerNonce(payloads: readonly Payload[], prf: number): Uint8Array {
  const { data } = need(payloads, 'Nonce')
  const least = prfInfo(prf)!.bytes / 2
  if (data.length >= least) return data
  throw new PeerError('SHORT_NONCE', `a nonce of ${data.length} octets, the PRF needs ${least}`, {
    notify: NotifyType.INVALID_SYNTAX,
  })
}

/** Below zero when `a` is the lower one: octet by octet; when one is the beginning of the other, it is lower. RFC 7296 §2.8.1. */
export function compareNonces(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at]! - b[at]!
  return a.length - b.length
}
