import { wipe } from '../bytes/index.ts'
import { EapCode, type EapPeerWorld } from '../eap/index.ts'
import type { EapPeapOptions } from './eap-peap.ts'
import { InnerPeer } from './inner-eap.ts'
import { failure, type Inside, type InsideStep, say, wait } from './inside.ts'
import { BindingType, checkBinding, compoundKeys, compoundMsk, encodeBinding } from './peap-binding.ts'
import { peapKeyMaterial } from './peap-keys.ts'
import { decodeEnd, encodeEnd, type PeapEnd, PeapResult, withHeader, withoutHeader } from './peap-packet.ts'
import type { TlsEngine } from './tls-engine.ts'

/** The inside of PEAPv0 for a peer. [MS-PEAP] §3.2. */
export class PeapPeer implements Inside {
  readonly #world: EapPeerWorld
  readonly #options: EapPeapOptions
  readonly #inner: InnerPeer
  #tunnelKey: Uint8Array | undefined
  #msk: Uint8Array | undefined
  #identifier = 0
  #result: number | undefined

  constructor(world: EapPeerWorld, options: EapPeapOptions) {
    this.#world = world
    this.#options = options
    this.#inner = new InnerPeer(world, options.methods)
  }

  begin(engine: TlsEngine): InsideStep {
    this.#tunnelKey = peapKeyMaterial(engine)
    return wait
  }

  async heard(data: Uint8Array): Promise<InsideStep> {
    if (data.length === 0) return wait
    if (this.#result !== undefined) return failure('the server goes on inside of PEAP after it said how it ended')
    const end = decodeEnd(data, EapCode.Request)
    if (end !== undefined) return this.#ended(data[1]!, end)
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

  takeKey(): Uint8Array | undefined {
    const msk = this.#msk
    this.#msk = undefined
    return msk
  }

  destroy(): void {
    this.#inner.destroy()
    wipe(this.#tunnelKey, this.#msk)
  }

  // The server's success counts only when our method agrees.
  #ended(identifier: number, end: PeapEnd): InsideStep {
    if (end.result !== PeapResult.Success) {
      this.#result = PeapResult.Failure
      return say(encodeEnd(EapCode.Response, identifier, { result: PeapResult.Failure, binding: undefined }))
    }
    const problem = this.#inner.succeed()
    if (problem !== undefined) return failure(problem)
    const asked = this.#options.cryptobinding === 'never' ? undefined : end.binding
    const binding = asked && this.#bind(asked)
    if (binding === undefined && asked !== undefined) {
      return failure(
        'the server does not have the keys of TLS and of the method inside together: somebody is between (cryptobinding)',
      )
    }
    if (binding === undefined && this.#options.cryptobinding === 'required') {
      return failure('the server does not bind TLS and the method inside together, and cryptobinding is required')
    }
    this.#result = PeapResult.Success
    return say(encodeEnd(EapCode.Response, identifier, { result: PeapResult.Success, binding }))
  }

  /** Our answer to the server's TLV; undefined when that is wrong. */
  #bind(theirs: Uint8Array): Uint8Array | undefined {
    const { crypto, random } = this.#world
    const innerKey = this.#inner.takeKey()
    const keys = compoundKeys(crypto, this.#tunnelKey!, innerKey)
    const isGood = checkBinding(crypto, keys, BindingType.Request, theirs)
    const ours = encodeBinding(crypto, keys, BindingType.Response, random(32, 'nonce'))
    if (isGood) this.#msk = compoundMsk(crypto, keys)
    wipe(innerKey, keys.cmk, keys.ipmk)
    return isGood ? ours : undefined
  }
}
