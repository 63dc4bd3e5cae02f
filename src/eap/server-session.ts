import { plainBytes } from '../bytes/index.ts'
import { DecodeError } from '../errors.ts'
import { andThen, attempt, type MaybePromise } from './maybe-promise.ts'
import type { EapMethod, EapServerCredentials, EapServerExchange, EapServerStep, EapWorld } from './method.ts'
import {
  decodeEapPacket,
  EapCode,
  type EapMessage,
  EapType,
  eapTypeName,
  encodeEapPacket,
  isNak,
  nakTypes,
} from './packet.ts'

/** How a server of EAP is set up for one conversation. */
export interface EapServerOptions {
  readonly world: EapWorld
  /** In order of preference; those without a server role are passed over. */
  readonly methods: readonly EapMethod[]
  readonly credentials: EapServerCredentials
  /** Who the peer says it is, where that is known (IDi); undefined: it is asked. RFC 7296 §2.16. */
  readonly identity: string | undefined
  /** Packets of the peer before the conversation is given up. */
  readonly maxRounds?: number
}

/**
 * `send`: a request, with `refusal` one that tells the peer no. With `success` and `failure`, `packet` is the last one, and the session is over; `message` is for our log.
 * `msk`: 64 octets, owned by the caller.
 */
export type EapServerResult =
  | { readonly kind: 'send'; readonly packet: Uint8Array; readonly refusal?: string }
  | {
      readonly kind: 'success'
      readonly packet: Uint8Array
      readonly msk: Uint8Array | undefined
      readonly mutual: boolean
      readonly identity: string
      /** Name of the method. */
      readonly method: string
    }
  | { readonly kind: 'failure'; readonly packet: Uint8Array; readonly message: string }

/**
 * One conversation of a server: asks for the identity, begins methods in order until the peer takes one, and carries that
 * to its end. The layer below delivers each packet once and in order (IKE, or a TLS tunnel), so a packet out of place is a fault
 * of the peer and ends the conversation. One call at a time. RFC 3748 §2, §4.
 */
export class EapServerSession {
  readonly #options: EapServerOptions
  #identity: string
  #identifier: number
  #rounds = 0
  /** Those that have not been begun. */
  #left: EapMethod[]
  #method: EapMethod | undefined
  #exchange: EapServerExchange | undefined
  /** The peer has answered the method with something else than a Nak. */
  #taken = false
  #over = false

  constructor(options: EapServerOptions) {
    this.#options = options
    this.#identity = options.identity ?? ''
    this.#identifier = options.world.random(1)[0]!
    this.#left = options.methods.filter((method) => method.beginServer !== undefined)
  }

  /** The first request. */
  begin(): MaybePromise<EapServerResult> {
    if (this.#options.identity !== undefined) return this.#guard(() => this.#beginMethod(this.#left))
    return this.#request(EapType.Identity, new Uint8Array(0))
  }

  /** A whole packet of the peer, borrowed. */
  receive(octets: Uint8Array): MaybePromise<EapServerResult> {
    return this.#guard(() => {
      if (this.#over) return this.#fail('the conversation is over')
      if (++this.#rounds > (this.#options.maxRounds ?? defaultMaxRounds)) {
        return this.#fail(`the conversation took more than ${this.#rounds - 1} rounds`)
      }
      const packet = decodeEapPacket(plainBytes(octets))
      if (packet.code !== EapCode.Response) return this.#fail(`the peer sent EAP Code ${packet.code}, not a Response`)
      if (packet.identifier !== this.#identifier) {
        return this.#fail(`the peer answered request ${packet.identifier}, we had sent ${this.#identifier}`)
      }
      return this.#respond(packet)
    })
  }

  /** Wipes the method's keys and ends what runs. */
  destroy(): void {
    this.#over = true
    this.#exchange?.destroy()
    this.#exchange = undefined
  }

