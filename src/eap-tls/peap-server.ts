import { wipe } from '../bytes/index.ts'
import { EapCode, type EapServerResult, type EapServerSession, type EapServerWorld } from '../eap/index.ts'
import type { EapPeapOptions } from './eap-peap.ts'
import { innerServer } from './inner-eap.ts'
import { failure, type Inside, type InsideStep, say, wait } from './inside.ts'
import {
  BindingType,
  type CompoundKeys,
  checkBinding,
  compoundKeys,
  compoundMsk,
  encodeBinding,
} from './peap-binding.ts'
import { peapKeyMaterial } from './peap-keys.ts'
import { decodeEnd, encodeEnd, type PeapEnd, PeapResult, withHeader, withoutHeader } from './peap-packet.ts'
import type { TlsEngine } from './tls-engine.ts'

/** The inside of PEAPv0 for a server: asks for the name, carries a method, and says how it ended. [MS-PEAP] §3.3. */
export class PeapServer implements Inside {
  readonly #world: EapServerWorld
  readonly #options: EapPeapOptions
  readonly #session: EapServerSession
  #tunnelKey: Uint8Array | undefined
  #keys: CompoundKeys | undefined
  #msk: Uint8Array | undefined
  /** Of the last request. */
  #identifier = 0
  #started = false
  /** How it ended; the peer is to say so, too. */
  #end: End | undefined

  constructor(world: EapServerWorld, options: EapPeapOptions) {
    this.#world = world
    this.#options = options
    this.#session = innerServer(world, options.methods, undefined)
  }

  // Under TLS 1.2 the server's Finished goes first, alone.
  begin(engine: TlsEngine): Promise<InsideStep> | InsideStep {
    this.#tunnelKey = peapKeyMaterial(engine)
    return engine.version === '1.3' ? this.#start() : wait
  }

  async heard(data: Uint8Array): Promise<InsideStep> {
    if (!this.#started) return data.length === 0 ? this.#start() : failure('the peer began inside of PEAP')
    if (this.#end !== undefined) return this.#ended(this.#end, decodeEnd(data, EapCode.Response))
    return this.#step(await this.#session.receive(withHeader(data, EapCode.Response, this.#identifier)))
  }

  takeKey(): Uint8Array | undefined {
    const msk = this.#msk
    this.#msk = undefined
    return msk
  }

  destroy(): void {
    this.#session.destroy()
    wipe(this.#tunnelKey, this.#msk, this.#keys?.cmk, this.#keys?.ipmk)
  }

  async #start(): Promise<InsideStep> {
    this.#started = true
    return this.#step(await this.#session.begin())
  }

  #step(result: EapServerResult): InsideStep {
    if (result.kind === 'send') {
      this.#identifier = result.packet[1]!
      return say(withoutHeader(result.packet), result.refusal)
    }
    this.#end = result
    this.#identifier = (this.#identifier + 1) & 0xff
    const code = result.kind === 'success' ? PeapResult.Success : PeapResult.Failure
    const binding = result.kind === 'success' ? this.#bind(result.msk) : undefined
    const refusal = result.kind === 'failure' ? result.message : undefined
    return say(encodeEnd(EapCode.Request, this.#identifier, { result: code, binding }), refusal)
  }

  /** Our TLV; undefined where there is to be none. `innerKey` is wiped. */
  #bind(innerKey: Uint8Array | undefined): Uint8Array | undefined {
    const { crypto, random } = this.#world
    if (this.#options.cryptobinding !== 'never') this.#keys = compoundKeys(crypto, this.#tunnelKey!, innerKey)
    wipe(innerKey)
    return this.#keys && encodeBinding(crypto, this.#keys, BindingType.Request, random(32, 'nonce'))
  }

  #ended(end: End, theirs: PeapEnd | undefined): InsideStep {
    if (end.kind === 'failure') return failure(end.message)
    if (theirs?.result !== PeapResult.Success) {
      return failure('the peer does not agree that the method inside of PEAP succeeded')
    }
    const keys = this.#keys
    if (keys !== undefined && theirs.binding !== undefined) {
      if (!checkBinding(this.#world.crypto, keys, BindingType.Response, theirs.binding)) {
        return failure(
          'the peer does not have the keys of TLS and of the method inside together: somebody is between (cryptobinding)',
        )
      }
      this.#msk = compoundMsk(this.#world.crypto, keys)
    } else if (this.#options.cryptobinding === 'required') {
      return failure('the peer does not bind TLS and the method inside together, and cryptobinding is required')
    }
    return { kind: 'done', identity: end.identity }
  }
}

type End = Exclude<EapServerResult, { readonly kind: 'send' }>
