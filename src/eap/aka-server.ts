import { equalConstantTime, wipe } from '../bytes/index.ts'
import type { AkaOptions } from './aka.ts'
import {
  type AkaMessage,
  AkaSubtype,
  AkaWriter,
  At,
  akaAttribute,
  akaNumber,
  akaSized,
  decodeAkaMessage,
} from './aka-attributes.ts'
import { AkaIdentityRounds } from './aka-identity-rounds.ts'
import { type AkaFlavour, type AkaKeys, akaKeys, akaPrimeKeys, checkAkaMac, writeAkaMac } from './aka-keys.ts'
import { akaNotification } from './aka-notification.ts'
import { andThen, type MaybePromise } from './maybe-promise.ts'
import type {
  AkaVector,
  AkaVectorRequest,
  EapFailure,
  EapServerExchange,
  EapServerStep,
  EapServerWorld,
} from './method.ts'

/**
 * The server's side of EAP-AKA and EAP-AKA'. Pseudonyms and identities for fast re-authentication are never given out; a peer that comes
 * with one of another server is asked for its permanent identity. RFC 4187 §§3, 4, 6; RFC 9048.
 */
export class AkaServer implements EapServerExchange {
  readonly #flavour: AkaFlavour
  readonly #options: AkaOptions
  readonly #world: EapServerWorld
  readonly #rounds: AkaIdentityRounds
  #state: 'identity' | 'challenge' | 'success' | 'failure' = 'challenge'
  #identity: string
  #askedPermanent = false
  #resynchronised = false
  #vector: AkaVector | undefined
  #keys: AkaKeys | undefined
  #message = ''

  constructor(flavour: AkaFlavour, options: AkaOptions, world: EapServerWorld) {
    this.#flavour = flavour
    this.#options = options
    this.#world = world
    this.#identity = world.identity
    this.#rounds = new AkaIdentityRounds(world.crypto, flavour)
  }

  start(identifier: number): MaybePromise<EapServerStep> {
    return this.#options.requestIdentity === true
      ? this.#askIdentity(At.ANY_ID_REQ, identifier)
      : this.#challenge({ identity: this.#identity }, identifier)
  }

  next(data: Uint8Array, identifier: number): MaybePromise<EapServerStep> {
    if (this.#state === 'failure') return failure(this.#message)
    const message = decodeAkaMessage(data)
    switch (message.subtype) {
      case AkaSubtype.Identity:
        return this.#identified(message, data, identifier)
      case AkaSubtype.Challenge:
        return this.#answered(message, data, identifier)
      case AkaSubtype.SynchronizationFailure:
        return this.#resynchronise(message, identifier)
      case AkaSubtype.Notification:
        return this.#acknowledged(message, data, identifier)
      case AkaSubtype.AuthenticationReject:
        return failure(
          `the USIM of ${this.#identity} does not take our AUTN: the key or the operator's variant is another`,
        )
      case AkaSubtype.ClientError: {
        const code = akaAttribute(message, At.CLIENT_ERROR_CODE, 2)
        return failure(`the peer could not process our request: client error ${code && akaNumber(code)}`)
      }
      default:
        return failure(`EAP-AKA: a response of subtype ${message.subtype}`)
    }
  }

  destroy(): void {
    this.#vector = undefined
    wipe(this.#keys?.kAut, this.#keys?.msk)
    this.#keys = undefined
  }

  // --> AKA-Identity (AT_ANY_ID_REQ)
  #askIdentity(what: number, identifier: number): EapServerStep {
    this.#state = 'identity'
    this.#askedPermanent = what === At.PERMANENT_ID_REQ
    const data = new AkaWriter(AkaSubtype.Identity).addNumber(what, 0).finish()
    this.#rounds.add({ code: 1, identifier }, data)
    return { kind: 'request', data }
  }

  #identified(message: AkaMessage, data: Uint8Array, identifier: number): MaybePromise<EapServerStep> {
    if (this.#state !== 'identity') return outOfPlace
    this.#rounds.add({ code: 2, identifier }, data)
    this.#identity = new TextDecoder().decode(akaSized(message, At.IDENTITY))
    return this.#challenge({ identity: this.#identity }, (identifier + 1) & 0xff)
  }

  // --> AKA-Challenge (AT_RAND, AT_AUTN, AT_MAC)
  #challenge(request: AkaVectorRequest, identifier: number): MaybePromise<EapServerStep> {
    return andThen(this.#world.credentials.akaVector?.(request), (vector) => {
      if (vector !== undefined) return this.#sendChallenge(vector, identifier)
      if (request.resync !== undefined) return this.#notifyFailure(`no resynchronisation for ${this.#identity}`)
      // A pseudonym of another server looks like an unknown subscriber.
      if (!this.#askedPermanent) return this.#askIdentity(At.PERMANENT_ID_REQ, identifier)
      return this.#notifyFailure(`no subscriber ${this.#identity} is known`)
    })
  }

