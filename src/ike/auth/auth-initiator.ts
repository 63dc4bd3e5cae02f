import { equalConstantTime, wipe } from '../../bytes/index.ts'
import { exchange, type Flow } from '../asking/flow.ts'
import { AuthMethod, encodeIdBody, NotifyType, type Payload } from '../codec/index.ts'
import type { EapPeerAuth, Identity } from '../config.ts'
import { explainAuthenticationFailed, explainNotResumed, explainWrongIdentity } from '../explain/explain-auth.ts'
import { explainEap, explainNo, explainRounds } from '../explain/explain-methods.ts'
import { explainNoPpk } from '../explain/explain-ppk.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { LastingKeys } from '../keys/keymat.ts'
import { find, findNotify, need, notify } from '../message/notifies.ts'
import { authPayload, identityIn, idPayload, ownKey, sharedAuth } from './auth-payloads.ts'
import { type EapKey, eapAsPeer, refusedByPeer } from './eap-peer.ts'
import { equalIdentities, identityMatches, isWildcard } from './identity.ts'
import { ownIdBody, ownProof } from './own-proof.ts'
import { checkAuth } from './peer-auth.ts'
import { adoptPpk, discardPpk, ppkIdentity, ppkIdIn, ppkKeys } from './ppk.ts'
import { PeerProofs } from './proven-peer.ts'
import { Refused } from './refused.ts'
import { hasFurtherRounds, type LocalRound, localRounds, type RemoteRound, remoteRounds } from './rounds.ts'

/** What the first request holds beside our proof: what goes with the identity, and what asks for something. */
export interface FirstRequest {
  readonly early: readonly Payload[]
  readonly late: readonly Payload[]
}

interface EapOfOurs {
  readonly auth: EapPeerAuth
  readonly id: Identity
  /** The body of IDi. */
  readonly idBody: Uint8Array
}

/**
 * The initiator's side of proving each other, in as many IKE_AUTH exchanges as that takes: each end proves itself as often as
 * configured. Throws `Refused`. RFC 7296 §2.15, §2.16, RFC 4739, RFC 5998.
 */
export class AuthInitiator {
  readonly #sa: IkeSa
  readonly #ours: readonly LocalRound[]
  readonly #theirs: readonly RemoteRound[]
  readonly #proofs = new PeerProofs()
  #ownDone = 0
  /** The round that is under way, when it is EAP. */
  #eapRound: EapOfOurs | undefined
  /** The peer's last AUTH came with ANOTHER_AUTH_FOLLOWS. */
  #peerGoesOn = false
  /** Of both ends, one response earlier: a peer that announces a proof and sends none would go on for ever. */
  #proofsBefore = 0
  /** It is by the EAP that is under way that the peer proves itself in this round. RFC 5998. */
  #isEapOnly = false
  /** The body of the peer's IDr, and whom it names: a round without one goes on with the last. */
  #IDr: { readonly body: Uint8Array; readonly id: Identity } | undefined
  /** The keys with the PPK mixed in, until the answer to our first AUTH tells whether they are used. */
  #ppkKeys: LastingKeys | undefined

  constructor(sa: IkeSa) {
    this.#sa = sa
    const isResumed = sa.resumed !== undefined
    this.#ours = localRounds(sa.connection).slice(0, isResumed ? 1 : undefined)
    this.#theirs = remoteRounds(sa.connection).slice(0, isResumed ? 1 : undefined)
  }

