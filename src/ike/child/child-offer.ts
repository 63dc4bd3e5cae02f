import { PeerError } from '../../errors.ts'
import { NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import type { ChildConfig, ProposalConfig } from '../config.ts'
import {
  isDynamic,
  type ResolvedSelectors,
  resolvedSelectors,
  selectorsToOffer,
} from '../config-payload/dynamic-selectors.ts'
import { explainAddressRequired, explainNoAddress } from '../explain/explain-address.ts'
import { explainBusy, explainDeletedEarly, explainStateLost } from '../explain/explain-child.ts'
import { explainPeerNotify, explainProtocolError } from '../explain/explain-peer.ts'
import { explainPeerRefusedProposal } from '../explain/explain-proposal.ts'
import { explainPeerRefusedTs, explainPeerWantsPairs } from '../explain/explain-ts.ts'
import { explainWorkerRefused } from '../explain/explain-workers.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { need } from '../message/notifies.ts'
import { type ChosenProposal, encodeProposals, verifyChosen, withoutKe } from '../negotiation/proposal.ts'
import { isSubset, knownTrafficSelectors, narrow, toTrafficSelector } from '../negotiation/traffic-selector.ts'
import { ChildDelete } from '../tasks/child-delete.ts'
import type { CreateKeying } from '../tasks/create-exchange.ts'
import type { WorkerWish } from './child-agreement.ts'
import { childKeys, freeOutboundSpi, spiBytes, spiOf } from './child-making.ts'
import { ChildSa } from './child-sa.ts'
import { copySelectors, mostPairs, selectsNothing } from './child-selectors.ts'
import { announce } from './child-succession.ts'
import { type ChildTerms, offeredSelectors, type Trigger, termsOfAnswer, termsOffered } from './child-terms.ts'
import { transportView } from './transport-nat.ts'

/** An initiator's offer of one CHILD_SA, in IKE_AUTH or CREATE_CHILD_SA. */
export class ChildOffer {
  readonly config: ChildConfig
  readonly proposals: readonly ProposalConfig[]
  #sa: IkeSa
  readonly #child: ChildSa

  readonly #trigger: Trigger | undefined
  /** The one that is rekeyed. */
  readonly #as: ResolvedSelectors | undefined
  /** What was offered; undefined before. */
  #offered: ResolvedSelectors | undefined
  readonly #inAuth: boolean
  readonly #worker: number | undefined

  /**
   * `inAuth`: the keys come from the IKE_SA, so no key exchange is offered (RFC 7296 §1.2). `proposals` are the configured
   * ones, perhaps in another order. `as`: the selectors of the CHILD_SA that is rekeyed. `wish`: it is for one worker.
   */
  constructor(
    sa: IkeSa,
    config: ChildConfig,
    inAuth: boolean,
    {
      proposals = config.espProposals,
      trigger,
      as,
      wish,
    }: {
      proposals?: readonly ProposalConfig[]
      trigger?: Trigger | undefined
      as?: ResolvedSelectors
      wish?: WorkerWish | undefined
    } = {},
  ) {
    this.config = config
    this.#sa = sa
    this.#trigger = trigger
    this.#as = as ?? wish?.like
    this.#worker = wish?.worker
    this.#inAuth = inAuth
    this.#child = new ChildSa(sa)
    this.proposals = inAuth ? proposals.map(withoutKe) : proposals
  }

  /** The IKE_SA was rekeyed before this began. */
  moveTo(sa: IkeSa): void {
    this.#sa = sa
    this.#child.moveTo(sa)
  }

  /** Our inbound SPI, four octets. */
  get spi(): Uint8Array {
    return spiBytes(this.#child.spiIn)
  }

  saPayload(): Payload {
    return { kind: 'SA', critical: false, proposals: encodeProposals(this.proposals, ProtocolId.ESP, this.spi) }
  }

  // [N(USE_TRANSPORT_MODE),] TSi, TSr
  termsPayloads(): Payload[] {
    const as = this.#as
    // RFC 9611 §4: just the same traffic. In transport mode the addresses are those of the path, and each end has its own view.
    const isSame = this.#worker !== undefined && this.config.mode === 'tunnel' && as !== undefined
    this.#offered = isSame ? as : selectorsToOffer(this.#sa, this.config, as)
    const { localTs, remoteTs } = offeredSelectors({ ...this.config, ...this.#offered }, this.#trigger)
    return [
      ...termsOffered(this.config, this.#worker),
      { kind: 'TSi', critical: false, selectors: localTs.map(toTrafficSelector) },
      { kind: 'TSr', critical: false, selectors: remoteTs.map(toTrafficSelector) },
    ]
  }

  /** What the responder of IKE_AUTH chose; throws `PeerError` when it is not in our offer. */
  verify(payloads: readonly Payload[]): ChosenProposal {
    return verifyChosen(need(payloads, 'SA').proposals, this.proposals, { protocol: ProtocolId.ESP })
  }

  /** Installs the CHILD_SA of a good answer, and tells it. */
  complete(payloads: readonly Payload[], suite: ChosenProposal, keying: CreateKeying): void {
    if (this.isDeletedEarly(suite)) {
      this.giveUp(explainDeletedEarly(this.config))
      return
    }
    const terms = this.terms(payloads)
    if (terms !== undefined) announce(this.install(terms, suite, keying))
  }

  /**
   * What an answer agrees to. Undefined when its traffic selectors are outside our offer: that is told, and costs the CHILD_SA alone,
   * which the peer has installed by now. RFC 7296 §2.9.
   */
  terms(payloads: readonly Payload[]): ChildTerms | undefined {
    const offered = this.#offered ?? this.config
    const agreed = termsOfAnswer(this.config, payloads)
    const transport = agreed.mode === 'transport' ? transportView(this.#sa, payloads, 'initiator') : undefined
    const TSi = transport?.TSi ?? knownTrafficSelectors(need(payloads, 'TSi').selectors)
    const TSr = transport?.TSr ?? knownTrafficSelectors(need(payloads, 'TSr').selectors)
    const chosenTs = copySelectors(TSi)
    // What is meant for our virtual address may be wider than it: others' packets are none of ours.
    const { localTs: ownTs } = resolvedSelectors(this.#sa, this.config, this.#as)
    const localTs = isDynamic(this.config) ? copySelectors(narrow(chosenTs.map(toTrafficSelector), ownTs)) : chosenTs
    const remoteTs = copySelectors(TSr)
    const { config } = this
    // First of all: to look at 65,025 pairs takes a third of a second.
    if (localTs.length * remoteTs.length > mostPairs(config)) {
      const split = `${localTs.length} and ${remoteTs.length}`
      return this.#unwanted(new PeerError('TOO_MANY_TS', `the responder split our traffic selectors into ${split}`))
    }
    if (
      !isSubset(chosenTs, offered.localTs) ||
      !isSubset(remoteTs, offered.remoteTs) ||
      selectsNothing(localTs, remoteTs)
    ) {
      const problem = "the responder's traffic selectors are not within our offer (RFC 7296 §2.9)"
      return this.#unwanted(new PeerError('TS_OUTSIDE_OFFER', problem))
    }
    const peers = transport?.peers
    return { localTs, remoteTs, ...agreed, worker: this.#worker, ...(peers === undefined ? {} : { peers }) }
  }

  /** The peer has what we do not want. An IKE_SA that was set up for it, and carries nothing else, goes with it. */
  #unwanted(problem: PeerError): undefined {
    const sa = this.#sa
    const refusal = this.giveUp(explainProtocolError(problem))
    if (this.#inAuth && sa.children.length === 0 && sa.isLastTask) sa.delete('refused', refusal)
    else this.discard()
  }

  /** Does not install what the peer has agreed to and installed: it is to delete that. */
  discard(): void {
    this.abandon()
    this.#sa.enqueueNext(new ChildDelete(this.#child))
  }

  /** The peer deleted it before its answer, which made it, reached us. */
  isDeletedEarly(suite: ChosenProposal): boolean {
    return this.#sa.deletedEarly?.has(spiOf(suite)) === true
  }

  /** Installs what was agreed on. Throws `PeerError` when the peer's SPI cannot be used. */
  install(
    terms: ChildTerms,
    suite: ChosenProposal,
    keying: CreateKeying,
    { sends, replaces }: { readonly sends: boolean; readonly replaces?: ChildSa } = { sends: true },
  ): ChildSa {
    const spiOut = freeOutboundSpi(this.#sa, suite)
    const keys = childKeys(this.#sa, suite, keying)
    const { config } = this
    this.#child.install({ config, role: 'initiator', suite, spiOut, keys, ...terms, replaces }, sends)
    return this.#child
  }

  /** The responder's error notify, explained and told. The IKE_SA stays as it is. */
  refused(type: number): Refusal {
    return this.giveUp(this.explain(type))
  }

  /** Tells why this CHILD_SA does not come up, and gives its SPI back. The IKE_SA stays as it is. */
  giveUp(refusal: Refusal): Refusal {
    const sa = this.#sa
    const worker = this.#worker === undefined ? {} : { worker: this.#worker }
    sa.runtime.emit({
      kind: 'refused',
      sa: sa.ref,
      remote: sa.path.remote,
      refusal,
      child: this.config.name,
      ...worker,
    })
    this.abandon()
    return refusal
  }

  abandon(): void {
    if (this.#child.state === 'negotiating') this.#child.remove('refused')
  }

  /** The peer's error notify, explained. */
  explain(type: number): Refusal {
    const { connection } = this.#sa
    if (this.#worker !== undefined) return explainWorkerRefused(type, connection, this.config, this.#worker)
    const about = { connection, child: { ...this.config, ...this.#offered } }
    if (type === NotifyType.NO_PROPOSAL_CHOSEN) return explainPeerRefusedProposal({ what: 'CHILD', ...about })
    if (type === NotifyType.TS_UNACCEPTABLE) return explainPeerRefusedTs(about)
    if (type === NotifyType.TEMPORARY_FAILURE) return explainBusy(this.config)
    if (type === NotifyType.SINGLE_PAIR_REQUIRED) return explainPeerWantsPairs(about)
    if (type === NotifyType.STATE_NOT_FOUND) return explainStateLost(this.config)
    if (type === NotifyType.INTERNAL_ADDRESS_FAILURE) return explainNoAddress(connection)
    if (type === NotifyType.FAILED_CP_REQUIRED) return explainAddressRequired(connection)
    return explainPeerNotify(type, `CHILD_SA ${this.config.name}`)
  }
}
