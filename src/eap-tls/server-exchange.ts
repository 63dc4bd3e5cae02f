import type { EapServerExchange, EapServerStep } from '../eap/method.ts'
import { type ConversationParts, TlsConversation } from './conversation.ts'
import { encodeTlsPacket, FragmentLink, TlsFlag } from './fragments.ts'
import { failure } from './inside.ts'

/** The server of any method on TLS: Start, fragments, and a last request with the alert where TLS failed. RFC 5216 §2.1. */
export class TlsServerExchange implements EapServerExchange {
  readonly #link: FragmentLink
  readonly #conversation: TlsConversation
  /** TLS failed and the alert is on its way. */
  #failed: string | undefined

  constructor(parts: ConversationParts, mtu: number) {
    this.#link = new FragmentLink(mtu)
    this.#conversation = new TlsConversation(parts)
  }

  // <-- EAP-Request, S
  start(): EapServerStep {
    return {
      kind: 'request',
      data: encodeTlsPacket({ flags: TlsFlag.Start, total: undefined, data: new Uint8Array(0) }),
    }
  }

  async next(data: Uint8Array): Promise<EapServerStep> {
    const heard = this.#link.hear(data)
    if (heard.kind === 'send') return { kind: 'request', data: heard.data }
    if (this.#failed !== undefined) return failure(this.#failed)
    if (heard.version !== 0) return failure(`the peer wants version ${heard.version} of the method; we have version 0`)
    if (!this.#conversation.open && heard.octets.length === 0) return failure('the peer answered without a TLS message')
    const turn = await this.#conversation.hear(heard.octets)
    switch (turn.kind) {
      case 'send':
        return {
          kind: 'request',
          data: this.#link.say(turn.message),
          ...(turn.refusal !== undefined && { refusal: turn.refusal }),
        }
      case 'done': {
        const msk = this.#conversation.takeMsk()
        return { kind: 'success', msk, mutual: true, ...(turn.identity !== undefined && { identity: turn.identity }) }
      }
      case 'refused':
        if (turn.alert === undefined || turn.alert.length === 0) return failure(turn.message)
        this.#failed = turn.message
        return { kind: 'request', data: this.#link.say(turn.alert), refusal: turn.message }
    }
  }

  destroy(): void {
    this.#conversation.destroy()
  }
}
