import { wipe } from '../bytes/index.ts'
import { DecodeError } from '../errors.ts'
import type { AkaOptions } from './aka.ts'
import {
  type AkaMessage,
  AkaSubtype,
  AkaWriter,
  At,
  akaAttribute,
  akaBlock,
  akaFail,
  akaNumber,
  akaSized,
  decodeAkaMessage,
} from './aka-attributes.ts'
import { AkaIdentityRounds } from './aka-identity-rounds.ts'
import { type AkaFlavour, type AkaKeys, akaKeys, akaPrimeKeys, checkAkaMac, writeAkaMac } from './aka-keys.ts'
import { akaNotificationText, isAfterChallenge, saysSuccess } from './aka-notification.ts'
import { andThen, type MaybePromise } from './maybe-promise.ts'
import type { AkaAnswer, EapFailure, EapPeerExchange, EapPeerStep, EapPeerWorld, EapSuccess } from './method.ts'

/**
 * The peer's side of EAP-AKA and EAP-AKA'. It always says its permanent identity: pseudonyms and identities for fast re-authentication that a
 * server offers (AT_ENCR_DATA) are passed over. RFC 4187 §§3, 4, 6; RFC 9048.
 */
export class AkaPeer implements EapPeerExchange {
  readonly #flavour: AkaFlavour
  readonly #options: AkaOptions
  readonly #world: EapPeerWorld
  readonly #rounds: AkaIdentityRounds
  #state: 'begun' | 'notified' | 'done' | 'failed' = 'begun'
  /** Rank of the last request for an identity: they may only become more pressing. */
  #asked = 0
  #resynchronised = false
  /** AT_KDF of the challenge that we answered with a choice of our own. */
  #offeredKdfs: readonly number[] | undefined
  #keys: AkaKeys | undefined
  #reason: string | undefined

  constructor(flavour: AkaFlavour, options: AkaOptions, world: EapPeerWorld) {
    this.#flavour = flavour
    this.#options = options
    this.#world = world
    this.#rounds = new AkaIdentityRounds(world.crypto, flavour)
  }

  next(data: Uint8Array, identifier: number): MaybePromise<EapPeerStep> {
    try {
      return this.#next(decodeAkaMessage(data), data, identifier)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return this.#clientError(error.message)
    }
  }

