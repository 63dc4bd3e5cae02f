import { equalConstantTime } from '../../bytes/index.ts'
import { authData, idPayload } from '../auth/auth-payloads.ts'
import type { Gateway } from '../auth/gateway-identity.ts'
import { equalIdentities, identityMatches, isWildcard } from '../auth/identity.ts'
import { adoptPpk, discardPpk, ppkIdentity, ppkIdIn, ppkKeys } from '../auth/ppk.ts'
import { ChildOffer } from '../child/child-offer.ts'
import { AuthMethod, ExchangeType, encodeIdBody, NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import {
  explainAuthenticationFailed,
  explainNotResumed,
  explainPeerRefusedAuthentication,
  explainWrongIdentity,
} from '../explain/explain-auth.ts'
import { explainPeerNotify } from '../explain/explain-peer.ts'
import { explainNoPpk } from '../explain/explain-ppk.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { LastingKeys } from '../keys/keymat.ts'
import { initialContact, settleDuplicates } from '../life/ike-uniqueness.ts'
import { find, findErrorNotify, findNotify, need, notify } from '../message/notifies.ts'
import { mobikeAuthPayloads, noteMobikeSupport } from '../path/mobike.ts'
import { redirectIn } from '../redirect/redirect-payload.ts'
import { takeTicket, ticketRequest } from '../resumption/resumption.ts'
import { authMethodsPayload } from '../set-up/set-up.ts'
import type { ResponseMessage, Task } from '../task.ts'
import { askForPair } from './child-create.ts'
import { RejectPeer } from './ike-delete.ts'

/**
 * IKE_AUTH with pre-shared keys as initiator, with the first CHILD_SA or without any (RFC 6023), and with a PPK where both have
 * one (RFC 8784). RFC 7296 §1.2, §2.15.
 */
export class AuthInitiator implements Task {
  readonly name = 'IKE_AUTH'
  readonly exchangeType = ExchangeType.IKE_AUTH
  readonly alone = true
  readonly #sa: IkeSa
  readonly #offer: ChildOffer | undefined
  /** The keys with the PPK mixed in, until it is clear whether they are used. */
  #ppkKeys: LastingKeys | undefined
  #isRedirected = false

  /** `child` is undefined for an IKE_SA that is set up alone. */
  constructor(sa: IkeSa, child: ChildConfig | undefined) {
    this.#sa = sa
    this.#offer = child === undefined ? undefined : new ChildOffer(sa, child, true, { trigger: sa.trigger })
  }

  // HDR, SK {IDi, [N(INITIAL_CONTACT),] [IDr,] AUTH, [N(PPK_IDENTITY), N(NO_PPK_AUTH),] [SAi2, TSi, TSr]} -->
  buildRequest(): Payload[] {
    const { connection, setUp } = this.#sa
    const IDi = idPayload('IDi', connection.local.id)
    const wanted = connection.remote.id
    if (setUp?.ppk === true) this.#ppkKeys = ppkKeys(this.#sa, connection.ppk!)
    const data = this.#ownAuth(encodeIdBody(IDi), this.#ppkKeys)
    return [
      IDi,
      ...initialContact(this.#sa),
      ...(wanted === undefined || isWildcard(wanted) ? [] : [idPayload('IDr', wanted)]),
      { kind: 'AUTH', critical: false, method: AuthMethod.SHARED_KEY_MIC, data },
      ...this.#ppkPayloads(encodeIdBody(IDi)),
      ...(this.#offer === undefined ? [] : [this.#offer.saPayload(), ...this.#offer.termsPayloads()]),
      ...mobikeAuthPayloads(this.#sa, true),
      ...(setUp?.peerAuthMethods === undefined ? [] : [authMethodsPayload()]),
      ...ticketRequest(connection),
    ]
  }

  #ownAuth(idBody: Uint8Array, keys: LastingKeys | undefined): Uint8Array {
    return authData(this.#sa, this.#sa.connection.local.auth, 'initiator', idBody, keys)
  }

  /** Where we can do without the PPK, what proves us then stands beside. RFC 8784 §3. */
  #ppkPayloads(idBody: Uint8Array): Payload[] {
    const { ppk } = this.#sa.connection
    if (this.#ppkKeys === undefined || ppk === undefined) return []
    const without = ppk.required ? [] : [notify(NotifyType.NO_PPK_AUTH, this.#ownAuth(idBody, undefined))]
    return [ppkIdentity(ppk), ...without]
  }

  // <-- HDR, SK {IDr, AUTH, [N(PPK_IDENTITY),] [SAr2, TSi, TSr]} | SK {IDr, AUTH, N(child error)} | SK {IDr, AUTH, N(REDIRECT)} | SK {N(AUTHENTICATION_FAILED)}
  processResponse({ payloads }: ResponseMessage): 'done' | 'ignore' {
    const sa = this.#sa
    const AUTH = find(payloads, 'AUTH')
    if (sa.state === 'deleting') return this.#unwanted(AUTH !== undefined)
    const error = findErrorNotify(payloads)
    if (AUTH === undefined) return this.#refusedByPeer(error?.notify ?? NotifyType.AUTHENTICATION_FAILED)
    const IDr = need(payloads, 'IDr')
    const elsewhere = redirectIn(payloads)
    if (this.#offer !== undefined && error === undefined && elsewhere === undefined) need(payloads, 'SA')
    sa.remoteId = { type: IDr.idType, data: IDr.data.slice() }
    this.#settlePpk(payloads)
    const refusal = this.#judge(AUTH, encodeIdBody(IDr), payloads)
    if (refusal !== undefined) return this.#reject(refusal)
    if (elsewhere !== undefined) return this.#redirected(elsewhere.gateway)
    noteMobikeSupport(sa, payloads)
    sa.established()
    takeTicket(sa, payloads)
    if (this.#offer !== undefined) this.#finishChild(this.#offer, payloads, error?.notify)
    if (sa.state !== 'established') return 'done'
    sa.onEstablished?.()
    sa.onEstablished = undefined
    settleDuplicates(sa, findNotify(payloads, NotifyType.INITIAL_CONTACT) !== undefined)
    return 'done'
  }

  abandon(): void {
    this.#offer?.abandon()
    if (this.#ppkKeys !== undefined) discardPpk(this.#ppkKeys)
    this.#ppkKeys = undefined
  }

  /** Once only: while the address of a name is looked up, our request goes on and is answered in the same way. RFC 5685 §6. */
  #redirected(gateway: Gateway): 'done' | 'ignore' {
    const sa = this.#sa
    if (!this.#isRedirected) {
      this.#isRedirected = true
      sa.runtime.goElsewhere(sa, gateway)
    }
    if (sa.state === 'connecting') return 'ignore'
    this.abandon()
    return 'done'
  }

  /** The responder says by its own PPK_IDENTITY that it used the PPK. */
  #settlePpk(payloads: readonly Payload[]): void {
    if (this.#ppkKeys === undefined) return
    if (ppkIdIn(payloads) === undefined) discardPpk(this.#ppkKeys)
    else adoptPpk(this.#sa, this.#ppkKeys)
    this.#ppkKeys = undefined
  }

  /** The caller deleted the IKE_SA while this was under way: the DELETE that waits follows if the peer has one to delete. */
  #unwanted(hasPeer: boolean): 'done' {
    if (hasPeer) this.abandon()
    else this.#sa.close('local')
    return 'done'
  }

  #judge(
    AUTH: { readonly method: number; readonly data: Uint8Array },
    idBody: Uint8Array,
    payloads: readonly Payload[],
  ): Refusal | undefined {
    const sa = this.#sa
    const { connection } = sa
    const remoteId = sa.remoteId!
    if (!identityMatches(connection.remote.id, remoteId)) return explainWrongIdentity({ connection, remoteId })
    const { resumed } = sa
    if (resumed !== undefined && !equalIdentities(remoteId, resumed.remoteId))
      return explainNotResumed({ connection, remoteId, expected: resumed.remoteId })
    if (resumed === undefined && connection.ppk?.required === true && ppkIdIn(payloads) === undefined)
      return explainNoPpk({ connection, remoteId })
    const expected = authData(sa, connection.remote.auth, 'responder', idBody)
    const good = AUTH.method === AuthMethod.SHARED_KEY_MIC && equalConstantTime(expected, AUTH.data)
    if (resumed !== undefined && !good) return explainNotResumed({ connection, remoteId, expected: resumed.remoteId })
    return good ? undefined : explainAuthenticationFailed({ connection, remoteId, method: AUTH.method })
  }

  #reject(refusal: Refusal): 'done' {
    const sa = this.#sa
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    this.abandon()
    sa.delete('refused', refusal, new RejectPeer(sa, 'refused', refusal))
    return 'done'
  }

  #refusedByPeer(type: number): 'done' {
    const sa = this.#sa
    const refusal =
      type === NotifyType.AUTHENTICATION_FAILED
        ? explainPeerRefusedAuthentication({ connection: sa.connection, announced: sa.setUp?.peerAuthMethods })
        : explainPeerNotify(type, 'IKE_AUTH')
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.close('refused', refusal)
    return 'done'
  }

  #finishChild(offer: ChildOffer, payloads: readonly Payload[], error: number | undefined): void {
    const sa = this.#sa
    if (error === undefined) {
      const { Ni, Nr } = sa.init!
      offer.complete(payloads, offer.verify(payloads), { Ni, Nr, secrets: [] })
      return
    }
    if (askForPair(sa, offer.config, sa.trigger, error)) return offer.abandon()
    const refusal = offer.refused(error)
    // An IKE_SA that carries nothing is of no use to an initiator that wanted this CHILD_SA.
    if (sa.children.length === 0 && sa.isLastTask) sa.delete('refused', refusal)
  }
}
