import { type ChainCheck, checkChain } from './chain-check.ts'
import type { Inside, InsideStep } from './inside.ts'
import { masterSessionKey } from './keys.ts'
import type { EapTlsOptions } from './options.ts'
import { type TlsEnd, TlsEngine } from './tls-engine.ts'

/** A method on TLS, one role, one conversation. */
export interface ConversationParts {
  readonly end: TlsEnd
  readonly options: EapTlsOptions
  readonly inside: Inside
  /** EAP Type, for the keys. */
  readonly type: number
  /** Exporter label of the keys under TLS 1.2. */
  readonly label: string
  /** Whether a certificate that verifies is the one we want: undefined for yes, else a sentence. Undefined: the other side has none. */
  readonly judge: ((check: ChainCheck & { ok: true }) => string | undefined) | undefined
}

/**
 * `refused`: it is over. `alert`, where TLS itself failed: records that tell the other side, empty where it was the one who told us.
 */
export type Turn =
  | { readonly kind: 'send'; readonly message: Uint8Array; readonly refusal?: string }
  | { readonly kind: 'done'; readonly identity?: string }
  | { readonly kind: 'refused'; readonly message: string; readonly alert: Uint8Array | undefined }

/** Handshake, judgement of the certificate, keys, and then what the method does inside: one message in, one out. */
export class TlsConversation {
  readonly #parts: ConversationParts
  readonly #engine: TlsEngine
  #stage: 'handshake' | 'opened' | 'inside' = 'handshake'
  #msk: Uint8Array | undefined

  constructor(parts: ConversationParts) {
    this.#parts = parts
    this.#engine = new TlsEngine(parts.end)
  }

  /** The session is up, and the other side's certificate is good. */
  get open(): boolean {
    return this.#stage !== 'handshake'
  }

  /** Gives the MSK away, once. */
  takeMsk(): Uint8Array | undefined {
    const msk = this.#msk
    this.#msk = undefined
    const another = this.#parts.inside.takeKey?.()
    if (another !== undefined) msk?.fill(0)
    return another ?? msk
  }

  /** A whole TLS message of the other side; empty for an acknowledgement, or to begin as a client. */
  async hear(message: Uint8Array): Promise<Turn> {
    const engine = this.#engine
    await engine.feed(message)
    if (engine.failure !== undefined) return this.#tlsFailed()
    const data = engine.takeData()
    if (this.#stage === 'inside') return this.#apply(await this.#parts.inside.heard(data))
    if (this.#stage === 'opened') return this.#begin(data)
    if (!engine.established) return this.#handshakeGoesOn()
    const problem = await this.#judge()
    if (problem !== undefined) return refused(problem)
    this.#stage = 'opened'
    this.#msk = masterSessionKey(engine, this.#parts.type, this.#parts.label)
    // The Finished of a client under TLS 1.3 goes alone: servers wait for it before they take anything from inside.
    const records = this.#parts.end.role === 'client' ? engine.takeRecords() : nothing
    return records.length > 0 ? { kind: 'send', message: records } : this.#begin(data)
  }

  /** Wipes the keys and ends the TLS session. */
  destroy(): void {
    this.#msk?.fill(0)
    this.#msk = undefined
    this.#engine.destroy()
    this.#parts.inside.destroy?.()
  }

  async #begin(data: Uint8Array): Promise<Turn> {
    this.#stage = 'inside'
    const { inside } = this.#parts
    const first = await inside.begin(this.#engine)
    if (first.kind === 'wait' && data.length > 0) return this.#apply(await inside.heard(data))
    if (data.length > 0) return refused('the other side sent data inside of TLS before its turn')
    return this.#apply(first)
  }

  async #apply(step: InsideStep): Promise<Turn> {
    switch (step.kind) {
      case 'say':
        await this.#engine.write(step.data)
        if (this.#engine.failure !== undefined) return this.#tlsFailed()
        return { kind: 'send', message: this.#engine.takeRecords(), ...(step.refusal && { refusal: step.refusal }) }
      case 'wait':
        return { kind: 'send', message: this.#engine.takeRecords() }
      case 'done':
        return step
      case 'failure':
        return refused(step.message)
    }
  }

  #handshakeGoesOn(): Turn {
    const message = this.#engine.takeRecords()
    // Each message is a whole flight: what needs more octets now would need them for ever.
    if (message.length === 0)
      return refused('the TLS handshake stopped: the message did not hold all that the next step needs')
    return { kind: 'send', message }
  }

  #tlsFailed(): Turn {
    const alert = this.#engine.takeRecords()
    return { kind: 'refused', message: this.#engine.failure ?? '', alert }
  }

  async #judge(): Promise<string | undefined> {
    const { judge, options, end } = this.#parts
    if (judge === undefined) return undefined
    const check = await checkChain(this.#engine.socket, end.role === 'client' ? 'server' : 'client', options)
    return check.ok ? judge(check) : check.message
  }
}

const nothing = new Uint8Array(0)

const refused = (message: string): Turn => ({ kind: 'refused', message, alert: undefined })
