import { concat } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { decodeEapPacket, EapCode, EapType, encodeEapPacket, identityText } from '../eap/index.ts'
import { DecodeError } from '../errors.ts'
import {
  eapMessage,
  eapMessageAttributes,
  numberAttribute,
  RadiusType,
  radiusText,
  textAttribute,
} from './attributes.ts'
import { type RadiusOutcome, type RadiusRequest, stateOf } from './client.ts'
import { nasAttributes, type RadiusNas, type RadiusPort } from './nas.ts'
import { type RadiusAttribute, RadiusCode } from './packet.ts'
import { type RadiusSession, radiusSession } from './session-data.ts'
import { mppeMsk } from './signing.ts'

/** Asks a server; see `RadiusClient.request`. */
export type RadiusAsk = (request: RadiusRequest) => Promise<RadiusOutcome>

export interface RadiusEapOptions {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  readonly ask: RadiusAsk
  /** The secret of a server by its number, for the keys in its answer. */
  readonly secretOf: (server: number) => Uint8Array
  readonly nas: RadiusNas
  readonly port: RadiusPort
  /** Octets of the largest EAP packet, told as Framed-MTU. RFC 3579 §2.4. */
  readonly mtu: number
}

/** As `EapServerResult`, with what the server says about the session. */
export type RadiusEapResult =
  | { readonly kind: 'send'; readonly packet: Uint8Array }
  | {
      readonly kind: 'success'
      readonly packet: Uint8Array
      readonly msk: Uint8Array | undefined
      readonly identity: string
      readonly session: RadiusSession
    }
  | { readonly kind: 'failure'; readonly packet: Uint8Array; readonly message: string }

/**
 * One conversation whose server of EAP is a RADIUS server: packets go there and back as they are. Who the peer is, we ask ourselves, since
 * RADIUS needs a User-Name. RFC 3579 §2.
 */
export class RadiusEapConversation {
  readonly #options: RadiusEapOptions
  #identifier: number
  #identity: string | undefined
  #state: readonly RadiusAttribute[] = []
  /** The server that State belongs to. */
  #server: number | undefined

  constructor(options: RadiusEapOptions) {
    this.#options = options
    this.#identifier = options.random(1)[0]!
  }

  begin(): RadiusEapResult {
    return { kind: 'send', packet: this.#identityRequest() }
  }

  /** A whole EAP packet of the peer, borrowed. Never rejects. */
  async receive(octets: Uint8Array): Promise<RadiusEapResult> {
    try {
      return await this.#receive(octets)
    } catch (error) {
      if (error instanceof DecodeError) return this.#fail(error.message)
      throw error
    }
  }

  async #receive(octets: Uint8Array): Promise<RadiusEapResult> {
    const packet = decodeEapPacket(octets)
    if (packet.code !== EapCode.Response) return this.#fail(`the peer sent EAP Code ${packet.code}, not a Response`)
    this.#identifier = packet.identifier
    if (packet.type === EapType.Identity) this.#identity = identityText(packet.data)
    if (this.#identity === undefined) return this.#fail('the peer did not say who it is')
    const outcome = await this.#options.ask(this.#request(concat(octets), this.#identity))
    return outcome.ok ? this.#answered(outcome) : this.#fail(outcome.message)
  }

  #request(packet: Uint8Array, identity: string): RadiusRequest {
    const { nas, port, mtu } = this.#options
    const attributes = [
      textAttribute(RadiusType['User-Name'], identity),
      ...nasAttributes(nas, port),
      numberAttribute(RadiusType['Framed-MTU'], mtu),
      ...eapMessageAttributes(packet),
      ...this.#state,
    ]
    const request = { code: RadiusCode.AccessRequest, attributes }
    return this.#server === undefined ? request : { ...request, server: this.#server }
  }

  #answered(outcome: RadiusOutcome & { readonly ok: true }): RadiusEapResult {
    const { code, attributes, server } = outcome
    const packet = eapMessage(attributes)
    switch (code) {
      case RadiusCode.AccessChallenge:
        if (packet === undefined) return this.#fail('RADIUS sent an Access-Challenge without EAP-Message')
        this.#state = stateOf(attributes)
        this.#server = server
        return { kind: 'send', packet }
      case RadiusCode.AccessAccept:
        return this.#accepted(outcome, packet)
      default: {
        const said = radiusText(attributes, RadiusType['Reply-Message'])
        const words = said === undefined ? '' : `, and said: ${JSON.stringify(said)}`
        return { ...this.#fail(`RADIUS refused ${this.#identity}${words}`), ...(packet && { packet }) }
      }
    }
  }

  #accepted(outcome: RadiusOutcome & { readonly ok: true }, packet = this.#end(EapCode.Success)): RadiusEapResult {
    // An Access-Accept may come with something else than EAP Success; then nobody has proved anything. RFC 3579 §2.6.3.
    if (packet[0] !== EapCode.Success) return this.#fail('RADIUS sent an Access-Accept without EAP Success')
    const { crypto, secretOf } = this.#options
    const { attributes, requestAuthenticator, server } = outcome
    const session = radiusSession(attributes)
    const msk = mppeMsk(crypto, attributes, requestAuthenticator, secretOf(server))
    return { kind: 'success', packet, msk, identity: session.userName ?? this.#identity!, session }
  }

  #identityRequest(): Uint8Array {
    const identifier = this.#identifier
    return encodeEapPacket({ code: EapCode.Request, identifier, type: EapType.Identity, data: new Uint8Array(0) })
  }

  #fail(message: string): RadiusEapResult & { readonly kind: 'failure' } {
    return { kind: 'failure', packet: this.#end(EapCode.Failure), message }
  }

  #end(code: 3 | 4): Uint8Array {
    return encodeEapPacket({ code, identifier: this.#identifier })
  }
}
