import { concat, equalConstantTime } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'
import { UsageError } from '../../errors.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { PeerRefusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from '../message/notifies.ts'

/** Octets of the secret at least; RFC 6290 §5.1 wants 16. */
const SECRET_BYTES = 16
/** RFC 6290 §4.1. */
const TOKEN_BYTES = { min: 16, max: 128 } as const

/**
 * Tokens by which a peer believes that we have lost an IKE_SA: HMAC-SHA2-256(secret, SPIi | SPIr). The secret outlives us,
 * so that we can make them again after a crash. RFC 6290 §5.1.
 */
export class CrashTokens {
  readonly #crypto: CryptoProvider
  readonly #secret: Uint8Array

  /** `secret` is copied: 16 octets or more. Throws `UsageError` for a shorter one. */
  constructor(crypto: CryptoProvider, secret: Uint8Array) {
    if (secret.length < SECRET_BYTES) throw new UsageError('qcdSecret', `needs ${SECRET_BYTES} octets or more`)
    this.#crypto = crypto
    this.#secret = secret.slice()
  }

  make(SPIi: Uint8Array, SPIr: Uint8Array): Uint8Array {
    return this.#crypto.hmac('sha256', this.#secret, concat(SPIi, SPIr))
  }
}

/** Our token for this IKE_SA, when we make such and have not told it. RFC 6290 §4.1, §4.4. */
export function announceToken(sa: IkeSa): Payload[] {
  const { crashTokens } = sa.runtime
  if (crashTokens === undefined || sa.hasToldToken) return []
  sa.hasToldToken = true
  return [notify(NotifyType.QUICK_CRASH_DETECTION, crashTokens.make(sa.SPIi, sa.init!.SPIr))]
}

/** Keeps the peer's token; one of another length than the RFC allows is none. */
export function heedToken(sa: IkeSa, payloads: readonly Payload[]): void {
  const token = findNotify(payloads, NotifyType.QUICK_CRASH_DETECTION)?.data
  if (token !== undefined && token.length >= TOKEN_BYTES.min && token.length <= TOKEN_BYTES.max) {
    sa.peerToken = token.slice()
  }
}

/** True when an unprotected message holds the token that only the peer can have made. RFC 6290 §4.3. */
export function provesCrash(sa: IkeSa, payloads: readonly Payload[]): boolean {
  if (sa.peerToken === undefined || findNotify(payloads, NotifyType.INVALID_IKE_SPI) === undefined) return false
  const token = findNotify(payloads, NotifyType.QUICK_CRASH_DETECTION)?.data
  return token !== undefined && equalConstantTime(token, sa.peerToken)
}

/** The peer has proved that it lost the IKE_SA. */
export function explainForgotten(): PeerRefusal {
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: 'QUICK_CRASH_DETECTION',
    message: 'the peer has proved that it no longer has this IKE_SA: it was restarted',
    hint: 'dpdAction: restart sets its CHILD_SAs up again at once',
  }
}
