import { PeerError } from '../../errors.ts'
import { ExchangeType, NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import { explainPeerNotify } from '../explain/explain-peer.ts'
import { explainPeerRefusedProposal } from '../explain/explain-proposal.ts'
import type { Refusal } from '../explain/refusal.ts'
import { IkeSa } from '../ike-sa.ts'
import { backOffMs } from '../life/ike-lifetime.ts'
import { rekeyingOf } from '../life/ike-rekeying.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import { type RekeyResult, settleRekey } from '../set-up/init-result.ts'
import type { ResponseMessage, Task, TaskResult } from '../task.ts'
import { CreateExchange, type CreateKeying } from './create-exchange.ts'

/** The peer is in the middle of something, or was before it came to our additional key exchanges. RFC 7296 §2.25, RFC 9370 §2.2.4. */
const busy: readonly number[] = [NotifyType.TEMPORARY_FAILURE, NotifyType.STATE_NOT_FOUND]

/** Replaces the keys of the IKE_SA: another one takes its place with all that it has. RFC 7296 §1.3.2, §2.8, §2.18. */
export class IkeRekey implements Task {
  readonly name = 'ike-rekey'
  readonly alone = true
  readonly #sa: IkeSa
  readonly #onRefused: (refusal: Refusal) => void
  #exchange: CreateExchange | undefined
  /** Of the new IKE_SA, until that has it. */
  #SPIi: Uint8Array | undefined

  /** `onRefused`: the peer takes no rekeying; TEMPORARY_FAILURE is not told, but asked again after a while. */
  constructor(sa: IkeSa, onRefused: (refusal: Refusal) => void) {
    this.#sa = sa
    this.#onRefused = onRefused
  }

  get exchangeType(): number {
    return this.#exchange?.exchangeType ?? ExchangeType.CREATE_CHILD_SA
  }

  // HDR, SK {SA, Ni, KEi} -->
  buildRequest(): Payload[] {
    rekeyingOf(this.#sa).oursBegins()
    return this.#begin().buildRequest()
  }

  // <-- HDR, SK {SA, Nr, KEr} | SK {N(INVALID_KE_PAYLOAD)} | SK {N(error)}
  processResponse(response: ResponseMessage): TaskResult {
    const outcome = this.#begin().processResponse(response)
    if (outcome.kind === 'again') return this.#again(outcome.nonces !== undefined)
    if (outcome.kind === 'agreed') this.#agreed(outcome.suite, outcome.keying)
    else if (outcome.kind === 'hopeless') this.#refused(outcome.refusal)
    else if (busy.includes(outcome.notify)) this.#postpone()
    else this.#refused(this.#explain(outcome.notify))
    this.abandon()
    return 'done'
  }

  abandon(): void {
    this.#exchange?.destroy()
    this.#exchange = undefined
    if (this.#SPIi !== undefined) this.#sa.runtime.releaseIkeSpi(this.#SPIi)
    this.#SPIi = undefined
    rekeyingOf(this.#sa).oursEnds()
  }

  #begin(): CreateExchange {
    if (this.#exchange !== undefined) return this.#exchange
    const { runtime, connection, init } = this.#sa
    this.#SPIi = runtime.takeIkeSpi()
    this.#exchange = new CreateExchange(this.#sa, {
      child: undefined,
      protocol: ProtocolId.IKE,
      proposals: connection.ikeProposals,
      spi: this.#SPIi,
      group: init!.suite.ke,
      before: [],
      after: [],
    })
    return this.#exchange
  }

  /** Where the peer has a rekeying of its own that we agreed to, we take that one, instead of asking for ours anew. */
  #again(isFollowUp: boolean): 'again' | 'done' {
    if (isFollowUp || !rekeyingOf(this.#sa).hasTheirs) return 'again'
    this.abandon()
    return 'done'
  }

  #agreed(suite: ChosenProposal, keying: CreateKeying): void {
    const SPIr = peerSpi(suite)
    const SPIi = this.#SPIi!
    this.#SPIi = undefined
    const next = makeSuccessor(this.#sa, 'initiator', keying.secrets, {
      SPIi,
      SPIr,
      Ni: keying.Ni.slice(),
      Nr: keying.Nr.slice(),
      suite,
    })
    rekeyingOf(this.#sa).oursMade(next, keying)
  }

  /** The peer is in the middle of something. RFC 7296 §2.25. */
  #postpone(): void {
    const sa = this.#sa
    const rekeying = rekeyingOf(sa)
    if (sa.state !== 'established' || rekeying.hasTheirs) return
    rekeying.busyTries++
    sa.timers.set('rekey', sa.runtime.now + backOffMs(rekeying.busyTries, sa.runtime.random))
  }

  #refused(refusal: Refusal): void {
    const sa = this.#sa
    if (sa.state !== 'established' || rekeyingOf(sa).hasTheirs) return
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, renewal: true })
    this.#onRefused(refusal)
  }

  #explain(type: number): Refusal {
    const { connection } = this.#sa
    return type === NotifyType.NO_PROPOSAL_CHOSEN
      ? explainPeerRefusedProposal({ what: 'IKE', connection })
      : explainPeerNotify(type, 'the rekeying of the IKE_SA')
  }
}

/** The IKE_SA that is to take the place of `old`, with everything that does not change while that is undecided. */
export function makeSuccessor(
  old: IkeSa,
  role: 'initiator' | 'responder',
  secrets: readonly Uint8Array[],
  result: RekeyResult,
): IkeSa {
  const { runtime, id, connection, path } = old
  const { abilities } = old
  const next = new IkeSa({ runtime, id, role, SPIi: result.SPIi, connection, path, state: 'undecided', abilities })
  next.fragmentBytes = old.fragmentBytes
  next.init = settleRekey(runtime, role, old.init!, secrets, result)
  next.remoteId = old.remoteId
  next.hasPpk = old.hasPpk
  next.tieBreak = old.tieBreak
  next.provenPeer = old.provenPeer
  next.peerCertificates = old.peerCertificates
  next.authenticatedAt = old.authenticatedAt
  next.beganAs = old.beganAs
  runtime.noteReady(next)
  return next
}

/** The SPI that the peer chose for its side of a new IKE_SA. Throws `PeerError`. RFC 7296 §3.3.1. */
export function peerSpi({ spi }: ChosenProposal): Uint8Array {
  if (spi.length === 8 && spi.some((octet) => octet !== 0)) return spi.slice()
  throw new PeerError('BAD_SPI', `an IKE SPI of ${spi.length} octets, or zero, in a rekeying (RFC 7296 §3.3.1)`, {
    notify: NotifyType.NO_PROPOSAL_CHOSEN,
  })
}
