import type { EapFailure, EapPeerExchange, EapPeerStep, EapSuccess } from '../eap/method.ts'
import { type ConversationParts, TlsConversation } from './conversation.ts'
import { FragmentLink } from './fragments.ts'
import { failure, type Inside } from './inside.ts'

/** The peer of any method on TLS. RFC 5216 §2.1. */
export class TlsPeerExchange implements EapPeerExchange {
  readonly #link: FragmentLink
  readonly #conversation: TlsConversation
  readonly #inside: Inside
  #started = false
  #failed: string | undefined

  constructor(parts: ConversationParts, mtu: number) {
    this.#link = new FragmentLink(mtu)
    this.#inside = parts.inside
    this.#conversation = new TlsConversation(parts)
  }

  async next(data: Uint8Array): Promise<EapPeerStep> {
    if (this.#failed !== undefined) return failure(this.#failed)
    const heard = this.#link.hear(data)
    if (heard.kind === 'send') return { kind: 'response', data: heard.data }
    // The version in a Start is the highest of the server; 0, the lowest, is ours. RFC 5281 §9.2.
    if (heard.start === this.#started)
      return failure(heard.start ? 'the server began again' : 'the server began without Start')
    if (heard.start && heard.octets.length > 0) return failure('the Start of the server brings TLS data')
    this.#started = true
    const turn = await this.#conversation.hear(heard.octets)
    switch (turn.kind) {
      case 'send':
        return { kind: 'response', data: this.#link.say(turn.message) }
      case 'refused':
        if (turn.alert === undefined) return failure(turn.message)
        // Also an alert of the server is acknowledged, so that it can say EAP Failure. RFC 5216 §2.1.3.
        this.#failed = turn.message
        return { kind: 'response', data: this.#link.say(turn.alert) }
      case 'done':
        return failure('a peer is not done before EAP Success')
    }
  }

  finish(): EapSuccess | EapFailure {
    if (this.#failed !== undefined) return failure(this.#failed)
    if (!this.#conversation.open) return failure('EAP Success before the TLS handshake was done')
    const early = this.#inside.early?.()
    if (early !== undefined) return failure(early)
    return { kind: 'success', msk: this.#conversation.takeMsk(), mutual: true }
  }

  reason(): string | undefined {
    if (this.#failed !== undefined) return this.#failed
    if (this.#conversation.open) return this.#inside.reason?.()
    return 'the server ended the TLS handshake without an alert: its log says why; it may not accept our certificate, or the identity in it'
  }

  destroy(): void {
    this.#conversation.destroy()
  }
}
