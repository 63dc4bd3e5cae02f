import { equalBytes, wipe } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { ExchangeType, NotifyType, notifyName, type Payload } from '../codec/index.ts'
import { encapObstacle } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { NONCE_BYTES, peerNonce } from '../keys/nonces.ts'
import { findErrorNotify, findNotify, notify } from '../message/notifies.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import { detectNat, natDetectionPayloads } from '../path/nat-detection.ts'
import type { Resumable } from '../resumption/resumption.ts'
import { settleResumption } from '../set-up/init-result.ts'
import { initNotifies } from '../set-up/peer-abilities.ts'
import { resumedSetUp } from '../set-up/set-up.ts'
import type { ResponseMessage, Task, TaskResult } from '../task.ts'
import { floatToNatPorts, isCookie } from './sa-init.ts'

/** A ticket that is not taken is not worth minutes: the whole handshake follows. */
const MOST_RETRANSMISSIONS = 2

/**
 * IKE_SESSION_RESUME as initiator, in the place of IKE_SA_INIT: keys without a key exchange, from the session of the ticket. When
 * the responder does not take it, or says nothing, the whole handshake is made. RFC 5723 §4.3.
 */
export class SessionResume implements Task {
  readonly name = 'IKE_SESSION_RESUME'
  readonly exchangeType = ExchangeType.IKE_SESSION_RESUME
  readonly mostRetransmissions = MOST_RETRANSMISSIONS
  readonly #sa: IkeSa
  readonly #resumable: Resumable
  readonly #suite: ChosenProposal
  readonly #then: { readonly onSettled: () => void; readonly onRefused: () => void }
  readonly #Ni: Uint8Array
  #cookie: Uint8Array | undefined

  /** `suite` is the session's. `onSettled` enqueues IKE_AUTH, `onRefused` IKE_SA_INIT. */
  constructor(
    sa: IkeSa,
    resumable: Resumable,
    suite: ChosenProposal,
    then: { readonly onSettled: () => void; readonly onRefused: () => void },
  ) {
    this.#sa = sa
    this.#resumable = resumable
    this.#suite = suite
    this.#then = then
    this.#Ni = sa.runtime.random(NONCE_BYTES, 'nonce')
  }

  // HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE), N(NAT_DETECTION_*) -->
  buildRequest(): Payload[] {
    const { runtime, connection, path, SPIi } = this.#sa
    return [
      ...(this.#cookie === undefined ? [] : [notify(NotifyType.COOKIE, this.#cookie)]),
      { kind: 'Nonce', critical: false, data: this.#Ni },
      notify(NotifyType.TICKET_OPAQUE, this.#resumable.ticket),
      ...natDetectionPayloads(runtime.crypto, connection.encap, { SPIi, SPIr: new Uint8Array(8) }, path),
      ...initNotifies(connection),
    ]
  }

  // <-- HDR, Nr, N(NAT_DETECTION_*) | HDR, N(COOKIE) | HDR, N(TICKET_NACK) | HDR, N(error)
  processResponse(response: ResponseMessage): TaskResult {
    const { payloads } = response
    const cookie = findNotify(payloads, NotifyType.COOKIE)
    if (cookie !== undefined) {
      if (!isCookie(cookie.data)) return 'ignore'
      // The cookie that we have returned: the answer to the try before it came twice.
      if (this.#cookie !== undefined) return equalBytes(cookie.data, this.#cookie) ? 'ignore' : this.#refused('COOKIE')
      this.#cookie = cookie.data.slice()
      this.#sa.window.restart()
      return 'again'
    }
    if (findNotify(payloads, NotifyType.TICKET_NACK) !== undefined) return this.#refused('TICKET_NACK')
    const error = findErrorNotify(payloads)
    if (error !== undefined) return this.#refused(notifyName(error.notify))
    const { runtime, SPIi, path, connection } = this.#sa
    const nat = detectNat(runtime.crypto, payloads, { SPIi, SPIr: response.SPIr }, path)
    const obstacle = encapObstacle(connection, nat, runtime.xfrm.carriesPlainEsp === true)
    if (obstacle !== undefined) return this.#refused('no NAT traversal')
    this.#settle(response, nat)
    this.#then.onSettled()
    return 'done'
  }

  unanswered(): boolean {
    this.#refused('no answer')
    return true
  }

  abandon(): void {
    wipe(this.#resumable.session.SK_d)
  }

  #refused(why: string): 'done' {
    const sa = this.#sa
    sa.runtime.emit({ kind: 'ticket-refused', sa: sa.ref, why })
    this.abandon()
    sa.window.restart()
    this.#then.onRefused()
    return 'done'
  }

  #settle(
    { payloads, message, SPIr }: ResponseMessage,
    { natLocal, natRemote }: { readonly natLocal: boolean; readonly natRemote: boolean },
  ): void {
    const sa = this.#sa
    const { session } = this.#resumable
    if (SPIr.every((octet) => octet === 0)) throw new PeerError('ZERO_SPI', 'the responder chose SPI zero')
    sa.init = settleResumption(sa.runtime, 'initiator', sa.SPIi, session.SK_d, {
      SPIr: SPIr.slice(),
      Ni: this.#Ni,
      Nr: peerNonce(payloads, this.#suite.prf).slice(),
      initRequest: sa.window.lastRequest!,
      initResponse: message.slice(),
      suite: this.#suite,
      natLocal,
      natRemote,
    })
    sa.setUp = resumedSetUp(payloads)
    sa.hasPpk = session.ppk
    const { remoteId, eapIdentity, certificate, certificates, authenticatedAt } = session
    sa.resumed = { remoteId, eapIdentity, certificate, authenticatedAt: Math.min(authenticatedAt, sa.runtime.now) }
    sa.peerCertificates = certificates
    sa.createdAt = sa.runtime.now
    floatToNatPorts(sa)
  }
}
