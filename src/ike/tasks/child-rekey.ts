import { TransformType } from '../../crypto/transforms.ts'
import { spiBytes } from '../child/child-making.ts'
import { ChildOffer } from '../child/child-offer.ts'
import type { ChildSa } from '../child/child-sa.ts'
import { endChild, takeOver } from '../child/child-succession.ts'
import { ExchangeType, NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import type { ChildConfig, ProposalConfig } from '../config.ts'
import { explainNoRekey, explainNotNow, explainShrunk } from '../explain/explain-child.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { compareNonces } from '../keys/nonces.ts'
import { backOffMs } from '../life/ike-lifetime.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import { isSubset } from '../negotiation/traffic-selector.ts'
import type { ResponseMessage, Task, TaskResult } from '../task.ts'
import { ChildCreate } from './child-create.ts'
import { ChildDelete, isBeingDeleted, isUnwanted } from './child-delete.ts'
import { CreateExchange, type CreateOutcome } from './create-exchange.ts'

/** A peer that refused is asked again after a minute or less. */
const REFUSED_TRIES = 7

/** Begins to rekey a CHILD_SA, unless something about it is under way or waits, here or at the peer. */
export function startRekey(child: ChildSa): void {
  const { sa } = child
  child.rekeyDue = true
  if (sa.state !== 'established' || child.state !== 'installed' || child.theirRekey !== undefined) return
  if (sa.findTask(({ subject }) => subject === child) === undefined) sa.enqueue(new ChildRekey(child))
}

/** Makes a CHILD_SA in place of `subject`, with fresh keys, and deletes the old one. RFC 7296 §1.3.3, §2.8, §2.8.1, §2.25.1. */
export class ChildRekey implements Task {
  readonly name = 'child-rekey'
  readonly subject: ChildSa
  #offer: ChildOffer | undefined
  #exchange: CreateExchange | undefined

  constructor(old: ChildSa) {
    this.subject = old
  }

  get makes(): ChildConfig | undefined {
    const { agreement, worker } = this.subject
    return worker === undefined ? agreement!.config : undefined
  }

  get exchangeType(): number {
    return this.#exchange?.exchangeType ?? ExchangeType.CREATE_CHILD_SA
  }

  // HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr} -->
  buildRequest(): Payload[] {
    this.#exchange ??= this.#begin()
    return this.#exchange.buildRequest()
  }

  // <-- HDR, SK {SA, Nr, [KEr,] TSi, TSr} | SK {N(INVALID_KE_PAYLOAD)} | SK {N(error)}
  processResponse(response: ResponseMessage): TaskResult {
    const outcome = this.#exchange!.processResponse(response)
    if (outcome.kind === 'again' && this.#goesOn(outcome.nonces)) return 'again'
    if (outcome.kind === 'agreed') this.#agreed(outcome)
    else if (outcome.kind !== 'again') this.#refused(outcome)
    this.abandon()
    return 'done'
  }

  moveTo(sa: IkeSa): void {
    this.#offer?.moveTo(sa)
    this.#exchange?.moveTo(sa)
  }

  abandon(): void {
    this.#exchange?.destroy()
    this.#offer?.abandon()
    this.subject.rekeyEnded()
  }

  #begin(): CreateExchange {
    const { sa, spiIn, agreement } = this.subject
    const { config, suite, localTs, remoteTs } = agreement!
    this.subject.beingRekeyed = true
    const proposals = likelyFirst(config.espProposals, suite)
    const offer = new ChildOffer(sa, config, false, { proposals, as: { localTs, remoteTs } })
    this.#offer = offer
    const spi = spiBytes(spiIn)
    return new CreateExchange(sa, {
      child: config,
      protocol: ProtocolId.ESP,
      proposals: offer.proposals,
      spi: offer.spi,
      group: suite.ke,
      before: [
        {
          kind: 'N',
          critical: false,
          protocol: ProtocolId.ESP,
          spi,
          notify: NotifyType.REKEY_SA,
          data: new Uint8Array(0),
        },
      ],
      after: offer.termsPayloads(),
    })
  }

  #agreed({ payloads, suite, keying }: Extract<CreateOutcome, { kind: 'agreed' }>): void {
    const old = this.subject
    const offer = this.#offer!
    const selectors = offer.terms(payloads)
    if (selectors === undefined) return this.#madeInVain(REFUSED_TRIES)
    if (offer.isDeletedEarly(suite)) return this.#madeInVain(++old.busyTries)
    const { localTs, remoteTs } = old.agreement!
    const shrunk = !isSubset(localTs, selectors.localTs) || !isSubset(remoteTs, selectors.remoteTs)
    const isRedundant = shrunk || this.#loses(keying) || isUnwanted(old)
    const made = offer.install(selectors, suite, keying, { sends: !isRedundant, replaces: old })
    // RFC 7296 §2.8.1: each side deletes what its own exchange made for nothing; the winner deletes the old one as well.
    if (!isRedundant) return this.#succeeded(made)
    made.sa.enqueueNext(new ChildDelete(made))
    if (shrunk && !this.#isSettled()) this.#failed(explainShrunk(made.sa.connection, offer.config, selectors))
  }

  /** The next request: another group, which is not worth it when the peer rekeys as well, or an additional key exchange. */
  #goesOn(nonces: Nonces | undefined): boolean {
    const theirs = this.subject.theirRekey
    return theirs === undefined || (nonces !== undefined && !this.#loses(nonces))
  }

  #succeeded(made: ChildSa): void {
    const old = this.subject
    const inUse = old.theirRekey?.child
    takeOver(made, inUse?.announced === true ? inUse : old)
    if (!old.isAlive) return
    old.rekeyedBy(made)
    if (!isBeingDeleted(old)) made.sa.enqueueNext(new ChildDelete(old))
  }

  /** The lowest of the four nonces decides against the exchange in which it was. */
  #loses({ Ni, Nr }: Nonces): boolean {
    const theirs = this.subject.theirRekey
    return theirs !== undefined && compareNonces(lower(Ni, Nr), lower(theirs.Ni, theirs.Nr)) < 0
  }

  /** The peer has deleted what it just made, or is to do so. */
  #madeInVain(tries: number): void {
    if (!this.#isSettled()) this.#retry(tries)
  }

  /** True when our failure is of no consequence: the peer rekeys or has deleted it, or we are about to delete it. */
  #isSettled(): boolean {
    const { state, theirRekey } = this.subject
    return state !== 'installed' || theirRekey !== undefined || isUnwanted(this.subject)
  }

  #refused(outcome: Extract<CreateOutcome, { kind: 'refused' | 'hopeless' }>): void {
    const old = this.subject
    const { sa } = old
    const { config } = this.#offer!
    if (this.#isSettled()) return
    if (outcome.kind === 'hopeless') return this.#failed(outcome.refusal)
    switch (outcome.notify) {
      // RFC 7296 §2.25: the peer has lost it, so that nothing is left to replace.
      case NotifyType.CHILD_SA_NOT_FOUND:
        // The one for all carries its packets, and the next of them asks for another.
        if (old.worker !== undefined) return endChild(old, 'peer')
        return sa.enqueueNext(new ChildCreate(sa, config, { inPlaceOf: old }))
      case NotifyType.TEMPORARY_FAILURE: {
        const delayMs = this.#retry(++this.subject.busyTries)
        this.#tell(explainNotNow(config, delayMs))
        return
      }
      // RFC 7296 §1.3: the peer will not take another SA on this IKE_SA, now or later, but on a new one.
      case NotifyType.NO_ADDITIONAL_SAS:
        if (sa.replacement === undefined) sa.timers.set('reauth', sa.runtime.now)
        return this.#tell(explainNoRekey(sa.connection, config))
      default:
        return this.#failed(this.#offer!.explain(outcome.notify))
    }
  }

  #failed(refusal: Refusal): void {
    this.#tell(refusal)
    this.#retry(REFUSED_TRIES)
  }

  #tell(refusal: Refusal): void {
    const { sa } = this.subject
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: this.#offer!.config.name })
  }

  /** As a peer that is busy for the `tries`-th time is asked, until the hard limit ends it. Returns the ms until then. */
  #retry(tries: number): number {
    const old = this.subject
    const { runtime, childTimers } = old.sa
    const delayMs = backOffMs(tries, runtime.random)
    childTimers.set(old, runtime.now + delayMs)
    return delayMs
  }
}

type Nonces = { readonly Ni: Uint8Array; readonly Nr: Uint8Array }

const lower = (a: Uint8Array, b: Uint8Array): Uint8Array => (compareNonces(a, b) < 0 ? a : b)

/** Proposals with the transforms in use come first: the peer takes them. RFC 7296 §2.8. */
function likelyFirst(proposals: readonly ProposalConfig[], { encr, keyBits, integ }: ChosenProposal): ProposalConfig[] {
  const fits = ({ transforms }: ProposalConfig): boolean =>
    transforms.some(
      (one) => one.type === TransformType.ENCR && one.id === encr && (one.keyBits ?? keyBits) === keyBits,
    ) &&
    (integ === 0 || transforms.some((one) => one.type === TransformType.INTEG && one.id === integ))
  return [...proposals].sort((a, b) => Number(fits(b)) - Number(fits(a)))
}
