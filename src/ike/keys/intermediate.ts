import { Writer, wipe } from '../../bytes/index.ts'
import { prfInfo } from '../../crypto/transforms.ts'
import { intermediateAuth, intermediateIntAuth } from '../auth/auth-octets.ts'
import { ikeHeaderBytes } from '../codec/header.ts'
import { encodeHeader, encodePayloads, type OutgoingHeader, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { MessageProtector } from '../message/message-crypto.ts'
import { keyed } from '../set-up/init-result.ts'
import { deriveIkeKeys, deriveSkeyseedAdditional, type IkeKeys, wipeIkeKeys } from './keymat.ts'

/** One IKE_INTERMEDIATE message as AUTH covers it: without what encrypted it, and put together when it came in fragments. */
interface IntermediateMessage {
  readonly header: Uint8Array
  readonly firstPayload: number
  readonly plaintext: Uint8Array
}

/** IKE_SA_INIT is over: true when additional key exchanges follow, which are then noted from here on. */
export function beginIntermediate(sa: IkeSa): boolean {
  if (sa.init!.suite.additionalKe.length === 0) return false
  sa.intermediate = new Intermediate(sa)
  return true
}

/**
 * The IKE_INTERMEDIATE exchanges of one IKE_SA: which additional key exchanges are still to come, the keys that come of each
 * (RFC 9370 §2.2.2), and the octets for AUTH (RFC 9242 §3.3.2).
 */
export class Intermediate {
  readonly #sa: IkeSa
  #exchanges = 0
  #ofInitiator = new Uint8Array(0)
  #ofResponder = new Uint8Array(0)
  #request: IntermediateMessage | undefined
  #response: IntermediateMessage | undefined
  #nextKeys: IkeKeys | undefined
  #previousInbound: MessageProtector | undefined

  constructor(sa: IkeSa) {
    this.#sa = sa
  }

  /** The group of the additional key exchange that comes next, undefined when all are done. */
  get nextGroup(): number | undefined {
    return this.#sa.init!.suite.additionalKe[this.#exchanges]
  }

  /** Opens a request again whose response was lost: the responder has changed its keys since. */
  get previousInbound(): MessageProtector | undefined {
    return this.#previousInbound
  }

  /** Notes a message of ours. */
  sent(header: OutgoingHeader, payloads: readonly Payload[]): void {
    const head = new Writer(ikeHeaderBytes)
    encodeHeader(header, head)
    const inner = new Writer(2048)
    const firstPayload = encodePayloads(payloads, inner)
    this.#note(header.flags.response, { header: head.finish(), firstPayload, plaintext: inner.finish() })
  }

  /** Notes an authenticated message of the peer; `message` is borrowed. For fragments, that of any of them. */
  received(
    message: Uint8Array,
    response: boolean,
    inside: { readonly firstPayload: number; readonly plaintext: Uint8Array },
  ): void {
    const { firstPayload, plaintext } = inside
    this.#note(response, { header: message.slice(0, ikeHeaderBytes), firstPayload, plaintext: plaintext.slice() })
  }

  /** The n-th additional key exchange gave `sharedSecret`, which is wiped: the keys that follow are used after this exchange. */
  agreed(sharedSecret: Uint8Array): void {
    const { runtime, SPIi } = this.#sa
    const { suite, keys, Ni, Nr, SPIr } = this.#sa.init!
    const prf = prfInfo(suite.prf)!
    const SKEYSEED = deriveSkeyseedAdditional(runtime.crypto, prf, keys.SK_d, sharedSecret, Ni, Nr)
    this.#nextKeys = deriveIkeKeys(runtime.crypto, suite, SKEYSEED, Ni, Nr, SPIi, SPIr)
    wipe(SKEYSEED, sharedSecret)
  }

  /** The exchange is over: its keys take the place of the ones before, and its messages are noted for AUTH. */
  finish(): void {
    const sa = this.#sa
    const keys = this.#nextKeys
    const request = this.#request
    const response = this.#response
    if (keys === undefined || request === undefined || response === undefined) return
    const old = sa.init!
    // By the keys that protected the exchange, not by those that came of it.
    this.#ofInitiator = this.#next(old.keys.SK_pi, this.#ofInitiator, request)
    this.#ofResponder = this.#next(old.keys.SK_pr, this.#ofResponder, response)
    wipe(old.keys.SK_d, old.keys.SK_pi, old.keys.SK_pr)
    old.protectOutbound.destroy()
    this.#previousInbound?.destroy()
    this.#previousInbound = old.protectInbound
    sa.init = { ...old, ...keyed(sa.runtime, sa.role, old.suite, keys) }
    this.#exchanges++
    this.#nextKeys = undefined
    this.#request = undefined
    this.#response = undefined
  }

  /** What AUTH covers besides the first messages and the identity: empty when there were no such exchanges. */
  intAuth(): Uint8Array {
    if (this.#exchanges === 0) return this.#ofInitiator
    // IKE_SA_INIT has message id 0, so the first IKE_AUTH follows after as many as there were.
    return intermediateIntAuth(this.#ofInitiator, this.#ofResponder, this.#exchanges + 1)
  }

  destroy(): void {
    if (this.#nextKeys !== undefined) wipeIkeKeys(this.#nextKeys)
    this.#nextKeys = undefined
    this.#previousInbound?.destroy()
    this.#previousInbound = undefined
  }

  #note(response: boolean, message: IntermediateMessage): void {
    if (response) this.#response = message
    else this.#request = message
  }

  #next(SK_p: Uint8Array, previous: Uint8Array, message: IntermediateMessage): Uint8Array<ArrayBuffer> {
    const { runtime, init } = this.#sa
    const prf = prfInfo(init!.suite.prf)!
    const { header, firstPayload, plaintext } = message
    return intermediateAuth(runtime.crypto, prf, SK_p, previous, header, firstPayload, plaintext).slice()
  }
}
