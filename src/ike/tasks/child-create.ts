import { wipe } from '../../bytes/index.ts'
import type { KeyExchange } from '../../crypto/provider.ts'
import { PeerError } from '../../errors.ts'
import { acceptChild, ChildOffer, chooseChild } from '../child-negotiation.ts'
import { ExchangeType, NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { explainTooManyChildren, explainTooManyGroups } from '../explain-child.ts'
import { explainUnknownKeGroup } from '../explain-proposal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { NONCE_BYTES, peerNonce } from '../nonces.ts'
import { find, findErrorNotify, findNotify, invalidKePayload, need } from '../notifies.ts'
import { keGroupsOf } from '../proposal.ts'
import type { Refusal } from '../refusal.ts'
import type { ResponseMessage, Task } from '../task.ts'

/** How often INVALID_KE_PAYLOAD may ask for another group, so that a peer cannot alternate between two for ever. */
const MOST_TRIES = 5

/** CHILD_SAs that a peer may set up on one IKE_SA; each costs states, policies and an SPI. RFC 7296 §1.3. */
const MOST_CHILDREN = 64

/** A further CHILD_SA, with a key exchange of its own where the proposals ask for one (PFS). RFC 7296 §1.3.1. */
export class ChildCreate implements Task {
  readonly name = 'CREATE_CHILD_SA'
  readonly exchangeType = ExchangeType.CREATE_CHILD_SA
  readonly makes: ChildConfig
  readonly #sa: IkeSa
  readonly #offer: ChildOffer
  readonly #Ni: Uint8Array
  #keyExchange: KeyExchange | undefined
  #tries = 1

  constructor(sa: IkeSa, config: ChildConfig) {
    const { crypto, random } = sa.runtime
    this.#sa = sa
    this.makes = config
    this.#offer = new ChildOffer(sa, config, false)
    this.#Ni = random(NONCE_BYTES, 'nonce')
    const group = keGroupsOf(config.espProposals)[0]
    this.#keyExchange = group === undefined ? undefined : crypto.keyExchange(group, random)
  }

  // HDR, SK {SA, Ni, [KEi,] TSi, TSr} -->
  buildRequest(): Payload[] {
    const keyExchange = this.#keyExchange
    return [
      this.#offer.saPayload(),
      { kind: 'Nonce', critical: false, data: this.#Ni },
      ...(keyExchange === undefined ? [] : [kePayload(keyExchange.group, keyExchange.publicValue)]),
      ...this.#offer.tsPayloads(),
    ]
  }

  // <-- HDR, SK {SA, Nr, [KEr,] TSi, TSr} | SK {N(INVALID_KE_PAYLOAD)} | SK {N(error)}
  processResponse({ payloads }: ResponseMessage): 'done' | 'again' {
    const otherGroup = findNotify(payloads, NotifyType.INVALID_KE_PAYLOAD)
    if (otherGroup !== undefined) return this.#useGroup(otherGroup.data)
    const error = findErrorNotify(payloads)
    if (error !== undefined) {
      this.#keyExchange?.destroy()
      this.#offer.refused(error.notify)
      return 'done'
    }
    const suite = this.#offer.verify(payloads)
    const Nr = peerNonce(payloads, this.#sa.init!.suite.prf)
    const sharedSecret = this.#finishKe(suite.ke, payloads)
    try {
      this.#offer.complete(payloads, suite, {
        Ni: this.#Ni,
        Nr,
        ...(sharedSecret === undefined ? {} : { sharedSecret }),
      })
    } finally {
      wipe(sharedSecret)
    }
    return 'done'
  }

  abandon(): void {
    this.#keyExchange?.destroy()
    this.#offer.abandon()
  }

  #useGroup(data: Uint8Array): 'done' | 'again' {
    const { connection, runtime } = this.#sa
    const child = this.makes
    const group = data.length === 2 ? (data[0]! << 8) | data[1]! : 0
    if (!keGroupsOf(child.espProposals).includes(group) || group === this.#keyExchange?.group) {
      return this.#giveUp(explainUnknownKeGroup({ what: 'CHILD', connection, child, group }))
    }
    if (++this.#tries > MOST_TRIES) return this.#giveUp(explainTooManyGroups(child, MOST_TRIES))
    this.#keyExchange?.destroy()
    this.#keyExchange = runtime.crypto.keyExchange(group, runtime.random)
    return 'again'
  }

  #giveUp(refusal: Refusal): 'done' {
    this.#keyExchange?.destroy()
    this.#offer.giveUp(refusal)
    return 'done'
  }

  #finishKe(chosenGroup: number, payloads: readonly Payload[]): Uint8Array | undefined {
    const KEr = find(payloads, 'KE')
    const keyExchange = this.#keyExchange
    if (chosenGroup === 0) {
      keyExchange?.destroy()
      return undefined
    }
    if (keyExchange === undefined || KEr?.group !== chosenGroup || keyExchange.group !== chosenGroup) {
      throw new PeerError(
        'WRONG_KE_GROUP',
        `the chosen proposal has group ${chosenGroup}, KE has ${KEr?.group ?? 'none'}`,
        {
          notify: NotifyType.INVALID_SYNTAX,
        },
      )
    }
    const sharedSecret = keyExchange.finish(KEr.data)
    keyExchange.destroy()
    return sharedSecret
  }
}