  #respond(packet: EapMessage): MaybePromise<EapServerResult> {
    const method = this.#method
    if (method === undefined) {
      if (packet.type !== EapType.Identity) return this.#fail(`${eapTypeName(packet.type)} in answer to Identity`)
      this.#identity = identityText(packet.data)
      return this.#beginMethod(this.#left)
    }
    if (isNak(packet)) return this.#nak(method, nakTypes(packet))
    if (packet.type !== method.type) {
      return this.#fail(`${eapTypeName(packet.type)} in answer to ${eapTypeName(method.type)}`)
    }
    this.#taken = true
    return andThen(this.#exchange!.next(packet.data, packet.identifier), (step) => this.#step(step))
  }

  // A Nak answers the first request of a method only. RFC 3748 §5.3.1.
  #nak(method: EapMethod, wanted: readonly number[]): MaybePromise<EapServerResult> {
    if (this.#taken) return this.#fail(`a Nak in the middle of ${eapTypeName(method.type)}`)
    const possible = this.#left.filter(({ type }) => wanted.includes(type))
    if (possible.length > 0) return this.#beginMethod(possible)
    const theirs = wanted.length === 0 ? 'none' : wanted.map(eapTypeName).join(', ')
    const ours = this.#options.methods.map(({ type }) => eapTypeName(type)).join(', ')
    return this.#fail(`no EAP method in common: the peer does not take ${ours}; it wants ${theirs}`)
  }

  #beginMethod([method]: readonly EapMethod[]): MaybePromise<EapServerResult> {
    if (method === undefined) return this.#fail('no EAP method is set for the server role')
    this.#exchange?.destroy()
    this.#left = this.#left.filter((other) => other !== method)
    this.#method = method
    const { world, credentials, methods } = this.#options
    const types = methods.map(({ type }) => type)
    this.#exchange = method.beginServer!({ ...world, types, identity: this.#identity, credentials })
    return andThen(this.#exchange.start((this.#identifier + 1) & 0xff), (step) => this.#step(step))
  }

  #step(step: EapServerStep): EapServerResult {
    if (step.kind === 'request') {
      const sent = this.#request(this.#method!.type, step.data)
      return step.refusal === undefined ? sent : { ...sent, refusal: step.refusal }
    }
    if (step.kind === 'failure') return this.#fail(step.message)
    const { msk, mutual, identity = this.#identity } = step
    this.destroy()
    const packet = encodeEapPacket({ code: EapCode.Success, identifier: this.#identifier })
    return { kind: 'success', packet, msk, mutual, identity, method: this.#method!.name }
  }

  #request(type: number, data: Uint8Array): EapServerResult & { readonly kind: 'send' } {
    this.#identifier = (this.#identifier + 1) & 0xff
    return {
      kind: 'send',
      packet: encodeEapPacket({ code: EapCode.Request, identifier: this.#identifier, type, data }),
    }
  }

  #fail(message: string): EapServerResult {
    this.destroy()
    return {
      kind: 'failure',
      packet: encodeEapPacket({ code: EapCode.Failure, identifier: this.#identifier }),
      message,
    }
  }

  /** What a peer sends, and a database that is away, end the conversation; nothing is thrown. */
  #guard(run: () => MaybePromise<EapServerResult>): MaybePromise<EapServerResult> {
    return attempt(run, (error) => this.#fail(errorMessage(error)))
  }
}

/** A method over TLS with long chains of certificates in small fragments takes some tens of rounds. */
const defaultMaxRounds = 100

/** The name in an EAP-Response/Identity: up to the first NUL, after which options may stand. RFC 3748 §5.1. */
export function identityText(data: Uint8Array): string {
  const end = data.indexOf(0)
  const name = end < 0 ? data : data.subarray(0, end)
  if (name.length > maxIdentityBytes) {
    throw new DecodeError({
      where: 'EAP Identity',
      offset: 5,
      section: 'RFC 3748 §5.1',
      problem: `longer than ${maxIdentityBytes} octets`,
    })
  }
  return new TextDecoder().decode(name)
}

/** What fits into the least MTU that EAP demands (RFC 3748 §3.1), and much more than a network access identifier (RFC 7542 §2.3). */
const maxIdentityBytes = 1015

/** One sentence of whatever was thrown. */
export const errorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error))
