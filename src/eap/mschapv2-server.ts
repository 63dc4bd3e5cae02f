import { equalConstantTime, toHex, wipe } from '../bytes/index.ts'
import { andThen, type MaybePromise } from './maybe-promise.ts'
import type { EapServerExchange, EapServerStep, EapServerWorld } from './method.ts'
import { authenticatorResponse, type MschapExchange, mschapMsk, ntPasswordHash, ntResponse } from './mschapv2-keys.ts'
import { decodeMschapPacket, encodeMschapPacket, MschapOp, type MschapPacket } from './mschapv2-packet.ts'

/** The server's side. A name that is not known and a wrong password look alike from outside. RFC 2759 §§4, 6. */
export class MschapServer implements EapServerExchange {
  readonly #world: EapServerWorld
  readonly #challenge: Uint8Array
  #id = 0
  #state: 'challenge' | 'success' | 'failure' = 'challenge'
  /** The user as the password was found, and what is told when it is wrong. */
  #user = ''
  #message = ''
  #msk: Uint8Array | undefined

  constructor(world: EapServerWorld) {
    this.#world = world
    this.#challenge = world.random(16, 'nonce')
  }

  start(identifier: number): EapServerStep {
    this.#id = identifier
    return request({ op: MschapOp.Challenge, id: identifier, challenge: this.#challenge, name: 'typeswan' })
  }

  next(data: Uint8Array): MaybePromise<EapServerStep> {
    switch (this.#state) {
      case 'challenge':
        return this.#verify(decodeMschapPacket(data))
      case 'success':
        return this.#acknowledged(data)
      case 'failure':
        return { kind: 'failure', message: this.#message }
    }
  }

  destroy(): void {
    wipe(this.#msk)
    this.#msk = undefined
  }

  #verify(packet: MschapPacket): MaybePromise<EapServerStep> {
    if (packet.op !== MschapOp.Response)
      return { kind: 'failure', message: 'EAP-MSCHAPv2: no Response to the Challenge' }
    const domain = packet.name.lastIndexOf('\\')
    const user = packet.name.slice(domain + 1)
    const names = domain < 0 ? [user] : [packet.name, user]
    return andThen(this.#passwordOf(names), (found) => {
      if (found === undefined) return this.#refuse(`no user ${packet.name} is known`)
      return this.#compare(packet, user, found)
    })
  }

  /** With its domain first, then without. */
  #passwordOf([name, ...others]: readonly string[]): MaybePromise<Found | undefined> {
    if (name === undefined) return undefined
    return andThen(this.#world.credentials.password?.(name), (password) =>
      password === undefined ? this.#passwordOf(others) : { name, password },
    )
  }

  #compare(packet: MschapPacket & { readonly op: 2 }, user: string, { name, password }: Found): EapServerStep {
    const { crypto } = this.#world
    const { peerChallenge } = packet
    const exchange: MschapExchange = { authenticatorChallenge: this.#challenge, peerChallenge, user }
    const hash = ntPasswordHash(password)
    try {
      if (!equalConstantTime(packet.ntResponse, ntResponse(crypto, exchange, hash))) {
        return this.#refuse(`wrong password of ${name}`)
      }
      this.#state = 'success'
      this.#user = name
      this.#msk = mschapMsk(crypto, hash, packet.ntResponse)
      const proof = authenticatorResponse(crypto, exchange, hash, packet.ntResponse)
      return request({ op: MschapOp.Success, id: this.#id, message: `${proof} M=Welcome` })
    } finally {
      wipe(hash)
    }
  }

  // The peer has checked our proof. draft-kamath-pppext-eap-mschapv2 §2.4.
  #acknowledged(data: Uint8Array): EapServerStep {
    if (data[0] !== MschapOp.Success) {
      return { kind: 'failure', message: `${this.#user} does not take our proof of the password` }
    }
    const msk = this.#msk
    this.#msk = undefined
    return { kind: 'success', msk, mutual: true, identity: this.#user }
  }

  // A new try would need a new challenge (C=), and is left to a new conversation: R=0. RFC 2759 §6.
  #refuse(message: string): EapServerStep {
    this.#state = 'failure'
    this.#message = message
    const challenge = toHex(this.#world.random(16, 'nonce')).toUpperCase()
    const words = `E=691 R=0 C=${challenge} V=3 M=Authentication failed`
    return { ...request({ op: MschapOp.Failure, id: this.#id, message: words }), refusal: message }
  }
}

interface Found {
  readonly name: string
  readonly password: string
}

const request = (packet: MschapPacket): EapServerStep & { readonly kind: 'request' } => ({
  kind: 'request',
  data: encodeMschapPacket(packet),
})
