import { equalBytes } from '../../bytes/index.ts'
import type { KeyExchange } from '../../crypto/provider.ts'
import { PeerError } from '../../errors.ts'
import type { Gateway } from '../auth/gateway-identity.ts'
import { ExchangeType, NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import { encapObstacle, explainPeerNotify } from '../explain/explain-peer.ts'
import { explainPeerRefusedProposal, explainUnknownKeGroup } from '../explain/explain-proposal.ts'
import { explainNotFollowed } from '../explain/explain-redirect.ts'
import type { Refusal } from '../explain/refusal.ts'
import { findPuzzle, PuzzleSolver } from '../gate/puzzle.ts'
import type { IkeSa } from '../ike-sa.ts'
import { beginIntermediate } from '../keys/intermediate.ts'
import { NONCE_BYTES, peerNonce } from '../keys/nonces.ts'
import { findErrorNotify, findNotify, need, notify } from '../message/notifies.ts'
import { encodeProposals, hasAdditionalKe, keGroupsOf, verifyChosen } from '../negotiation/proposal.ts'
import { detectNat, type NatFindings, natDetectionPayloads } from '../path/nat-detection.ts'
import { isStream } from '../path/streams.ts'
import { redirectIn } from '../redirect/redirect-payload.ts'
import { settleInit } from '../set-up/init-result.ts'
import { initNotifies } from '../set-up/peer-abilities.ts'
import { requestNotifies, setUpObstacle, setUpOf } from '../set-up/set-up.ts'
import type { ResponseMessage, Task, TaskResult } from '../task.ts'
import { IntermediateKe } from './intermediate.ts'

/** COOKIE and INVALID_KE_PAYLOAD may ask for another try this often, so that no peer keeps us busy. */
const MOST_TRIES = 5

/** Keys that are tried for a puzzle in one call: some milliseconds. */
const TRIES_AT_ONCE = 512

/** So long a better answer may follow one that refuses us. RFC 7296 §2.21.1. */
const DOUBT_MS = 1_000

/** IKE_SA_INIT as initiator, with its retries for COOKIE and INVALID_KE_PAYLOAD. RFC 7296 §1.2, §2.6. */
export class SaInit implements Task {
  readonly name = 'IKE_SA_INIT'
  readonly exchangeType = ExchangeType.IKE_SA_INIT
  readonly alone = true
  readonly #sa: IkeSa
  readonly #Ni: Uint8Array
  readonly #onSettled: () => void
  #keyExchange: KeyExchange
  #cookie: Uint8Array | undefined
  #solver: PuzzleSolver | undefined
  #tries = 1
  #isRedirected = false
  /** What an answer said that nobody has authenticated. */
  #doubted: Refusal | undefined

  /** `onSettled` runs when the keys are there: it enqueues IKE_AUTH. */
  constructor(sa: IkeSa, onSettled: () => void) {
    const { crypto, random } = sa.runtime
    this.#sa = sa
    this.#onSettled = onSettled
    this.#Ni = random(NONCE_BYTES, 'nonce')
    this.#keyExchange = crypto.keyExchange(keGroupsOf(sa.connection.ikeProposals)[0]!, random)
  }

  get isReady(): boolean {
    return this.#solver?.isOver ?? true
  }

  work(): void {
    this.#solver?.work(TRIES_AT_ONCE)
  }

  // HDR, [N(COOKIE), [PS]], SAi1, KEi, Ni, N(NAT_DETECTION_*) -->
  buildRequest(): Payload[] {
    const sa = this.#sa
    const spis = { SPIi: sa.SPIi, SPIr: new Uint8Array(8) }
    return [
      ...(this.#cookie === undefined ? [] : [notify(NotifyType.COOKIE, this.#cookie)]),
      ...this.#solution(),
      {
        kind: 'SA',
        critical: false,
        proposals: encodeProposals(sa.connection.ikeProposals, ProtocolId.IKE, new Uint8Array(0)),
      },
      { kind: 'KE', critical: false, group: this.#keyExchange.group, data: this.#keyExchange.publicValue },
      { kind: 'Nonce', critical: false, data: this.#Ni },
      ...natDetectionPayloads(sa.runtime.crypto, sa.connection.encap, spis, sa.path),
      ...(hasAdditionalKe(sa.connection.ikeProposals) ? [notify(NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED)] : []),
      ...initNotifies(sa.connection),
      ...requestNotifies(sa.connection, sa.redirectedFrom),
    ]
  }

  // <-- HDR, SAr1, KEr, Nr, N(NAT_DETECTION_*) | HDR, N(COOKIE), [N(PUZZLE)] | HDR, N(INVALID_KE_PAYLOAD) | HDR, N(REDIRECT) |
  //     HDR, N(error)
  // Every answer has message id 0, so that a late one to an earlier try looks like one to this: it asks for what we did.
  processResponse(response: ResponseMessage): TaskResult {
    const { payloads } = response
    const cookie = findNotify(payloads, NotifyType.COOKIE)
    if (cookie !== undefined) {
      if (!isCookie(cookie.data) || (this.#cookie !== undefined && equalBytes(cookie.data, this.#cookie)))
        return 'ignore'
      this.#cookie = cookie.data.slice()
      this.#solver = this.#solverFor(payloads, this.#cookie)
      return this.#again('COOKIE')
    }
    const elsewhere = redirectIn(payloads)
    if (elsewhere !== undefined) return this.#redirected(elsewhere)
    const otherGroup = findNotify(payloads, NotifyType.INVALID_KE_PAYLOAD)
    if (otherGroup !== undefined) return this.#useGroup(otherGroup.data)
    const error = findErrorNotify(payloads)
    if (error !== undefined) return this.#refused(error.notify)
    const nat = detectNat(
      this.#sa.runtime.crypto,
      payloads,
      { SPIi: this.#sa.SPIi, SPIr: response.SPIr },
      this.#sa.path,
    )
    const { connection, runtime } = this.#sa
    const setUp = setUpOf(connection, payloads)
    const obstacle =
      encapObstacle(connection, nat, runtime.xfrm.carriesPlainEsp === true) ?? setUpObstacle(connection, setUp)
    if (obstacle !== undefined) return this.#doubt(obstacle)
    this.#sa.setUp = setUp
    this.#settle(response, nat)
    this.#forgetDoubt()
    if (beginIntermediate(this.#sa)) this.#sa.enqueueNext(new IntermediateKe(this.#sa, this.#onSettled))
    else this.#onSettled()
    return 'done'
  }

  abandon(): void {
    this.#keyExchange.destroy()
  }

  #again(why: string): 'again' {
    if (++this.#tries > MOST_TRIES) {
      throw new PeerError('TOO_MANY_TRIES', `the peer answered IKE_SA_INIT ${MOST_TRIES} times with ${why}`)
    }
    this.#forgetDoubt()
    this.#sa.window.restart()
    return 'again'
  }

  /** The nonce shows that it comes from somebody who has seen our request. Once only: while the address of a name is looked up, our request goes on and is answered in the same way. */
  #redirected({ gateway, nonce }: { readonly gateway: Gateway; readonly nonce: Uint8Array }): 'ignore' {
    if (this.#isRedirected || !equalBytes(nonce, this.#Ni)) return 'ignore'
    const { connection, runtime } = this.#sa
    // Whoever has not asked for it cannot be sent elsewhere. RFC 5685 §3.
    if (!connection.redirect.follow) return this.#doubt(explainNotFollowed(connection, gateway))
    this.#isRedirected = true
    this.#forgetDoubt()
    runtime.goElsewhere(this.#sa, gateway)
    return 'ignore'
  }

  /** A puzzle that is not worth it to us is left alone: with the cookie we may be let in all the same. RFC 8019 §7.1.2. */
  #solverFor(payloads: readonly Payload[], cookie: Uint8Array): PuzzleSolver | undefined {
    const { connection, runtime } = this.#sa
    const puzzle = findPuzzle(payloads)
    if (puzzle === undefined || puzzle.difficulty > connection.puzzleBits) return undefined
    return new PuzzleSolver(runtime.crypto, puzzle, cookie)
  }

  #solution(): Payload[] {
    const data = this.#solver?.solution
    return data === undefined ? [] : [{ kind: 'PS', critical: false, data }]
  }

  #useGroup(data: Uint8Array): TaskResult {
    const { connection, runtime } = this.#sa
    const group = data.length === 2 ? (data[0]! << 8) | data[1]! : 0
    if (group === this.#keyExchange.group) return 'ignore'
    if (!keGroupsOf(connection.ikeProposals).includes(group)) {
      return this.#doubt(explainUnknownKeGroup({ what: 'IKE', connection, group }))
    }
    this.#keyExchange.destroy()
    this.#keyExchange = runtime.crypto.keyExchange(group, runtime.random)
    return this.#again('INVALID_KE_PAYLOAD')
  }

  #refused(type: number): 'ignore' {
    const { connection } = this.#sa
    return this.#doubt(
      type === NotifyType.NO_PROPOSAL_CHOSEN
        ? explainPeerRefusedProposal({ what: 'IKE', connection })
        : explainPeerNotify(type, 'IKE_SA_INIT'),
    )
  }

  /** Anybody who saw our request may have made this answer: it ends the attempt when no better one comes soon. RFC 7296 §2.21.1. */
  #doubt(refusal: Refusal): 'ignore' {
    const sa = this.#sa
    if (this.#doubted === undefined) sa.timers.set('doubt', sa.runtime.now + DOUBT_MS)
    this.#doubted = refusal
    sa.lastProblem = refusal.message
    // Whoever forges in a TCP connection has it to itself: no better answer can follow. RFC 9329 §6.4.
    if (isStream(sa.path)) this.believe()
    return 'ignore'
  }

  #forgetDoubt(): void {
    this.#doubted = undefined
    this.#sa.timers.clear('doubt')
  }

  unanswered(): boolean {
    this.believe()
    return this.#doubted !== undefined
  }

  /** No better answer came. */
  believe(): void {
    const sa = this.#sa
    const refusal = this.#doubted
    if (refusal === undefined) return
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.close('refused', refusal)
  }

  #settle({ payloads, message, SPIr }: ResponseMessage, nat: NatFindings): void {
    const sa = this.#sa
    const suite = verifyChosen(need(payloads, 'SA').proposals, sa.connection.ikeProposals, {
      protocol: ProtocolId.IKE,
      noIntermediate: findNotify(payloads, NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED) === undefined,
    })
    const KEr = need(payloads, 'KE')
    if (KEr.group !== suite.ke || KEr.group !== this.#keyExchange.group) {
      throw new PeerError('WRONG_KE_GROUP', `KE is of group ${KEr.group}, the chosen proposal of ${suite.ke}`)
    }
    if (SPIr.every((octet) => octet === 0)) throw new PeerError('ZERO_SPI', 'the responder chose SPI zero')
    const Nr = peerNonce(payloads, suite.prf).slice()
    sa.init = settleInit(sa.runtime, 'initiator', sa.SPIi, this.#keyExchange.finish(KEr.data), {
      SPIr: SPIr.slice(),
      Ni: this.#Ni,
      Nr,
      initRequest: sa.window.lastRequest!,
      initResponse: message.slice(),
      suite,
      natLocal: nat.natLocal,
      natRemote: nat.natRemote,
    })
    this.#keyExchange.destroy()
    sa.createdAt = sa.runtime.now
    if (nat.supported) floatToNatPorts(sa)
  }
}

/** 1 to 64 octets: nobody makes us send more back. RFC 7296 §2.6. */
export const isCookie = ({ length }: Uint8Array): boolean => length >= 1 && length <= 64

/** From here on IKE, and ESP that goes in UDP, use the NAT traversal ports: a peer that knows of them takes both anywhere. RFC 7296 §2.23. */
export function floatToNatPorts(sa: IkeSa): void {
  if (isStream(sa.path)) return
  const { local, remote } = sa.path
  const port = sa.runtime.ports.nat
  sa.path = {
    local: { address: local.address, port },
    // A peer that is reached at these ports already may have any behind its NAT.
    remote: local.port === port ? remote : { address: remote.address, port: sa.connection.remote.natPort },
  }
}
