import { equalBytes } from '../bytes/index.ts'
import { prfInfo } from '../crypto/transforms.ts'
import { PeerError } from '../errors.ts'
import { ChildSa } from './child-sa.ts'
import { announce } from './child-succession.ts'
import {
  type ChildTerms,
  offeredSelectors,
  type Trigger,
  termsAnswered,
  termsForRequest,
  termsOfAnswer,
  termsOffered,
} from './child-terms.ts'
import { NotifyType, type Payload, type Proposal, ProtocolId, type TrafficSelector } from './codec/index.ts'
import type { ChildConfig, ProposalConfig, TrafficSelectorConfig } from './config.ts'
import { explainBusy, explainDeletedEarly, explainStateLost } from './explain-child.ts'
import { explainPeerNotify } from './explain-peer.ts'
import { explainPeerRefusedProposal, explainRefusedProposal } from './explain-proposal.ts'
import { explainPairsOnly, explainPeerRefusedTs, explainPeerWantsPairs, explainRefusedTs } from './explain-ts.ts'
import type { IkeSa } from './ike-sa.ts'
import { deriveChildKeys } from './keymat.ts'
import { need, notify } from './notifies.ts'
import { type ChosenProposal, chooseProposal, encodeProposals, verifyChosen, withoutKe } from './proposal.ts'
import type { Refusal } from './refusal.ts'
import type { CreateKeying } from './tasks/create-exchange.ts'
import type { CreateAnswer } from './tasks/create-responder.ts'
import { isSubset, knownTrafficSelectors, narrow, toTrafficSelector, toXfrmSelectors } from './traffic-selector.ts'

/** An initiator's offer of one CHILD_SA, in IKE_AUTH or CREATE_CHILD_SA. */
export class ChildOffer {
  readonly config: ChildConfig
  readonly proposals: readonly ProposalConfig[]
  #sa: IkeSa
  readonly #child: ChildSa

  readonly #trigger: Trigger | undefined

