import { toHex } from '../bytes/index.ts'
import { decodeHeader, exchangeName } from '../ike/codec/index.ts'
import type { IkeAction, MessageEvent, SendAction } from '../ike/events.ts'
import type { SentMessage } from './virtual-datagram.ts'

/** Knows what is in each message that a peer sends: from the core's `message` events, which stand beside the messages. */
export class MessageNotes {
  readonly #sender: object
  /** The core sends the same array again when it retransmits. */
  readonly #known = new WeakMap<Uint8Array, SentMessage>()
  lastRequest: SentMessage | undefined
  lastResponse: SentMessage | undefined

  constructor(sender: object) {
    this.#sender = sender
  }

  /** Takes note of the messages among the actions of one call. */
  read(actions: readonly IkeAction[]): void {
    const events = actions.flatMap((action) =>
      action.type === 'event' && action.event.kind === 'message' && action.event.direction === 'out'
        ? [action.event]
        : [],
    )
    for (const action of actions) {
      if (action.type !== 'send' || this.#known.has(action.message)) continue
      const note = this.#noteFor(action, events)
      this.#known.set(action.message, note)
      if (note.response) this.lastResponse = note
      else this.lastRequest = note
    }
  }

  /** Undefined for a message that was not read before. */
  of(message: Uint8Array): SentMessage | undefined {
    return this.#known.get(message)
  }

  #noteFor({ message }: SendAction, events: readonly MessageEvent[]): SentMessage {
    const { exchangeType, flags, messageId, SPIi, SPIr } = decodeHeader(message)
    const exchange = exchangeName(exchangeType)
    const event = events.find(
      (one) => one.exchange === exchange && one.response === flags.response && one.messageId === messageId,
    )
    return {
      kind: 'ike',
      sender: this.#sender,
      exchange,
      messageId,
      response: flags.response,
      SPIi: toHex(SPIi),
      SPIr: toHex(SPIr),
      payloads: event?.payloads ?? [],
      encrypted: event?.encrypted ?? false,
    }
  }
}