  finish(): EapSuccess | EapFailure {
    if (this.#state !== 'done') return { kind: 'failure', message: 'EAP Success before EAP-AKA was done' }
    const { msk } = this.#keys!
    wipe(this.#keys!.kAut)
    this.#keys = undefined
    return { kind: 'success', msk, mutual: true }
  }

  reason(): string | undefined {
    return this.#reason
  }

  destroy(): void {
    wipe(this.#keys?.kAut, this.#keys?.msk)
    this.#keys = undefined
  }

  #next(message: AkaMessage, data: Uint8Array, identifier: number): MaybePromise<EapPeerStep> {
    if (message.subtype === AkaSubtype.Notification) return this.#notified(message, data, identifier)
    if (this.#state !== 'begun') return this.#clientError('EAP-AKA: a request out of place')
    if (message.subtype === AkaSubtype.Identity) return this.#identify(message, data, identifier)
    if (message.subtype !== AkaSubtype.Challenge) return this.#clientError(`EAP-AKA: subtype ${message.subtype}`)
    return this.#challenged(message, data, identifier)
  }

  // <-- AKA-Identity (AT_ANY_ID_REQ)
  #identify(message: AkaMessage, data: Uint8Array, identifier: number): EapPeerStep {
    const rank = identityRequests.findIndex((type) => akaAttribute(message, type) !== undefined) + 1
    if (rank <= this.#asked) return this.#clientError('EAP-AKA: the server asks for the identity again')
    this.#asked = rank
    const identity = new TextEncoder().encode(this.#world.identity)
    const response = new AkaWriter(AkaSubtype.Identity).addSized(At.IDENTITY, identity).finish()
    this.#rounds.add({ code: 1, identifier }, data)
    this.#rounds.add({ code: 2, identifier }, response)
    return { kind: 'response', data: response }
  }

  // <-- AKA-Challenge (AT_RAND, AT_AUTN, AT_MAC)
  #challenged(message: AkaMessage, borrowed: Uint8Array, identifier: number): MaybePromise<EapPeerStep> {
    const rand = akaBlock(message, At.RAND).slice()
    const autn = akaBlock(message, At.AUTN).slice()
    const chosen = this.#flavour.type === 50 ? this.#chooseKdf(message, autn) : this.#againstBiddingDown(message)
    if (chosen !== undefined) return chosen
    const { akaAnswer } = this.#world.credentials
    if (akaAnswer === undefined) return this.#fail('no USIM is set for EAP-AKA')
    const data = borrowed.slice()
    return andThen(akaAnswer(rand, autn), (answer) => {
      switch (answer.kind) {
        case 'authentication-reject':
          return this.#reject("the server's AUTN is not for our USIM: it is not our operator's, or the key is another")
        case 'synchronisation-failure':
          return this.#synchronise(message, answer.auts)
        case 'ok':
          return this.#guarded(() => this.#answer(decodeAkaMessage(data), data, identifier, autn, answer))
      }
    })
  }

  /** What to say instead of an answer, undefined when the key derivation is agreed on. RFC 9048 §3.2. */
  #chooseKdf(message: AkaMessage, autn: Uint8Array): EapPeerStep | undefined {
    const kdfs = message.attributes.filter(({ type }) => type === At.KDF).map(({ value }) => akaNumber(value))
    const name = new TextDecoder().decode(akaSized(message, At.KDF_INPUT))
    if (!this.#isOurNetwork(name)) return this.#reject(`the server names the network ${JSON.stringify(name)}`)
    // 3GPP TS 33.102 annex H: vectors for EAP-AKA' have the separation bit set.
    if ((autn[6]! & 0x80) === 0) return this.#reject("the server's AUTN is not for EAP-AKA': its separation bit is 0")
    const before = this.#offeredKdfs
    if (before !== undefined && `${kdfs}` !== `${[1, ...before]}`) return this.#reject('AT_KDF was changed on the way')
    if (kdfs[0] === 1) return undefined
    if (!kdfs.includes(1)) return this.#reject(`the server derives keys by ${kdfs.join(', ')}, not by 1`)
    this.#offeredKdfs = kdfs
    return { kind: 'response', data: new AkaWriter(AkaSubtype.Challenge).addNumber(At.KDF, 1).finish() }
  }

  #isOurNetwork(name: string): boolean {
    const { networkName: ours = name } = this.#options
    return name !== '' && (name === ours || name.startsWith(`${ours}:`) || ours.startsWith(`${name}:`))
  }

  // Both ends have EAP-AKA', so somebody in between wants EAP-AKA. RFC 9048 §4.
  #againstBiddingDown(message: AkaMessage): EapPeerStep | undefined {
    const bidding = akaAttribute(message, At.BIDDING, 2)
    const { types = [] } = this.#world
    if (bidding === undefined || (bidding[0]! & 0x80) === 0 || !types.includes(50)) return undefined
    return this.#reject("the server has EAP-AKA' like us, and yet began EAP-AKA: somebody bids us down")
  }

  #answer(
    message: AkaMessage,
    data: Uint8Array,
    identifier: number,
    autn: Uint8Array,
    { res, ck, ik }: AkaAnswer & { readonly kind: 'ok' },
  ): EapPeerStep {
    const { crypto, identity } = this.#world
    const secrets = { ck, ik, autn, identity }
    const keys =
      this.#flavour.type === 50
        ? akaPrimeKeys(crypto, secrets, akaSized(message, At.KDF_INPUT))
        : akaKeys(crypto, secrets)
    this.#keys = keys
    if (!checkAkaMac(crypto, this.#flavour, keys.kAut, { code: 1, identifier }, data, message)) {
      akaFail('wrong AT_MAC: identities, keys or the packet differ')
    }
    if (!this.#rounds.agrees(message)) akaFail('AT_CHECKCODE: the identity rounds were changed on the way')
    const writer = new AkaWriter(AkaSubtype.Challenge).addSized(At.RES, res, 8)
    if (akaAttribute(message, At.CHECKCODE) !== undefined) writer.addBlock(At.CHECKCODE, this.#rounds.checkcode())
    const indicate = akaAttribute(message, At.RESULT_IND) !== undefined
    if (indicate) writer.addNumber(At.RESULT_IND, 0)
    this.#state = indicate ? 'notified' : 'done'
    return this.#signed(writer, identifier)
  }

  // --> AKA-Synchronization-Failure (AT_AUTS), and AT_KDF again. RFC 4187 §6.3.1, RFC 9048 §3.2.
  #synchronise(message: AkaMessage, auts: Uint8Array): EapPeerStep {
    if (this.#resynchronised)
      return this.#reject('the server is out of step with our USIM even after resynchronisation')
    this.#resynchronised = true
    const writer = new AkaWriter(AkaSubtype.SynchronizationFailure).add(At.AUTS, auts)
    for (const { type, value } of message.attributes) if (type === At.KDF) writer.addNumber(At.KDF, akaNumber(value))
    return { kind: 'response', data: writer.finish() }
  }

  // <-- AKA-Notification. RFC 4187 §6.1.
  #notified(message: AkaMessage, data: Uint8Array, identifier: number): EapPeerStep {
    const code = akaNumber(akaAttribute(message, At.NOTIFICATION, 2) ?? akaFail('AT_NOTIFICATION is missing'))
    const writer = new AkaWriter(AkaSubtype.Notification)
    const signed = isAfterChallenge(code)
    const { kAut } = this.#keys ?? {}
    if (signed) {
      const envelope = { code: 1, identifier } as const
      if (kAut === undefined || !checkAkaMac(this.#world.crypto, this.#flavour, kAut, envelope, data, message)) {
        akaFail('a notification without a right AT_MAC')
      }
    }
    if (saysSuccess(code)) {
      if (this.#state !== 'notified' || !signed) akaFail('a notification of success out of place')
      this.#state = 'done'
    } else {
      this.#state = 'failed'
      this.#reason = akaNotificationText(code)
    }
    return signed ? this.#signed(writer, identifier) : { kind: 'response', data: writer.finish() }
  }

  #signed(writer: AkaWriter, identifier: number): EapPeerStep {
    const data = writer.addBlock(At.MAC, new Uint8Array(16)).finish()
    const { crypto } = this.#world
    return {
      kind: 'response',
      data: writeAkaMac(crypto, this.#flavour, this.#keys!.kAut, { code: 2, identifier }, data),
    }
  }

  #reject(reason: string): EapPeerStep {
    this.#state = 'failed'
    this.#reason = reason
    return { kind: 'response', data: new AkaWriter(AkaSubtype.AuthenticationReject).finish() }
  }

  #guarded(run: () => EapPeerStep): EapPeerStep {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return this.#clientError(error.message)
    }
  }

  // 0: unable to process the packet. RFC 4187 §6.3.1.
  #clientError(reason: string): EapPeerStep {
    this.destroy()
    this.#state = 'failed'
    this.#reason ??= reason
    return { kind: 'response', data: new AkaWriter(AkaSubtype.ClientError).addNumber(At.CLIENT_ERROR_CODE, 0).finish() }
  }

  #fail(message: string): EapFailure {
    this.#state = 'failed'
    return { kind: 'failure', message }
  }
}

/** From any identity to none but the permanent one. RFC 4187 §4.1.6. */
const identityRequests = [At.ANY_ID_REQ, At.FULLAUTH_ID_REQ, At.PERMANENT_ID_REQ]