  #sendChallenge(vector: AkaVector, identifier: number): EapServerStep {
    this.destroy()
    this.#state = 'challenge'
    const { crypto, types = [] } = this.#world
    const { rand, autn, ck, ik } = vector
    const secrets = { ck, ik, autn, identity: this.#identity }
    const name = new TextEncoder().encode(this.#options.networkName ?? 'WLAN')
    const writer = new AkaWriter(AkaSubtype.Challenge).addBlock(At.RAND, rand).addBlock(At.AUTN, autn)
    if (this.#flavour.type === 50) {
      this.#keys = akaPrimeKeys(crypto, secrets, name)
      writer.addSized(At.KDF_INPUT, name).addNumber(At.KDF, 1)
    } else {
      this.#keys = akaKeys(crypto, secrets)
      if (types.includes(50)) writer.addNumber(At.BIDDING, 0x8000)
    }
    this.#vector = vector
    if (this.#options.resultIndications === true) writer.addNumber(At.RESULT_IND, 0)
    writer.addBlock(At.CHECKCODE, this.#rounds.checkcode()).addBlock(At.MAC, new Uint8Array(16))
    const data = writeAkaMac(crypto, this.#flavour, this.#keys.kAut, { code: 1, identifier }, writer.finish())
    return { kind: 'request', data }
  }

  // <-- AKA-Challenge (AT_RES, AT_MAC)
  #answered(message: AkaMessage, data: Uint8Array, identifier: number): EapServerStep {
    const { crypto } = this.#world
    const { kAut } = this.#keys ?? {}
    if (this.#state !== 'challenge' || this.#vector === undefined || kAut === undefined) return outOfPlace
    if (akaAttribute(message, At.KDF) !== undefined) {
      return failure("the peer wants another key derivation of EAP-AKA' than the one that there is")
    }
    const right =
      checkAkaMac(crypto, this.#flavour, kAut, { code: 2, identifier }, data, message) &&
      equalConstantTime(akaSized(message, At.RES, 8), this.#vector.xres)
    this.#vector = undefined
    if (!right) return this.#notifyFailure(`wrong answer of the USIM of ${this.#identity}`)
    if (!this.#rounds.agrees(message))
      return this.#notifyFailure('AT_CHECKCODE: the identity rounds were changed on the way')
    if (this.#options.resultIndications !== true || akaAttribute(message, At.RESULT_IND) === undefined) {
      return this.#success()
    }
    this.#state = 'success'
    return { kind: 'request', data: this.#signed(AkaSubtype.Notification, akaNotification.success, identifier + 1) }
  }

  // <-- AKA-Synchronization-Failure (AT_AUTS)
  #resynchronise(message: AkaMessage, identifier: number): MaybePromise<EapServerStep> {
    if (this.#state !== 'challenge' || this.#vector === undefined) return outOfPlace
    if (this.#resynchronised)
      return this.#notifyFailure(`the USIM of ${this.#identity} asks for resynchronisation again`)
    this.#resynchronised = true
    const auts = akaAttribute(message, At.AUTS, 14)
    if (auts === undefined) return failure('EAP-AKA: AT_AUTS is missing')
    const resync = { rand: this.#vector.rand, auts: auts.slice() }
    this.#vector = undefined
    return this.#challenge({ identity: this.#identity, resync }, (identifier + 1) & 0xff)
  }

  // <-- AKA-Notification (AT_MAC)
  #acknowledged(message: AkaMessage, data: Uint8Array, identifier: number): EapServerStep {
    if (this.#state !== 'success' || this.#keys === undefined) return outOfPlace
    const right = checkAkaMac(
      this.#world.crypto,
      this.#flavour,
      this.#keys.kAut,
      { code: 2, identifier },
      data,
      message,
    )
    return right ? this.#success() : failure('EAP-AKA: wrong AT_MAC under the notification of success')
  }

  #success(): EapServerStep {
    const { msk } = this.#keys!
    wipe(this.#keys!.kAut)
    this.#keys = undefined
    return { kind: 'success', msk, mutual: true, identity: this.#identity }
  }

  // A failure is told before EAP Failure. RFC 4187 §6.3.2.
  #notifyFailure(message: string): EapServerStep {
    this.destroy()
    this.#state = 'failure'
    this.#message = message
    const { generalFailureBefore } = akaNotification
    return {
      kind: 'request',
      data: new AkaWriter(AkaSubtype.Notification).addNumber(At.NOTIFICATION, generalFailureBefore).finish(),
    }
  }

  #signed(subtype: number, notification: number, identifier: number): Uint8Array {
    const writer = new AkaWriter(subtype).addNumber(At.NOTIFICATION, notification)
    const data = writer.addBlock(At.MAC, new Uint8Array(16)).finish()
    const envelope = { code: 1, identifier: identifier & 0xff } as const
    return writeAkaMac(this.#world.crypto, this.#flavour, this.#keys!.kAut, envelope, data)
  }
}

const failure = (message: string): EapFailure => ({ kind: 'failure', message })
const outOfPlace = failure('EAP-AKA: a message out of place')