  /**
   * `inAuth`: the keys come from the IKE_SA, so no key exchange is offered (RFC 7296 §1.2). `proposals` are the configured
   * ones, perhaps in another order.
   */
  constructor(
    sa: IkeSa,
    config: ChildConfig,
    inAuth: boolean,
    {
      proposals = config.espProposals,
      trigger,
    }: { proposals?: readonly ProposalConfig[]; trigger?: Trigger | undefined } = {},
  ) {
    this.config = config
    this.#sa = sa
    this.#trigger = trigger
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
    const { localTs, remoteTs } = offeredSelectors(this.config, this.#trigger)
    return [
      ...termsOffered(this.config),
      { kind: 'TSi', critical: false, selectors: localTs.map(toTrafficSelector) },
      { kind: 'TSr', critical: false, selectors: remoteTs.map(toTrafficSelector) },
    ]
  }

  /** What the responder of IKE_AUTH chose; throws `PeerError` when it is not in our offer. */
  verify(payloads: readonly Payload[]): ChosenProposal {
    return verifyChosen(need(payloads, 'SA').proposals, this.proposals, { protocol: ProtocolId.ESP })
  }

  /** Installs the CHILD_SA of a good answer, and tells it. Throws `PeerError` when the answer is outside our offer. */
  complete(payloads: readonly Payload[], suite: ChosenProposal, keying: CreateKeying): void {
    if (this.isDeletedEarly(suite)) this.giveUp(explainDeletedEarly(this.config))
    else announce(this.install(this.terms(payloads), suite, keying))
  }

  /** What an answer agrees to. Throws `PeerError` when its traffic selectors are outside our offer. */
  terms(payloads: readonly Payload[]): ChildTerms {
    const localTs = copySelectors(knownTrafficSelectors(need(payloads, 'TSi').selectors))
    const remoteTs = copySelectors(knownTrafficSelectors(need(payloads, 'TSr').selectors))
    const { config } = this
    // First of all: to look at 65,025 pairs takes a third of a second.
    if (localTs.length * remoteTs.length > mostPairs(config)) {
      throw new PeerError(
        'TOO_MANY_TS',
        `the responder split our traffic selectors into ${localTs.length} and ${remoteTs.length}`,
        { notify: NotifyType.INVALID_SYNTAX },
      )
    }
    if (
      !isSubset(localTs, config.localTs) ||
      !isSubset(remoteTs, config.remoteTs) ||
      selectsNothing(localTs, remoteTs)
    ) {
      throw new PeerError(
        'TS_OUTSIDE_OFFER',
        "the responder's traffic selectors are not within our offer (RFC 7296 §2.9)",
        {
          notify: NotifyType.INVALID_SYNTAX,
        },
      )
    }
    return { localTs, remoteTs, ...termsOfAnswer(config, payloads) }
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
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: this.config.name })
    this.abandon()
    return refusal
  }

  abandon(): void {
    if (this.#child.state === 'negotiating') this.#child.remove('refused')
  }

  /** The peer's error notify, explained. */
  explain(type: number): Refusal {
    const about = { connection: this.#sa.connection, child: this.config }
    if (type === NotifyType.NO_PROPOSAL_CHOSEN) return explainPeerRefusedProposal({ what: 'CHILD', ...about })
    if (type === NotifyType.TS_UNACCEPTABLE) return explainPeerRefusedTs(about)
    if (type === NotifyType.TEMPORARY_FAILURE) return explainBusy(this.config)
    if (type === NotifyType.SINGLE_PAIR_REQUIRED) return explainPeerWantsPairs(about)
    if (type === NotifyType.STATE_NOT_FOUND) return explainStateLost(this.config)
    return explainPeerNotify(type, `CHILD_SA ${this.config.name}`)
  }
}

/** A responder's choice for one CHILD_SA, before keys and installation. */
export interface ChildChoice extends ChildTerms {
  readonly config: ChildConfig
  readonly suite: ChosenProposal
}

/**
 * Chooses among the configured `children` by traffic selectors first, then by proposals. Throws `PeerError` with
 * TS_UNACCEPTABLE or NO_PROPOSAL_CHOSEN and tells the explanation. RFC 7296 §2.7, §2.9.
 */
export function chooseChild(
  sa: IkeSa,
  payloads: readonly Payload[],
  inAuth: boolean,
  children = sa.connection.children,
): ChildChoice {
  const offeredTSi = need(payloads, 'TSi').selectors
  const offeredTSr = need(payloads, 'TSr').selectors
  const { connection } = sa
  const matches = byFit(
    children.map((config) => narrowed(config, offeredTSi, offeredTSr)).filter((match) => match !== undefined),
  )
  if (matches.length === 0 && children.some((config) => wantsPair(config, offeredTSi, offeredTSr))) {
    throw refuse(sa, NotifyType.SINGLE_PAIR_REQUIRED, explainPairsOnly({ connection, offeredTSi, offeredTSr }))
  }
  if (matches.length === 0) {
    throw refuse(sa, NotifyType.TS_UNACCEPTABLE, explainRefusedTs({ connection, offeredTSi, offeredTSr }))
  }
  const offered = need(payloads, 'SA').proposals
  for (const match of matches) {
    const suite = chooseFor(match.config, offered, inAuth)
    if (suite === undefined) continue
    const { config, localTs, remoteTs } = match
    const moreTs = match.isCut || (!match.whole && matches.length > 1)
    return { config, suite, localTs, remoteTs, moreTs, ...termsForRequest(sa, config, payloads) }
  }
  const child = matches[0]!.config
  throw refuse(
    sa,
    NotifyType.NO_PROPOSAL_CHOSEN,
    explainRefusedProposal({ what: 'CHILD', connection, child, offered, ignoreKe: inAuth }),
  )
}

/**
 * Takes an SPI for what was chosen. When it is finished `onInstalled` is called, by default to tell that it stands; one that
 * `replaces` another does not send yet. Throws `PeerError` when where the peer sends from makes it impossible.
 */
export function acceptChild(
  sa: IkeSa,
  choice: ChildChoice,
  replaces?: ChildSa,
  onInstalled: (child: ChildSa) => void = announce,
): CreateAnswer {
  const { config, suite, ...terms } = choice
  if (sa.path.local.port !== sa.runtime.ports.nat) {
    throw new PeerError(
      'NO_UDP_ENCAPSULATION',
      'the peer stays on the plain IKE port, where ESP cannot be carried in UDP',
      {
        notify: NotifyType.NO_PROPOSAL_CHOSEN,
      },
    )
  }
  // Our own SPI first: where the peer's address is ours too, the peer's must differ from it.
  const child = new ChildSa(sa)
  const abandon = () => {
    if (child.state === 'negotiating') child.remove('refused')
  }
  return {
    spi: spiBytes(child.spiIn),
    before: [],
    after: [
      { kind: 'TSi', critical: false, selectors: terms.remoteTs.map(toTrafficSelector) },
      { kind: 'TSr', critical: false, selectors: terms.localTs.map(toTrafficSelector) },
      ...termsAnswered(terms),
    ],
    finish(keying) {
      const spiOut = freeOutboundSpi(sa, suite)
      const keys = childKeys(sa, suite, keying)
      child.install({ config, role: 'responder', suite, spiOut, keys, ...terms, replaces }, replaces === undefined)
      onInstalled(child)
    },
    abandon,
  }
}

/** The error notify for a CHILD_SA that was refused inside an exchange that goes on. */
export const refusalPayload = (error: PeerError): Payload => notify(error.notify, error.data)

interface Narrowed {
  readonly config: ChildConfig
  readonly localTs: readonly TrafficSelectorConfig[]
  readonly remoteTs: readonly TrafficSelectorConfig[]
  /** Nothing of the offer was cut away. */
  readonly whole: boolean
  /** Pairs that we would take were cut away, because they are too many for one CHILD_SA. */
  readonly isCut: boolean
}

function narrowed(
  config: ChildConfig,
  TSi: readonly TrafficSelector[],
  TSr: readonly TrafficSelector[],
): Narrowed | undefined {
  if (config.singlePair) return narrowedToPair(config, TSi, TSr)
  const remoteTs = copySelectors(narrow(TSi, config.remoteTs))
  const localTs = copySelectors(narrow(TSr, config.localTs))
  const pairs = localTs.length * remoteTs.length
  // What is left out the initiator may ask for with another CHILD_SA. RFC 7296 §2.9.
  const most = mostPairs(config)
  while (localTs.length * remoteTs.length > most) (localTs.length > remoteTs.length ? localTs : remoteTs).pop()
  if (selectsNothing(localTs, remoteTs)) return undefined
  const whole = isSubset(knownTrafficSelectors(TSi), remoteTs) && isSubset(knownTrafficSelectors(TSr), localTs)
  return { config, localTs, remoteTs, whole, isCut: localTs.length * remoteTs.length < pairs }
}

/** The first selectors of both sides, when each is a single address: what a careful initiator puts there. RFC 7296 §2.9. */
function narrowedToPair(
  config: ChildConfig,
  TSi: readonly TrafficSelector[],
  TSr: readonly TrafficSelector[],
): Narrowed | undefined {
  const [first, second] = [knownTrafficSelectors(TSi)[0], knownTrafficSelectors(TSr)[0]]
  if (first === undefined || second === undefined || !isSingle(first) || !isSingle(second)) return undefined
  const remoteTs = copySelectors(narrow([first], config.remoteTs))
  const localTs = copySelectors(narrow([second], config.localTs))
  if (selectsNothing(localTs, remoteTs)) return undefined
  const whole = TSi.length === 1 && TSr.length === 1
  return { config, localTs, remoteTs, whole, isCut: !whole }
}

const isSingle = ({ startAddress, endAddress }: TrafficSelectorConfig): boolean => equalBytes(startAddress, endAddress)

/** True for a child that would take a part of the offer, if it named one pair of addresses first. */
const wantsPair = (config: ChildConfig, TSi: readonly TrafficSelector[], TSr: readonly TrafficSelector[]): boolean =>
  config.singlePair && !selectsNothing(narrow(TSr, config.localTs), narrow(TSi, config.remoteTs))

/** Each pair of a local and a remote selector is three policies, which a peer could otherwise ask for by ten thousands. */
const mostPairs = ({ localTs, remoteTs }: ChildConfig): number => Math.max(64, localTs.length * remoteTs.length)

/** True when no packet fits both sides: one of them is empty, or they differ in family or protocol. RFC 7296 §2.9 wants TS_UNACCEPTABLE. */
const selectsNothing = (
  localTs: readonly TrafficSelectorConfig[],
  remoteTs: readonly TrafficSelectorConfig[],
): boolean => toXfrmSelectors(localTs, remoteTs, 'out').length === 0

/** Children that take the offer whole come first: several configured children may overlap. */
const byFit = (matches: readonly Narrowed[]): Narrowed[] =>
  [...matches].sort((a, b) => Number(b.whole) - Number(a.whole))

function chooseFor(config: ChildConfig, offered: readonly Proposal[], inAuth: boolean): ChosenProposal | undefined {
  return chooseProposal(offered, config.espProposals, { protocol: ProtocolId.ESP, ignoreKe: inAuth })
}

function refuse(sa: IkeSa, type: number, refusal: Refusal): PeerError {
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
  return new PeerError(refusal.kind.toUpperCase().replaceAll('-', '_'), refusal.message, {
    notify: type,
    explanation: refusal,
  })
}

function childKeys(sa: IkeSa, suite: ChosenProposal, { Ni, Nr, secrets }: CreateKeying) {
  const { keys, suite: ikeSuite } = sa.init!
  const [own, ...additional] = secrets
  return deriveChildKeys(sa.runtime.crypto, prfInfo(ikeSuite.prf)!, keys.SK_d, suite, Ni, Nr, own, additional)
}

function spiOf({ spi }: ChosenProposal): number {
  return spi.length === 4 ? new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0) : 0
}

function freeOutboundSpi(sa: IkeSa, suite: ChosenProposal): number {
  const value = spiOf(suite)
  if (value === 0 || sa.runtime.children.isTaken(sa.path.remote.address, value)) {
    throw new PeerError('BAD_SPI', `the peer's ESP SPI ${value} is zero or already in use at its address`, {
      notify: NotifyType.NO_PROPOSAL_CHOSEN,
    })
  }
  return value
}

export function spiBytes(spi: number): Uint8Array {
  return Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff)
}

/** Selectors of a payload borrow the datagram's octets; installed ones must not. */
const copySelectors = (selectors: readonly TrafficSelectorConfig[]): TrafficSelectorConfig[] =>
  selectors.map((selector) => {
    const startAddress = selector.startAddress.slice()
    return { ...selector, startAddress, endAddress: isSingle(selector) ? startAddress : selector.endAddress.slice() }
  })
