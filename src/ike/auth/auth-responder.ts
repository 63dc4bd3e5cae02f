import { exchange, type Flow } from '../asking/flow.ts'
import { encodeIdBody, NotifyType, type Payload } from '../codec/index.ts'
import { explainAuthenticationFailed, explainWrongIdentity } from '../explain/explain-auth.ts'
import { explainNo, explainRounds } from '../explain/explain-methods.ts'
import { explainNoPpk } from '../explain/explain-ppk.ts'
import type { IkeSa } from '../ike-sa.ts'
import { find, findNotify, need, notify } from '../message/notifies.ts'
import { identityIn, idPayload } from './auth-payloads.ts'
import { type EapRound, eapAsServer } from './eap-server.ts'
import { identityMatches } from './identity.ts'
import { ownIdBody, ownProof } from './own-proof.ts'
import { checkAuth } from './peer-auth.ts'
import { adoptPpk } from './ppk.ts'
import { explainUnproven, type Proof, provePeer, type Unproven } from './prove-peer.ts'
import { PeerProofs } from './proven-peer.ts'
import { Refused } from './refused.ts'
import { connectionsOfIdentity, connectionsOfMethod } from './responder-choice.ts'
import { type LocalRound, localRounds, type RemoteRound, remoteRounds } from './rounds.ts'

/** What the peer sent last, and what we say to it. */
interface Turn {
  readonly request: readonly Payload[]
  readonly response: Payload[]
}

/**
 * The responder's side of proving each other, from the peer's first IKE_AUTH request on: the peer's identity and the way in which it
 * proves itself choose the connection; each end proves itself as often as configured. Throws `Refused`. RFC 7296 §2.15, §2.16, RFC 4739.
 */
export class AuthResponder {
  readonly #sa: IkeSa
  readonly #first: readonly Payload[]
  readonly #proofs = new PeerProofs()
  /** Our rounds that are over. */
  #ownDone = 0

  constructor(sa: IkeSa, first: readonly Payload[]) {
    this.#sa = sa
    this.#first = first
  }

  /** All proofs are good: the peer's last request, and what of the response proves us. `sa.connection` and `sa.provenPeer` are set. */
  *prove(): Flow<Turn> {
    let turn = yield* this.#firstRound()
    while (this.#goesOn(turn.request)) turn = yield* this.#furtherRound(yield* exchange(turn.response))
    this.#sa.provenPeer = this.#proofs.of(this.#sa)
    return turn
  }

  get #theirs(): readonly RemoteRound[] {
    const rounds = remoteRounds(this.#sa.connection)
    return this.#sa.resumed === undefined ? rounds : rounds.slice(0, 1)
  }

  get #ours(): readonly LocalRound[] {
    const rounds = localRounds(this.#sa.connection)
    return this.#sa.resumed === undefined ? rounds : rounds.slice(0, 1)
  }

  // <-- HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] [AUTH,] ...}
  *#firstRound(): Flow<Turn> {
    const sa = this.#sa
    const request = this.#first
    const fitting = connectionsOfIdentity(sa, request)
    const usable = connectionsOfMethod(sa, fitting, request)
    const IDi = need(request, 'IDi')
    const idBody = encodeIdBody(IDi)
    sa.connection = usable[0]!
    if (find(request, 'AUTH') === undefined) return yield* this.#eap(request, idBody)
    const tried: Unproven[] = []
    for (const connection of usable) {
      const proof = yield* provePeer(sa, connection, request, idBody)
      if ('no' in proof) {
        tried.push(proof)
        continue
      }
      sa.connection = connection
      return yield* this.#proved(proof, request)
    }
    throw new Refused(explainUnproven(sa, sa.connection, request, idBody, tried[0]!))
  }

