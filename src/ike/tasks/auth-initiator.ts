import { equalConstantTime } from '../../bytes/index.ts'
import { authData, idPayload } from '../auth-payloads.ts'
import { ChildOffer } from '../child-negotiation.ts'
import { AuthMethod, ExchangeType, encodeIdBody, NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { explainAuthenticationFailed, explainPeerRefusedAuthentication, explainWrongIdentity } from '../explain-auth.ts'
import { explainPeerNotify } from '../explain-peer.ts'
import { identityMatches, isWildcard } from '../identity.ts'
import type { IkeSa } from '../ike-sa.ts'
import { mobikeAuthPayloads, noteMobikeSupport } from '../mobike.ts'
import { find, findErrorNotify, need } from '../notifies.ts'
import type { Refusal } from '../refusal.ts'
import type { ResponseMessage, Task } from '../task.ts'
import { RejectPeer } from './ike-delete.ts'

/** IKE_AUTH with pre-shared keys as initiator, with the first CHILD_SA. RFC 7296 §1.2, §2.15. */
export class AuthInitiator implements Task {
  readonly name = 'IKE_AUTH'
  readonly exchangeType = ExchangeType.IKE_AUTH
  readonly alone = true
  readonly #sa: IkeSa
  readonly #offer: ChildOffer

  constructor(sa: IkeSa, child: ChildConfig) {
    this.#sa = sa
    this.#offer = new ChildOffer(sa, child, true)
  }

  // HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr} -->
  buildRequest(): Payload[] {
    const { connection } = this.#sa
    const IDi = idPayload('IDi', connection.local.id)
    const wanted = connection.remote.id
    const data = authData(this.#sa, connection.local.auth.secret, 'initiator', encodeIdBody(IDi))
    return [
      IDi,
      ...(wanted === undefined || isWildcard(wanted) ? [] : [idPayload('IDr', wanted)]),
      { kind: 'AUTH', critical: false, method: AuthMethod.SHARED_KEY_MIC, data },
      this.#offer.saPayload(),
      ...this.#offer.tsPayloads(),
      ...mobikeAuthPayloads(this.#sa, true),
    ]
  }

  // <-- HDR, SK {IDr, AUTH, SAr2, TSi, TSr} | SK {IDr, AUTH, N(child error)} | SK {N(AUTHENTICATION_FAILED)}
  processResponse({ payloads }: ResponseMessage): 'done' {
    const sa = this.#sa
    const AUTH = find(payloads, 'AUTH')
    if (sa.state === 'deleting') return this.#unwanted(AUTH !== undefined)
    const error = findErrorNotify(payloads)
    if (AUTH === undefined) return this.#refusedByPeer(error?.notify ?? NotifyType.AUTHENTICATION_FAILED)
    const IDr = need(payloads, 'IDr')
    sa.remoteId = { type: IDr.idType, data: IDr.data.slice() }
    const refusal = this.#judge(AUTH, encodeIdBody(IDr))
    if (refusal !== undefined) return this.#reject(refusal)
    noteMobikeSupport(sa, payloads)
    sa.established()
    this.#finishChild(payloads, error?.notify)
    return 'done'
  }

  abandon(): void {
    this.#offer.abandon()
  }

  /** The caller deleted the IKE_SA while this was under way: the DELETE that waits follows if the peer has one to delete. */
  #unwanted(hasPeer: boolean): 'done' {
    if (hasPeer) this.abandon()
    else this.#sa.close('local')
    return 'done'
  }

  #judge(AUTH: { readonly method: number; readonly data: Uint8Array }, idBody: Uint8Array): Refusal | undefined {
    const sa = this.#sa
    const { connection } = sa
    const remoteId = sa.remoteId!
    if (!identityMatches(connection.remote.id, remoteId)) return explainWrongIdentity({ connection, remoteId })
    const expected = authData(sa, connection.remote.auth.secret, 'responder', idBody)
    const good = AUTH.method === AuthMethod.SHARED_KEY_MIC && equalConstantTime(expected, AUTH.data)
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
        ? explainPeerRefusedAuthentication({ connection: sa.connection })
        : explainPeerNotify(type, 'IKE_AUTH')
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.close('refused', refusal)
    return 'done'
  }

  #finishChild(payloads: readonly Payload[], error: number | undefined): void {
    const sa = this.#sa
    if (error === undefined) {
      const { Ni, Nr } = sa.init!
      this.#offer.complete(payloads, this.#offer.verify(payloads), { Ni, Nr, secrets: [] })
      return
    }
    const refusal = this.#offer.refused(error)
    // An IKE_SA that carries nothing is of no use to an initiator that wanted this CHILD_SA.
    if (sa.children.length === 0 && sa.isLastTask) sa.delete('refused', refusal)
  }
}
