import {
  EapCode,
  type EapMethod,
  type EapServerResult,
  type EapServerSession,
  type EapServerWorld,
} from '../eap/index.ts'
import { innerServer, withoutKey } from './inner-eap.ts'
import { failure, type Inside, type InsideStep, say, wait } from './inside.ts'
import { decodeResult, encodeResult, PeapResult, withHeader, withoutHeader } from './peap-packet.ts'

/** The inside of PEAPv0 for a server: asks for the name, carries a method, and says how it ended. [MS-PEAP] §3.3. */
export class PeapServer implements Inside {
  readonly #session: EapServerSession
  /** Of the last request. */
  #identifier = 0
  #started = false
  /** How it ended; the peer is to say so, too. */
  #end: End | undefined

  constructor(world: EapServerWorld, methods: readonly EapMethod[]) {
    this.#session = innerServer(world, methods, undefined)
  }

  // Under TLS 1.2 the server's Finished goes first, alone.
  begin(engine: { readonly version: string | undefined }): Promise<InsideStep> | InsideStep {
    return engine.version === '1.3' ? this.#start() : wait
  }

  async heard(data: Uint8Array): Promise<InsideStep> {
    if (!this.#started) return data.length === 0 ? this.#start() : failure('the peer began inside of PEAP')
    if (this.#end !== undefined) return this.#ended(this.#end, decodeResult(data, EapCode.Response))
    return this.#step(await this.#session.receive(withHeader(data, EapCode.Response, this.#identifier)))
  }

  destroy(): void {
    this.#session.destroy()
  }

  async #start(): Promise<InsideStep> {
    this.#started = true
    return this.#step(await this.#session.begin())
  }

  #step(result: EapServerResult): InsideStep {
    withoutKey(result)
    if (result.kind === 'send') {
      this.#identifier = result.packet[1]!
      return say(withoutHeader(result.packet))
    }
    this.#end = result
    this.#identifier = (this.#identifier + 1) & 0xff
    const code = result.kind === 'success' ? PeapResult.Success : PeapResult.Failure
    return say(encodeResult(EapCode.Request, this.#identifier, code))
  }

  #ended(end: End, theirs: number | undefined): InsideStep {
    if (end.kind === 'failure') return failure(end.message)
    if (theirs !== PeapResult.Success)
      return failure('the peer does not agree that the method inside of PEAP succeeded')
    return { kind: 'done', identity: end.identity }
  }
}

type End = Exclude<EapServerResult, { readonly kind: 'send' }>