  // HDR, SK {IDr, [CERT,] AUTH, [N(PPK_IDENTITY)]} -->
  *#proved({ ppkKeys, certificate }: Proof, request: readonly Payload[]): Flow<Turn> {
    const sa = this.#sa
    if (ppkKeys !== undefined) adoptPpk(sa, ppkKeys)
    if (sa.resumed === undefined) this.#proofs.add(sa.connection.remote.auth.method, certificate)
    else this.#proofs.addResumption(sa.resumed, certificate)
    const response = yield* this.#ownRound()
    return { request, response: ppkKeys === undefined ? response : [...response, notify(NotifyType.PPK_IDENTITY)] }
  }

  /** True when either end has to prove itself once more. */
  #goesOn(request: readonly Payload[]): boolean {
    const sa = this.#sa
    const theirs = this.#theirs
    const goesOn = findNotify(request, NotifyType.ANOTHER_AUTH_FOLLOWS) !== undefined
    const wantsMore = this.#proofs.count < theirs.length
    const haveMore = this.#ownDone < this.#ours.length
    const canMore = sa.setUp?.multipleAuth === true
    if (goesOn !== wantsMore || (haveMore && !canMore)) {
      const subject = { connection: sa.connection, remoteId: sa.remoteId }
      throw new Refused(
        explainRounds({ ...subject, done: this.#proofs.count, ours: theirs, canMore: canMore || goesOn }),
      )
    }
    return goesOn || haveMore
  }

  // <-- HDR, SK {IDi, [CERT,] [AUTH]} or SK {}
  *#furtherRound(request: readonly Payload[]): Flow<Turn> {
    const sa = this.#sa
    const round = this.#theirs[this.#proofs.count]
    if (round === undefined) return { request, response: yield* this.#ownRound() }
    const { connection } = sa
    const IDi = need(request, 'IDi')
    const id = identityIn(IDi)
    const { auth } = round
    if (!identityMatches(round.id, id))
      throw new Refused(explainWrongIdentity({ connection, remoteId: id, expected: round.id }))
    const AUTH = find(request, 'AUTH')
    const idBody = encodeIdBody(IDi)
    if (AUTH === undefined && auth.method === 'eap') return yield* this.#eap(request, idBody)
    const failed = () => explainAuthenticationFailed({ connection, remoteId: id, method: AUTH?.method, auth })
    if (AUTH === undefined) throw new Refused(failed())
    const verdict = yield* checkAuth(sa, { connection, auth, id, idBody, side: 'initiator' }, AUTH, request)
    if (!verdict.good) {
      const { no } = verdict
      throw new Refused(no === undefined ? failed() : explainNo({ connection, remoteId: id }, auth.method, no))
    }
    this.#proofs.add(auth.method, verdict.certificate)
    return { request, response: yield* this.#ownRound() }
  }

  *#eap(request: readonly Payload[], idBody: Uint8Array): Flow<Turn> {
    const sa = this.#sa
    const { auth } = this.#theirs[this.#proofs.count]!
    if (auth.method !== 'eap')
      throw new Refused(
        explainAuthenticationFailed({ connection: sa.connection, remoteId: sa.remoteId!, method: undefined, auth }),
      )
    const isFirst = this.#proofs.count === 0
    // Which PPK the peer uses is known when it is over; that it uses none, before. RFC 8784 §3.
    if (isFirst && sa.connection.ppk?.required === true && sa.setUp?.ppk !== true)
      throw new Refused(explainNoPpk({ connection: sa.connection, remoteId: sa.remoteId }))
    const own = this.#ours[Math.min(this.#ownDone, this.#ours.length - 1)]!
    const isOnly = own.auth.method === 'eap-only' && this.#ownDone < this.#ours.length
    const begin = yield* this.#ownRound(true)
    const round: EapRound = {
      ...{ auth, idBody, isOnly, isFirst },
      id: identityIn(need(request, 'IDi')),
      ownIdBody: ownIdBody('responder', own),
    }
    const { request: last, response, success } = yield* eapAsServer(sa, round, begin)
    this.#proofs.addEap(success)
    return { request: last, response: isOnly ? [...response, ...this.#announced()] : response }
  }

  /** What proves us in this exchange: nothing when we have proved ourselves as often as configured. */
  // HDR, SK {IDr, [CERT,] AUTH, [N(ANOTHER_AUTH_FOLLOWS)]} -->
  *#ownRound(isEap = false): Flow<Payload[]> {
    const round = this.#ours[this.#ownDone]
    if (round === undefined) return []
    this.#ownDone++
    const IDr = idPayload('IDr', round.id)
    // RFC 5998 §3: what EAP makes will prove us.
    if (round.auth.method === 'eap-only' && isEap) return [IDr]
    const { certificates, AUTH } = yield* ownProof(this.#sa, 'responder', round)
    return [IDr, ...certificates, AUTH, ...this.#announced()]
  }

  // [N(ANOTHER_AUTH_FOLLOWS)]
  #announced(): Payload[] {
    return this.#ownDone < this.#ours.length ? [notify(NotifyType.ANOTHER_AUTH_FOLLOWS)] : []
  }
}
