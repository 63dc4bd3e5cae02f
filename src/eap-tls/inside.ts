import type { MaybePromise } from '../eap/maybe-promise.ts'
import type { EapFailure } from '../eap/method.ts'
import type { TlsEngine } from './tls-engine.ts'

/**
 * What a method does inside of an established TLS session, one role. Octets given and taken are application data; who carries it
 * does records and fragments.
 */
export interface Inside {
  /** The session is up and the other side's certificate is good. */
  begin(engine: TlsEngine): MaybePromise<InsideStep>
  /** Application data came; empty for a packet without any. */
  heard(data: Uint8Array): MaybePromise<InsideStep>
  /** For a peer: EAP Success came. May we take it? The sentence says why not. */
  early?(): string | undefined
  /** For a peer: EAP Failure came. */
  reason?(): string | undefined
  /** The MSK, 64 octets, given away once, where it is another than that of TLS. */
  takeKey?(): Uint8Array | undefined
  destroy?(): void
}

export type InsideStep =
  /** `refusal`, for a server: this tells the peer no, and why. */
  | { readonly kind: 'say'; readonly data: Uint8Array; readonly refusal?: string | undefined }
  /** Nothing to say: an acknowledgement goes. */
  | { readonly kind: 'wait' }
  /** For a server: all is proved; `identity` where the inside has another than EAP's. */
  | { readonly kind: 'done'; readonly identity?: string }
  | EapFailure

export const wait: InsideStep = { kind: 'wait' }

export const say = (data: Uint8Array, refusal?: string): InsideStep => ({ kind: 'say', data, refusal })

export const failure = (message: string): EapFailure => ({ kind: 'failure', message })
