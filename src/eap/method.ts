import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import type { MaybePromise } from './maybe-promise.ts'

/**
 * One EAP method, either role. A method deals with its own Type-Data only; who carries it does the header, Identity, Nak and
 * retransmission. It may take its time: a method that asks others (a TLS stack, a database) gives a promise. RFC 3748 §2, §4.
 */
export interface EapMethod {
  /** EAP Type. RFC 3748 §5. */
  readonly type: number
  /** As in configurations: `mschapv2`, `tls`, ... */
  readonly name: string
  beginServer?(world: EapServerWorld): EapServerExchange
  beginPeer?(world: EapPeerWorld): EapPeerExchange
}

/** What a method may use. */
export interface EapWorld {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  /** Octets of the largest EAP packet. */
  readonly mtu: number
  /** Types of all the methods that stand beside this one on our side: against bidding down. RFC 9048 §4. */
  readonly types?: readonly number[]
}

export interface EapServerWorld extends EapWorld {
  /** From EAP-Response/Identity, or IDi. */
  readonly identity: string
  readonly credentials: EapServerCredentials
}

export interface EapPeerWorld extends EapWorld {
  readonly identity: string
  readonly credentials: EapPeerCredentials
}

/** The users that a server knows. */
export interface EapServerCredentials {
  /** The password of a user, undefined for one who is not known. */
  password?(identity: string): Promise<string | undefined> | string | undefined
  /** The quintuplet for a subscriber. RFC 4187 §1.4, RFC 9048. */
  akaVector?(request: AkaVectorRequest): Promise<AkaVector | undefined> | AkaVector | undefined
}

export interface EapPeerCredentials {
  password?(): Promise<string> | string
  /** What the USIM says to RAND and AUTN. */
  akaAnswer?(rand: Uint8Array, autn: Uint8Array): Promise<AkaAnswer> | AkaAnswer
}

export interface AkaVectorRequest {
  readonly identity: string
  /** AUTS and its RAND when the subscriber asks for resynchronisation. */
  readonly resync?: { readonly rand: Uint8Array; readonly auts: Uint8Array }
}

/** 3GPP TS 33.102 §6.3.2; 16 octets each, `xres` 4 to 16. Borrowed until the conversation ends; also for EAP-AKA' CK and IK as they are. */
export interface AkaVector {
  readonly rand: Uint8Array
  readonly autn: Uint8Array
  readonly xres: Uint8Array
  readonly ck: Uint8Array
  readonly ik: Uint8Array
}

export type AkaAnswer =
  | { readonly kind: 'ok'; readonly res: Uint8Array; readonly ck: Uint8Array; readonly ik: Uint8Array }
  | { readonly kind: 'synchronisation-failure'; readonly auts: Uint8Array }
  | { readonly kind: 'authentication-reject' }

/** Outcome of a method. `msk`: 64 octets. RFC 5247. */
export interface EapSuccess {
  readonly kind: 'success'
  readonly msk: Uint8Array | undefined
  /** The method proved both sides. */
  readonly mutual: boolean
  /** Whom the method has proved, where that is another than `identity`. */
  readonly identity?: string
}

/** `message`: one sentence for our log; nothing of it goes to the other side. */
export interface EapFailure {
  readonly kind: 'failure'
  readonly message: string
}

/** `refusal`: the request tells the peer no; that is why, should the peer go away instead of answering. */
export type EapServerStep =
  | { readonly kind: 'request'; readonly data: Uint8Array; readonly refusal?: string }
  | EapSuccess
  | EapFailure

export type EapPeerStep = { readonly kind: 'response'; readonly data: Uint8Array } | EapFailure

export interface EapServerExchange {
  /** The first request's Type-Data. `identifier`: what its packet will bear. */
  start(identifier: number): MaybePromise<EapServerStep>
  /**
   * A response's Type-Data, borrowed until the next turn, and its packet's Identifier. The request that follows bears the next
   * number, modulo 256.
   */
  next(data: Uint8Array, identifier: number): MaybePromise<EapServerStep>
  /** Wipes keys and ends what runs. */
  destroy(): void
}

export interface EapPeerExchange {
  /** A request's Type-Data, borrowed until the next turn, and its packet's Identifier, which the response bears as well. */
  next(data: Uint8Array, identifier: number): MaybePromise<EapPeerStep>
  /** EAP Success came: what the method made, a failure when it was not done. */
  finish(): EapSuccess | EapFailure
  /** EAP Failure came: what the method has heard of the reason, one sentence. */
  reason?(): string | undefined
  destroy(): void
}