/** CREATE_CHILD_SA as responder: a further CHILD_SA. Rekeying is declined. RFC 7296 §1.3. */
// <-- HDR, SK {SA, Ni, [KEi,] TSi, TSr}
export function answerCreateChild(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  if (sa.state !== 'established')
    throw new PeerError('BUSY', `the IKE_SA is ${sa.state}`, { notify: NotifyType.TEMPORARY_FAILURE })
  const isRekey = findNotify(payloads, NotifyType.REKEY_SA) !== undefined
  const isIke = need(payloads, 'SA').proposals.some(({ protocol }) => protocol === ProtocolId.IKE)
  if (isRekey || isIke) {
    throw new PeerError('NO_REKEY', 'the peer wants to rekey', { notify: NotifyType.NO_ADDITIONAL_SAS })
  }
  if (sa.children.length >= MOST_CHILDREN) throw tooManyChildren(sa)
  const { crypto, random } = sa.runtime
  const Ni = peerNonce(payloads, sa.init!.suite.prf)
  const choice = chooseChild(sa, payloads, false)
  const { ke } = choice.suite
  const KEi = find(payloads, 'KE')
  // HDR, SK {N(INVALID_KE_PAYLOAD)} -->
  if (ke !== 0 && KEi?.group !== ke) return [invalidKePayload(ke)]
  const answer = ke === 0 ? undefined : crypto.respondKeyExchange(ke, KEi!.data, random)
  const Nr = random(NONCE_BYTES, 'nonce')
  const sharedSecret = answer?.sharedSecret
  let accepted: ReturnType<typeof acceptChild>
  try {
    accepted = acceptChild(sa, choice, { Ni, Nr, ...(sharedSecret === undefined ? {} : { sharedSecret }) })
  } finally {
    wipe(sharedSecret)
  }
  // HDR, SK {SA, Nr, [KEr,] TSi, TSr} -->
  return [
    accepted.SA,
    { kind: 'Nonce', critical: false, data: Nr },
    ...(answer === undefined ? [] : [kePayload(ke, answer.publicValue)]),
    ...accepted.TS,
  ]
}

function tooManyChildren(sa: IkeSa): PeerError {
  const refusal = explainTooManyChildren(MOST_CHILDREN)
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
  return new PeerError('TOO_MANY_CHILDREN', refusal.message, {
    notify: NotifyType.NO_ADDITIONAL_SAS,
    explanation: refusal,
  })
}

const kePayload = (group: number, data: Uint8Array): Payload => ({ kind: 'KE', critical: false, group, data })
