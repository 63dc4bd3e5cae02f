import { UsageError } from '../errors.ts'
import { type MessageFilter, matches } from './message-filter.ts'
import type { SentMessage, VirtualDatagram } from './virtual-datagram.ts'

/** What a mailbox gives back to the network. */
export interface MailRoutes {
  /** Brings it to its receiver within the call, whatever the conditions. */
  arrive(datagram: VirtualDatagram): void
  /** The same with one that is kept, or was delivered before. */
  copy(datagram: VirtualDatagram): void
  /** Sends it on its ordinary way. */
  forward(datagram: VirtualDatagram): void
  /** It will not come. */
  lose(datagram: VirtualDatagram): void
  /** No more mail for this box. */
  close(): void
}

/** One that is meant: as it waits, as its sender knows it, or what fits a filter (the first that does). */
export type Which = VirtualDatagram | SentMessage | MessageFilter

/** More than this many deliveries in a row are a conversation that does not end. */
const MOST_DELIVERIES = 10_000

/** Datagrams that were kept from their receivers: the test delivers them one by one, in its own order. */
export class HeldMail {
  readonly #routes: MailRoutes
  readonly #waiting: VirtualDatagram[] = []
  readonly #past: VirtualDatagram[] = []

  constructor(routes: MailRoutes) {
    this.#routes = routes
  }

  /** What waits, oldest first. */
  get waiting(): readonly VirtualDatagram[] {
    return this.#waiting
  }

  /** The IKE messages among what waits. */
  get messages(): readonly SentMessage[] {
    return this.#waiting.flatMap(({ note }) => (note?.kind === 'ike' ? [note] : []))
  }

  /** What was delivered or dropped, oldest first: for `replay`. */
  get past(): readonly VirtualDatagram[] {
    return this.#past
  }

  /** Called by the network. */
  put(datagram: VirtualDatagram): void {
    this.#waiting.push(datagram)
  }

  /** True when something waits that is meant. */
  has(which: Which): boolean {
    return find(this.#waiting, which) !== undefined
  }

  /** Delivers one (the oldest when none is named) within this call; the answer to it waits in the box when it returns. Throws `UsageError` when it is not here. */
  deliver(which?: Which): void {
    this.#routes.arrive(this.#take(which))
  }

  /** Delivers one and keeps it: its copy can be delivered later. */
  duplicate(which?: Which): void {
    this.#routes.copy(this.#peek(which))
  }

  /** Delivers again what was delivered or dropped before. */
  replay(which: Which): void {
    const found = find(this.#past, which)
    if (found === undefined) throw new UsageError('which', 'no such message was here')
    this.#routes.copy(found)
  }

  /** Changes the payload of one that waits. `change` gets a copy; what it returns, or the copy when nothing, takes its place. */
  mutate(which: Which | undefined, change: (payload: Uint8Array) => Uint8Array | undefined): void {
    const datagram = this.#peek(which)
    const payload = datagram.payload.slice()
    this.#waiting[this.#waiting.indexOf(datagram)] = { ...datagram, payload: change(payload) ?? payload }
  }

  /** Loses one (the oldest when none is named). */
  drop(which?: Which): void {
    this.#routes.lose(this.#take(which))
  }

  /** Delivers what waits, and what follows from it, in order, until nothing waits. */
  deliverAll(): void {
    for (let count = 0; this.#waiting.length > 0; count++) {
      if (count === MOST_DELIVERIES) throw new UsageError('mail', 'the conversation does not end')
      this.deliver()
    }
  }

  /** Loses all that waits. */
  dropAll(): void {
    while (this.#waiting.length > 0) this.drop()
  }

  /** Holds nothing back any more: what waits goes on its way, in order. */
  release(): void {
    this.#routes.close()
    for (const datagram of this.#waiting.splice(0)) this.#routes.forward(datagram)
  }

  #take(which: Which | undefined): VirtualDatagram {
    const datagram = this.#peek(which)
    this.#waiting.splice(this.#waiting.indexOf(datagram), 1)
    this.#past.push(datagram)
    return datagram
  }

  #peek(which: Which | undefined): VirtualDatagram {
    const found = which === undefined ? this.#waiting[0] : find(this.#waiting, which)
    if (found !== undefined) return found
    const waiting = this.messages.map(describe).join(', ')
    throw new UsageError('which', `no such message waits; there are: ${waiting === '' ? 'none' : waiting}`)
  }
}

function find(datagrams: readonly VirtualDatagram[], which: Which): VirtualDatagram | undefined {
  if (typeof which === 'object' && 'payload' in which && typeof which.payload !== 'string') {
    return datagrams.find((one) => one === which)
  }
  if (typeof which === 'object' && 'sender' in which) return datagrams.find(({ note }) => note === which)
  return datagrams.find((one) => matches(which as MessageFilter, one))
}

const describe = ({ exchange, response, messageId, payloads }: SentMessage): string =>
  `${exchange} ${response ? 'response' : 'request'} ${messageId} {${payloads.join(', ')}}`
