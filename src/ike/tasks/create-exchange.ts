import { wipe } from '../../bytes/index.ts'
import type { KeyExchange } from '../../crypto/provider.ts'
import { PeerError } from '../../errors.ts'
import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig, ProposalConfig } from '../config.ts'
import { explainTooManyGroups } from '../explain/explain-child.ts'
import { explainUnknownKeGroup } from '../explain/explain-proposal.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { NONCE_BYTES, peerNonce } from '../keys/nonces.ts'
import { find, findErrorNotify, findNotify, kePayload, need, notify } from '../message/notifies.ts'
import { type ChosenProposal, encodeProposals, keGroupsOf, verifyChosen } from '../negotiation/proposal.ts'
import type { ResponseMessage } from '../task.ts'

/** How often INVALID_KE_PAYLOAD may ask for another group, so that a peer cannot alternate between two for ever. */
const MOST_TRIES = 5

/** What an initiator offers in CREATE_CHILD_SA. */
export interface CreateOffer {
  /** The CHILD_SA; undefined: the IKE_SA itself is rekeyed. */
  readonly child: ChildConfig | undefined
  /** A `ProtocolId`. */
  readonly protocol: number
  readonly proposals: readonly ProposalConfig[]
  /** Our SPI of the new SA: 4 octets, or 8 of an IKE_SA. */
  readonly spi: Uint8Array
  /** The group to begin with, where the proposals have it: the peer took it before. Left out: the first. */
  readonly group?: number
  /** What stands before SA (REKEY_SA, USE_TRANSPORT_MODE), and after KE (TSi, TSr). */
  readonly before: readonly Payload[]
  readonly after: readonly Payload[]
}

/** What the keys of the new SA are made of. The nonces and secrets belong to the exchange, which wipes the secrets. */
export interface CreateKeying {
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
  /** Those of the key exchanges in order: this exchange's own first, then additional ones. Empty: without PFS. */
  readonly secrets: readonly Uint8Array[]
}

/** What a response came to. `payloads` are those of the response that made the choice, and may be kept. */
export type CreateOutcome =
  /** The next request is to go out. `nonces` are there when the peer has agreed, and additional key exchanges follow. */
  | { readonly kind: 'again'; readonly nonces?: { readonly Ni: Uint8Array; readonly Nr: Uint8Array } }
  /** An error notify of the peer. */
  | { readonly kind: 'refused'; readonly notify: number; readonly payloads: readonly Payload[] }
  /** The peer wants a group that we do not have, or one after the other. */
  | { readonly kind: 'hopeless'; readonly refusal: Refusal }
  | {
      readonly kind: 'agreed'
      readonly payloads: readonly Payload[]
      readonly suite: ChosenProposal
      readonly keying: CreateKeying
    }

/** What the peer agreed to, while additional key exchanges are under way. */
interface Agreed {
  readonly payloads: readonly Payload[]
  readonly suite: ChosenProposal
  readonly Nr: Uint8Array
  /** The responder's, handed back to it with the next of them. */
  link: Uint8Array
}

/**
 * The initiator's side of what all CREATE_CHILD_SA exchanges share, whatever they make: nonce, key exchange with its
 * retries, the check of the chosen proposal, and the additional key exchanges in IKE_FOLLOWUP_KE. A task owns one, asks it
 * for each request and shows it each response, and calls `destroy` at its end. RFC 7296 §1.3, RFC 9370 §2.2.4.
 */
export class CreateExchange {
  /** Sent unchanged with each try. */
  readonly Ni: Uint8Array
  #sa: IkeSa
  readonly #offer: CreateOffer
  #keyExchange: KeyExchange | undefined
  #secrets: Uint8Array[] = []
  #tries = 1
  #agreed: Agreed | undefined

  constructor(sa: IkeSa, offer: CreateOffer) {
    const { crypto, random } = sa.runtime
    this.#sa = sa
    this.#offer = offer
    this.Ni = random(NONCE_BYTES, 'nonce')
    const groups = keGroupsOf(offer.proposals)
    const group = groups.find((one) => one === offer.group) ?? groups[0]
    this.#keyExchange = group === undefined ? undefined : crypto.keyExchange(group, random)
  }

  /** The exchange type of the next request. */
  get exchangeType(): number {
    return this.#agreed === undefined ? ExchangeType.CREATE_CHILD_SA : ExchangeType.IKE_FOLLOWUP_KE
  }

  // HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] [TSi, TSr]} -->
  // HDR, SK {KEi(n), N(ADDITIONAL_KEY_EXCHANGE)} -->
  buildRequest(): Payload[] {
    if (this.#agreed !== undefined) return this.#buildFollowUp(this.#agreed)
    const { proposals, protocol, spi, before, after } = this.#offer
    return [
      ...before,
      { kind: 'SA', critical: false, proposals: encodeProposals(proposals, protocol, spi) },
      { kind: 'Nonce', critical: false, data: this.Ni },
      ...(this.#keyExchange === undefined ? [] : [kePayload(this.#keyExchange.group, this.#keyExchange.publicValue)]),
      ...after,
    ]
  }

  /** Throws `PeerError` when the answer is not within the offer. */
  // <-- HDR, SK {SA, Nr, [KEr,] [TSi, TSr,] [N(ADDITIONAL_KEY_EXCHANGE)]} | SK {N(INVALID_KE_PAYLOAD)} | SK {N(error)}
  processResponse({ payloads }: ResponseMessage): CreateOutcome {
    if (this.#agreed !== undefined) return this.#followedUp(this.#agreed, payloads)
    const otherGroup = findNotify(payloads, NotifyType.INVALID_KE_PAYLOAD)
    if (otherGroup !== undefined) return this.#useGroup(otherGroup.data)
    const error = findErrorNotify(payloads)
    if (error !== undefined) return { kind: 'refused', notify: error.notify, payloads }
    const { protocol, proposals } = this.#offer
    const suite = verifyChosen(need(payloads, 'SA').proposals, proposals, { protocol })
    const Nr = peerNonce(payloads, this.#sa.init!.suite.prf)
    if (suite.ke !== 0) this.#finishKe(suite.ke, payloads)
    if (suite.additionalKe.length === 0) return this.#done({ payloads, suite, Nr })
    this.#agreed = { payloads, suite, Nr, link: linkIn(payloads) }
    return { kind: 'again', nonces: { Ni: this.Ni, Nr } }
  }

  /** The IKE_SA was rekeyed before this began. */
  moveTo(sa: IkeSa): void {
    this.#sa = sa
  }

  /** Wipes what is secret. Again does no harm. */
  destroy(): void {
    this.#keyExchange?.destroy()
    this.#keyExchange = undefined
    wipe(...this.#secrets.splice(0))
  }

  #buildFollowUp({ suite, link }: Agreed): Payload[] {
    const { crypto, random } = this.#sa.runtime
    this.#keyExchange?.destroy()
    this.#keyExchange = crypto.keyExchange(suite.additionalKe[this.#secrets.length - 1]!, random)
    const { group, publicValue } = this.#keyExchange
    return [kePayload(group, publicValue), notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link)]
  }

  // <-- HDR, SK {KEr(n), N(ADDITIONAL_KEY_EXCHANGE)}, the last one without the link | SK {N(STATE_NOT_FOUND)} | SK {N(error)}
  #followedUp(agreed: Agreed, payloads: readonly Payload[]): CreateOutcome {
    const error = findErrorNotify(payloads)
    if (error !== undefined) return { kind: 'refused', notify: error.notify, payloads }
    this.#finishKe(agreed.suite.additionalKe[this.#secrets.length - 1]!, payloads)
    if (this.#secrets.length > agreed.suite.additionalKe.length) return this.#done(agreed)
    agreed.link = linkIn(payloads)
    return { kind: 'again', nonces: { Ni: this.Ni, Nr: agreed.Nr } }
  }

  #done({ payloads, suite, Nr }: Omit<Agreed, 'link'>): CreateOutcome {
    return { kind: 'agreed', payloads, suite, keying: { Ni: this.Ni, Nr, secrets: this.#secrets } }
  }

  #useGroup(data: Uint8Array): CreateOutcome {
    const { connection, runtime } = this.#sa
    const { child, proposals } = this.#offer
    const group = data.length === 2 ? (data[0]! << 8) | data[1]! : 0
    if (!keGroupsOf(proposals).includes(group) || group === this.#keyExchange?.group) {
      const about = child === undefined ? ({ what: 'IKE' } as const) : ({ what: 'CHILD', child } as const)
      return { kind: 'hopeless', refusal: explainUnknownKeGroup({ ...about, connection, group }) }
    }
    if (++this.#tries > MOST_TRIES) return { kind: 'hopeless', refusal: explainTooManyGroups(child, MOST_TRIES) }
    this.#keyExchange?.destroy()
    this.#keyExchange = runtime.crypto.keyExchange(group, runtime.random)
    return { kind: 'again' }
  }

  #finishKe(chosenGroup: number, payloads: readonly Payload[]): void {
    const KEr = find(payloads, 'KE')
    if (KEr?.group !== chosenGroup || this.#keyExchange?.group !== chosenGroup) {
      throw new PeerError(
        'WRONG_KE_GROUP',
        `the chosen proposal has group ${chosenGroup}, KE has ${KEr?.group ?? 'none'}`,
        { notify: NotifyType.INVALID_SYNTAX },
      )
    }
    this.#secrets.push(this.#keyExchange.finish(KEr.data))
  }
}

/** What is handed back to the responder with the next IKE_FOLLOWUP_KE. */
function linkIn(payloads: readonly Payload[]): Uint8Array {
  const link = findNotify(payloads, NotifyType.ADDITIONAL_KEY_EXCHANGE)
  if (link !== undefined) return link.data
  throw new PeerError('MISSING_LINK', 'the peer agreed to additional key exchanges without ADDITIONAL_KEY_EXCHANGE', {
    notify: NotifyType.INVALID_SYNTAX,
  })
}
