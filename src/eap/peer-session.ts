import { concat, equalBytes, plainBytes } from '../bytes/index.ts'
import { andThen, attempt, type MaybePromise } from './maybe-promise.ts'
import type { EapMethod, EapPeerCredentials, EapPeerExchange, EapPeerStep, EapWorld } from './method.ts'
import {
  decodeEapPacket,
  EapCode,
  type EapMessage,
  EapType,
  eapTypeName,
  encodeEapPacket,
  expandedNak,
} from './packet.ts'
import { errorMessage } from './server-session.ts'

/** How a peer of EAP is set up for one conversation. */
export interface EapPeerOptions {
  readonly world: EapWorld
  /** Those that we take, in order of preference; those without a peer role are passed over. */
  readonly methods: readonly EapMethod[]
  readonly credentials: EapPeerCredentials
  /** What we say to an Identity request, and the methods' user name. */
  readonly identity: string
  /** Said instead to an Identity request, where the real name is only for the inside of a tunnel. RFC 5281 §7.3. */
  readonly anonymousIdentity?: string
  /** A server's words for the user, unauthenticated: show them as such. RFC 3748 §5.2. */
  readonly onNotification?: (text: string) => void
  /** Packets of the server before the conversation is given up. */
  readonly maxRounds?: number
}

/** `success`: EAP Success came and the method agrees; `msk` is 64 octets, owned by the caller. `message` is for our log. */
export type EapPeerResult =
  | { readonly kind: 'send'; readonly packet: Uint8Array }
  | {
      readonly kind: 'success'
      readonly msk: Uint8Array | undefined
      readonly mutual: boolean
      /** Name of the method. */
      readonly method: string
    }
  | { readonly kind: 'failure'; readonly message: string }

/**
 * One conversation of a peer: says who we are, says Nak to methods that we do not take, and carries the one that we do. EAP Success
 * counts only when the method has come to its end; a packet out of place ends the conversation. One call at a time. RFC 3748 §2, §4.
 */
export class EapPeerSession {
  readonly #options: EapPeerOptions
  readonly #methods: readonly EapMethod[]
  #rounds = 0
  #method: EapMethod | undefined
  #exchange: EapPeerExchange | undefined
  /** The request that was answered last, and its answer. */
  #last: { readonly request: Uint8Array; readonly response: Uint8Array } | undefined
  /** What we have said no to. */
  readonly #refused: number[] = []
  #over = false

  constructor(options: EapPeerOptions) {
    this.#options = options
    this.#methods = options.methods.filter((method) => method.beginPeer !== undefined)
  }

  /** A whole packet of the server, borrowed. */
  receive(octets: Uint8Array): MaybePromise<EapPeerResult> {
    return attempt(
      () => this.#receive(plainBytes(octets)),
      (error) => this.#fail(errorMessage(error)),
    )
  }

  /** Wipes the method's keys and ends what runs. */
  destroy(): void {
    this.#over = true
    this.#exchange?.destroy()
    this.#exchange = undefined
    this.#last = undefined
  }

  #receive(octets: Uint8Array): MaybePromise<EapPeerResult> {
    if (this.#over) return this.#fail('the conversation is over')
    if (++this.#rounds > (this.#options.maxRounds ?? defaultMaxRounds)) {
      return this.#fail(`the conversation took more than ${this.#rounds - 1} rounds`)
    }
    const packet = decodeEapPacket(octets)
    switch (packet.code) {
      case EapCode.Request:
        // A request sent once more gets the same answer. RFC 3748 §4.1.
        if (this.#last !== undefined && equalBytes(this.#last.request, octets)) {
          return { kind: 'send', packet: this.#last.response.slice() }
        }
        return andThen(this.#request(packet), (step) => this.#send(octets, packet.identifier, packet.type, step))
      case EapCode.Success:
        return this.#success()
      case EapCode.Failure:
        return this.#fail(this.#failureText())
      default:
        return this.#fail('the server sent an EAP Response')
    }
  }

  #request({ type, data, identifier }: EapMessage): MaybePromise<TypedStep> {
    if (type === EapType.Identity) {
      if (this.#method !== undefined) return { kind: 'failure', message: 'the server asked for the identity too late' }
      const { identity, anonymousIdentity = identity } = this.#options
      return { kind: 'response', data: new TextEncoder().encode(anonymousIdentity) }
    }
    if (type === EapType.Notification) {
      this.#options.onNotification?.(new TextDecoder().decode(data))
      return { kind: 'response', data: new Uint8Array(0) }
    }
    if (this.#method === undefined) {
      this.#method = this.#methods.find((method) => method.type === type)
      if (this.#method === undefined) return this.#nak(type)
      const { world, credentials, identity } = this.#options
      const types = this.#methods.map((method) => method.type)
      this.#exchange = this.#method.beginPeer!({ ...world, types, identity, credentials })
    }
    if (this.#method.type !== type) {
      return {
        kind: 'failure',
        message: `the server began ${eapTypeName(type)} after ${eapTypeName(this.#method.type)}`,
      }
    }
    return this.#exchange!.next(data, identifier)
  }

  // What we would take instead, or 0 for nothing. RFC 3748 §5.3.
  #nak(type: number): TypedStep {
    this.#refused.push(type)
    const types = this.#methods.map((method) => method.type)
    const wanted = Uint8Array.from(types.length === 0 ? [0] : types)
    if (type !== EapType.Expanded) return { kind: 'response', type: EapType.Nak, data: wanted }
    const entries = [...wanted].map((want) => Uint8Array.of(EapType.Expanded, 0, 0, 0, 0, 0, 0, want))
    return { kind: 'response', data: concat(expandedNak, ...entries) }
  }

  #send(request: Uint8Array, identifier: number, type: number, step: TypedStep): EapPeerResult {
    if (step.kind === 'failure') return this.#fail(step.message)
    const response = encodeEapPacket({
      code: EapCode.Response,
      identifier,
      type: step.type ?? type,
      data: step.data,
    })
    this.#last = { request: request.slice(), response }
    return { kind: 'send', packet: response.slice() }
  }

  #success(): EapPeerResult {
    if (this.#method === undefined) return this.#fail('EAP Success without any method')
    const end = this.#exchange!.finish()
    if (end.kind === 'failure') return this.#fail(end.message)
    this.destroy()
    return { kind: 'success', msk: end.msk, mutual: end.mutual, method: this.#method.name }
  }

  #failureText(): string {
    if (this.#method !== undefined) {
      const reason = this.#exchange?.reason?.()
      return reason ?? `the server refused us in ${eapTypeName(this.#method.type)} without saying why`
    }
    if (this.#refused.length === 0) return 'the server refused us before any method: it may not know our identity'
    const theirs = this.#refused.map(eapTypeName).join(', ')
    const ours = this.#methods.map(({ type }) => eapTypeName(type)).join(', ') || 'none'
    return `no EAP method in common: the server wants ${theirs}; we take ${ours}`
  }

  #fail(message: string): EapPeerResult {
    this.destroy()
    return { kind: 'failure', message }
  }
}

/** A step of a method; a Nak answers with a Type of its own. */
type TypedStep = EapPeerStep & { readonly type?: number }

/** As for the server. */
const defaultMaxRounds = 100
