import { EapCode, type EapMethod, type EapPeerWorld } from '../eap/index.ts'
import { InnerPeer } from './inner-eap.ts'
import { failure, type Inside, type InsideStep, say, wait } from './inside.ts'
import { decodeResult, encodeResult, PeapResult, withHeader, withoutHeader } from './peap-packet.ts'

/** The inside of PEAPv0 for a peer. [MS-PEAP] §3.2. */
export class PeapPeer implements Inside {
  readonly #inner: InnerPeer
  #identifier = 0
  #result: number | undefined

  constructor(world: EapPeerWorld, methods: readonly EapMethod[]) {
    this.#inner = new InnerPeer(world, methods)
  }

  begin(): InsideStep {
    return wait
  }

  async heard(data: Uint8Array): Promise<InsideStep> {
    if (data.length === 0) return wait
    if (this.#result !== undefined) return failure('the server goes on inside of PEAP after it said how it ended')
    const result = decodeResult(data, EapCode.Request)
    if (result !== undefined) return this.#ended(data[1]!, result)
    this.#identifier = (this.#identifier + 1) & 0xff
    const answer = await this.#inner.hear(withHeader(data, EapCode.Request, this.#identifier))
    switch (answer.kind) {
      case 'send':
        return say(withoutHeader(answer.packet))
      case 'success':
        return wait
      case 'failure':
        return failure(answer.message)
    }
  }

  early(): string | undefined {
    return this.#result === PeapResult.Success ? undefined : 'EAP Success before the server said so inside of PEAP'
  }

  reason(): string {
    return this.#inner.fail()
  }

  destroy(): void {
    this.#inner.destroy()
  }

  // The server's success counts only when our method agrees.
  #ended(identifier: number, result: number): InsideStep {
    if (result === PeapResult.Success) {
      const problem = this.#inner.succeed()
      if (problem !== undefined) return failure(problem)
    }
    this.#result = result === PeapResult.Success ? PeapResult.Success : PeapResult.Failure
    return say(encodeResult(EapCode.Response, identifier, this.#result))
  }
}
