import { PeerError } from '../../errors.ts'
import { NotifyType, type Payload, type Proposal, ProtocolId, type TrafficSelector } from '../codec/index.ts'
import type { ChildConfig, ConnectionConfig, TrafficSelectorConfig } from '../config.ts'
import { isDynamic, type ResolvedSelectors, resolvedSelectors } from '../config-payload/dynamic-selectors.ts'
import { withDynamicHint } from '../explain/explain-address.ts'
import { explainRefusedProposal } from '../explain/explain-proposal.ts'
import { explainPairsOnly, explainRefusedTs } from '../explain/explain-ts.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { need, notify } from '../message/notifies.ts'
import { type ChosenProposal, chooseProposal } from '../negotiation/proposal.ts'
import { isSubset, knownTrafficSelectors, narrow, toTrafficSelector } from '../negotiation/traffic-selector.ts'
import { isEncapsulated } from '../path/nat-detection.ts'
import { isStream } from '../path/streams.ts'
import type { CreateAnswer } from '../tasks/create-responder.ts'
import { childKeys, freeOutboundSpi, spiBytes } from './child-making.ts'
import { ChildSa } from './child-sa.ts'
import { copySelectors, isSingle, mostPairs, selectsNothing } from './child-selectors.ts'
import { announce } from './child-succession.ts'
import { type ChildTerms, termsAnswered, termsForRequest } from './child-terms.ts'
import { transportView } from './transport-nat.ts'

/** A responder's choice for one CHILD_SA, before keys and installation. */
export interface ChildChoice extends ChildTerms {
  readonly config: ChildConfig
  readonly suite: ChosenProposal
}

/**
 * Chooses among the configured `children` by traffic selectors first, then by proposals. Throws `PeerError` with
 * TS_UNACCEPTABLE or NO_PROPOSAL_CHOSEN and tells the explanation. `as`: the selectors of the CHILD_SA that is rekeyed. RFC 7296
 * §2.7, §2.9.
 */
export function chooseChild(
  sa: IkeSa,
  payloads: readonly Payload[],
  inAuth: boolean,
  children = sa.connection.children,
  as?: ResolvedSelectors,
): ChildChoice {
  const offeredTSi = need(payloads, 'TSi').selectors
  const offeredTSr = need(payloads, 'TSr').selectors
  const resolved = children.map((config) => ({ config, ...resolvedSelectors(sa, config, as) }))
  const connection = withSelectors(sa.connection, resolved)
  const transport = transportView(sa, payloads, 'responder')
  const offer = { TSi: offeredTSi, TSr: offeredTSr }
  const offerFor = ({ mode }: ChildConfig) => (mode === 'transport' && transport !== undefined ? transport : offer)
  const matches = byFit(
    resolved.map((child) => narrowed(child, offerFor(child.config))).filter((match) => match !== undefined),
  )
  if (matches.length === 0 && resolved.some((child) => wantsPair(child, offerFor(child.config)))) {
    throw refuse(sa, NotifyType.SINGLE_PAIR_REQUIRED, explainPairsOnly({ connection, offeredTSi, offeredTSr }))
  }
  if (matches.length === 0) {
    const refusal = explainRefusedTs({ connection, offeredTSi, offeredTSr })
    throw refuse(sa, NotifyType.TS_UNACCEPTABLE, withDynamicHint(sa, children, refusal))
  }
  const offered = need(payloads, 'SA').proposals
  for (const match of matches) {
    const suite = chooseFor(match.config, offered, inAuth)
    if (suite === undefined) continue
    const { config, localTs, remoteTs } = match
    const moreTs = match.isCut || (!match.whole && matches.length > 1)
    const terms = termsForRequest(sa, config, payloads)
    const peers = terms.mode === 'transport' ? transport?.peers : undefined
    return { config, suite, localTs, remoteTs, moreTs, ...terms, ...(peers === undefined ? {} : { peers }) }
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
  if (isEncapsulated(sa) && sa.path.local.port !== sa.runtime.ports.nat && !isStream(sa.path)) {
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

/** A child with addresses in the place of `dynamic`. */
interface ResolvedChild extends ResolvedSelectors {
  readonly config: ChildConfig
}

/** The connection as its refusals are explained: with addresses in the place of `dynamic`. */
function withSelectors(connection: ConnectionConfig, resolved: readonly ResolvedChild[]): ConnectionConfig {
  if (!connection.children.some(isDynamic)) return connection
  const selectorsOf = (child: ChildConfig) => resolved.find(({ config }) => config === child)
  const children = connection.children.map((child) => {
    const found = selectorsOf(child)
    return found === undefined ? child : { ...child, localTs: found.localTs, remoteTs: found.remoteTs }
  })
  return { ...connection, children }
}

/** What a request offers. */
interface OfferedSelectors {
  readonly TSi: readonly TrafficSelector[]
  readonly TSr: readonly TrafficSelector[]
}

function narrowed({ config, ...ours }: ResolvedChild, offer: OfferedSelectors): Narrowed | undefined {
  if (config.singlePair) return narrowedToPair({ config, ...ours }, offer)
  const { TSi, TSr } = offer
  const remoteTs = copySelectors(narrow(TSi, ours.remoteTs))
  const localTs = copySelectors(narrow(TSr, ours.localTs))
  const pairs = localTs.length * remoteTs.length
  // What is left out the initiator may ask for with another CHILD_SA. RFC 7296 §2.9.
  const most = mostPairs(config)
  while (localTs.length * remoteTs.length > most) (localTs.length > remoteTs.length ? localTs : remoteTs).pop()
  if (selectsNothing(localTs, remoteTs)) return undefined
  const whole = isSubset(knownTrafficSelectors(TSi), remoteTs) && isSubset(knownTrafficSelectors(TSr), localTs)
  return { config, localTs, remoteTs, whole, isCut: localTs.length * remoteTs.length < pairs }
}

/** The first selectors of both sides, when each is a single address: what a careful initiator puts there. RFC 7296 §2.9. */
function narrowedToPair({ config, ...ours }: ResolvedChild, { TSi, TSr }: OfferedSelectors): Narrowed | undefined {
  const [first, second] = [knownTrafficSelectors(TSi)[0], knownTrafficSelectors(TSr)[0]]
  if (first === undefined || second === undefined || !isSingle(first) || !isSingle(second)) return undefined
  const remoteTs = copySelectors(narrow([first], ours.remoteTs))
  const localTs = copySelectors(narrow([second], ours.localTs))
  if (selectsNothing(localTs, remoteTs)) return undefined
  const whole = TSi.length === 1 && TSr.length === 1
  return { config, localTs, remoteTs, whole, isCut: !whole }
}

/** True for a child that would take a part of the offer, if it named one pair of addresses first. */
const wantsPair = ({ config, localTs, remoteTs }: ResolvedChild, { TSi, TSr }: OfferedSelectors): boolean =>
  config.singlePair && !selectsNothing(narrow(TSr, localTs), narrow(TSi, remoteTs))

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