  /** All proofs are good: gives the peer's last response. `sa.remoteId` and `sa.provenPeer` are set. */
  *prove(first: FirstRequest): Flow<readonly Payload[]> {
    try {
      let request = yield* this.#firstRequest(first)
      for (;;) {
        const response = yield* this.#round(yield* exchange(request))
        if (!this.#goesOn) {
          this.#sa.provenPeer = this.#proofs.of(this.#sa)
          return response
        }
        request = yield* this.#nextRequest()
      }
    } finally {
      if (this.#ppkKeys !== undefined) discardPpk(this.#ppkKeys)
    }
  }

  // HDR, SK {IDi, [CERT,] ..., [IDr,] [AUTH, [N(PPK_IDENTITY), N(NO_PPK_AUTH)],] ...} -->
  *#firstRequest({ early, late }: FirstRequest): Flow<Payload[]> {
    const { connection, setUp, resumed } = this.#sa
    if (this.#ours.length > 1 && setUp?.multipleAuth !== true) throw this.#wrongRounds(false)
    if (setUp?.ppk === true) this.#ppkKeys = ppkKeys(this.#sa, connection.ppk!)
    const { certificates, proof } = yield* this.#ownRound()
    const wanted = connection.remote.id
    const isEapOnly = resumed === undefined && connection.remote.auth.method === 'eap-only'
    return [
      idPayload('IDi', connection.local.id),
      ...certificates,
      ...early,
      ...(wanted === undefined || isWildcard(wanted) ? [] : [idPayload('IDr', wanted)]),
      ...proof,
      ...late,
      ...(isEapOnly ? [notify(NotifyType.EAP_ONLY_AUTHENTICATION)] : []),
      ...(setUp?.multipleAuth === true && hasFurtherRounds(connection)
        ? [notify(NotifyType.MULTIPLE_AUTH_SUPPORTED)]
        : []),
    ]
  }

  /** Our AUTH of the next round; none where EAP is to begin. */
  *#ownRound(): Flow<{ readonly certificates: readonly Payload[]; readonly proof: Payload[] }> {
    const round = this.#ours[this.#ownDone]!
    const { auth, id } = round
    const isEap = auth.method === 'eap' && this.#sa.resumed === undefined
    this.#eapRound = isEap ? { auth, id, idBody: ownIdBody('initiator', round) } : undefined
    if (isEap) return { certificates: [], proof: [] }
    const { certificates, AUTH } = yield* ownProof(this.#sa, 'initiator', round, this.#ppkKeys)
    const withoutPpk = this.#canDoWithoutPpk ? (yield* ownProof(this.#sa, 'initiator', round)).AUTH.data : undefined
    return { certificates, proof: [AUTH, ...this.#ownRoundOver(), ...this.#ppkPayloads(withoutPpk)] }
  }

  // [N(ANOTHER_AUTH_FOLLOWS)]
  #ownRoundOver(): Payload[] {
    this.#ownDone++
    return this.#ownDone < this.#ours.length ? [notify(NotifyType.ANOTHER_AUTH_FOLLOWS)] : []
  }

  get #canDoWithoutPpk(): boolean {
    return this.#ppkKeys !== undefined && this.#sa.connection.ppk?.required === false
  }

  /** Beside our first AUTH; `withoutPpk` is what proves us without the PPK, where we can do without it. RFC 8784 §3. */
  // [N(PPK_IDENTITY), [N(NO_PPK_AUTH)]]
  #ppkPayloads(withoutPpk: Uint8Array | undefined): Payload[] {
    if (this.#ppkKeys === undefined) return []
    const rest = withoutPpk === undefined ? [] : [notify(NotifyType.NO_PPK_AUTH, withoutPpk)]
    return [ppkIdentity(this.#sa.connection.ppk!), ...rest]
  }

  // HDR, SK {IDi, [CERT,] [AUTH, [N(ANOTHER_AUTH_FOLLOWS)]]} -->, or HDR, SK {} --> when only the peer goes on
  *#nextRequest(): Flow<Payload[]> {
    const round = this.#ours[this.#ownDone]
    this.#eapRound = undefined
    if (round === undefined) return []
    const { certificates, proof } = yield* this.#ownRound()
    return [idPayload('IDi', round.id), ...certificates, ...proof]
  }

  /** Takes the response to a request that began a round. Gives the one that ended it. */
  // <-- HDR, SK {[IDr, [CERT,] AUTH,] [EAP]}
  *#round(response: readonly Payload[]): Flow<readonly Payload[]> {
    const hasEap = find(response, 'EAP') !== undefined
    const isFirst = this.#IDr === undefined
    if (!hasEap && find(response, 'AUTH') === undefined && (isFirst || isRefusal(response)))
      throw refusedByPeer(this.#sa, response)
    this.#noteIdentity(response)
    const eap = this.#eapRound
    if (eap === undefined) this.#settlePpk(response)
    yield* this.#checkPeer(response, hasEap)
    if (hasEap && eap !== undefined) return yield* this.#eap(eap, response)
    if (!hasEap && eap === undefined) return response
    const problem = hasEap ? 'the peer asks for it, and we prove ourselves otherwise' : 'the peer did not begin it'
    const setting = `connections.${this.#sa.connection.name}.local.auth`
    throw new Refused(explainEap(this.#subject, problem, `${setting}: ${hasEap ? 'eap' : 'what the peer takes'}`))
  }

  // HDR, SK {AUTH, [N(ANOTHER_AUTH_FOLLOWS)]} --> <-- HDR, SK {AUTH, ...}, with the key of EAP
  *#eap(own: EapOfOurs, response: readonly Payload[]): Flow<readonly Payload[]> {
    const key = yield* eapAsPeer(this.#sa, own, response)
    try {
      return yield* this.#afterEap(own, key)
    } finally {
      if (key.msk !== undefined) wipe(key.msk)
    }
  }

  *#afterEap(own: EapOfOurs, { msk, mutual }: EapKey): Flow<readonly Payload[]> {
    const sa = this.#sa
    const isOnly = this.#isEapOnly
    const { name } = sa.connection
    if (isOnly && (msk === undefined || !mutual)) {
      const problem = `the method ${msk === undefined ? 'made no key' : 'did not prove the peer'}, and nothing else does`
      throw new Refused(
        explainEap(
          this.#subject,
          problem,
          `connections.${name}.remote.auth: pubkey, or a method of EAP that proves both ends`,
        ),
      )
    }
    const ours = (keys?: LastingKeys) =>
      sharedAuth(sa, msk ?? ownKey(sa, 'initiator', keys), 'initiator', own.idBody, keys)
    const AUTHi = authPayload(AuthMethod.SHARED_KEY_MIC, ours(this.#ppkKeys))
    const ppk = this.#ppkPayloads(this.#canDoWithoutPpk ? ours() : undefined)
    const last = yield* exchange([AUTHi, ...this.#ownRoundOver(), ...ppk])
    const AUTH = find(last, 'AUTH')
    if (AUTH === undefined) throw refusedByPeer(sa, last)
    this.#settlePpk(last)
    const expected = sharedAuth(sa, msk ?? ownKey(sa, 'responder'), 'responder', this.#IDr!.body)
    if (AUTH.method !== AuthMethod.SHARED_KEY_MIC || !equalConstantTime(expected, AUTH.data)) {
      const problem = "the peer's AUTH does not verify with the key that the method made"
      throw new Refused(
        explainEap(this.#subject, problem, 'somebody may stand between the two ends; else their methods of EAP differ'),
      )
    }
    if (isOnly) this.#proofs.add('eap-only')
    this.#peerGoesOn ||= goesOn(last)
    return last
  }

  get #subject() {
    return { connection: this.#sa.connection, remoteId: this.#sa.remoteId }
  }

  #noteIdentity(response: readonly Payload[]): void {
    if (find(response, 'IDr') === undefined && this.#IDr !== undefined) return
    const IDr = need(response, 'IDr')
    this.#IDr = { body: encodeIdBody(IDr).slice(), id: identityIn(IDr) }
    this.#sa.remoteId ??= this.#IDr.id
  }

  /** In the answer to our first AUTH the responder says by its own PPK_IDENTITY that it used the PPK. RFC 8784 §3. */
  #settlePpk(response: readonly Payload[]): void {
    const keys = this.#ppkKeys
    if (keys === undefined) return
    const isUsed = ppkIdIn(response) !== undefined
    if (!isUsed && !this.#canDoWithoutPpk) throw new Refused(explainNoPpk(this.#subject))
    this.#ppkKeys = undefined
    if (isUsed) adoptPpk(this.#sa, keys)
    else discardPpk(keys)
  }

  /** The peer's proof in this response, if it owes us one. */
  *#checkPeer(response: readonly Payload[], hasEap: boolean): Flow<void> {
    const sa = this.#sa
    const { connection, resumed } = sa
    const round = this.#theirs[this.#proofs.count]
    const AUTH = find(response, 'AUTH')
    this.#isEapOnly = hasEap && round?.auth.method === 'eap-only'
    // Later it may let us go on first.
    if (AUTH === undefined && !this.#isEapOnly && this.#proofs.count > 0) return
    if (round === undefined) throw this.#wrongRounds(true)
    const { body: idBody, id } = this.#IDr!
    const refusal = this.#misfit(round)
    if (refusal !== undefined) throw new Refused(refusal)
    this.#peerGoesOn = false
    // RFC 5998 §3: the method of EAP is to prove it, whether or not it does so besides.
    if (this.#isEapOnly) return
    const { auth } = round
    const failed = () => explainAuthenticationFailed({ connection, remoteId: id, method: AUTH?.method, auth })
    if (AUTH === undefined) throw new Refused(failed())
    this.#peerGoesOn = goesOn(response)
    const verdict = yield* checkAuth(sa, { connection, auth, id, idBody, side: 'responder' }, AUTH, response)
    if (verdict.good) return this.#proofs.add(resumed === undefined ? auth.method : 'resumption', verdict.certificate)
    if (verdict.no !== undefined) throw new Refused(explainNo(this.#subject, auth.method, verdict.no))
    throw new Refused(
      resumed === undefined ? failed() : explainNotResumed({ connection, remoteId: id, expected: resumed.remoteId }),
    )
  }

  #misfit(round: RemoteRound): Refusal | undefined {
    const { connection, resumed } = this.#sa
    const remoteId = this.#IDr!.id
    if (!identityMatches(round.id, remoteId)) return explainWrongIdentity({ connection, remoteId, expected: round.id })
    if (resumed !== undefined && !equalIdentities(remoteId, resumed.remoteId))
      return explainNotResumed({ connection, remoteId, expected: resumed.remoteId })
    return undefined
  }

  /** True when either end has to prove itself once more. */
  get #goesOn(): boolean {
    const haveMore = this.#ownDone < this.#ours.length
    const wantsMore = this.#proofs.count < this.#theirs.length
    const proofs = this.#ownDone + this.#proofs.count
    const isStuck = proofs === this.#proofsBefore
    this.#proofsBefore = proofs
    if (this.#peerGoesOn !== wantsMore || isStuck) throw this.#wrongRounds(true)
    return haveMore || wantsMore
  }

  #wrongRounds(canMore: boolean): Refused {
    const { length } = this.#theirs
    return new Refused(
      explainRounds({ ...this.#subject, done: Math.min(this.#proofs.count, length), ours: this.#theirs, canMore }),
    )
  }
}

const goesOn = (response: readonly Payload[]): boolean =>
  findNotify(response, NotifyType.ANOTHER_AUTH_FOLLOWS) !== undefined

/** Later rounds may be answered without a proof, and with what became of the CHILD_SA. */
const isRefusal = (response: readonly Payload[]): boolean =>
  refusals.some((type) => findNotify(response, type) !== undefined)

const refusals = [
  NotifyType.AUTHENTICATION_FAILED,
  NotifyType.INVALID_SYNTAX,
  NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
] as const
