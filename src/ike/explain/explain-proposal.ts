import { isAdditionalKe, TransformType } from '../../crypto/transforms.ts'
import type { Proposal } from '../codec/index.ts'
import { ProtocolId } from '../codec/numbers.ts'
import type { ChildConfig, ConnectionConfig, ProposalConfig } from '../config.ts'
import { differingTypes, hasAdditionalKe, type ProposalContext, withoutKe } from '../negotiation/proposal.ts'
import {
  formatProposal,
  isConfigurable,
  keyBitsOf,
  type ProposalKind,
  type ProposalLike,
  type TransformLike,
  weakKeywords,
} from '../negotiation/proposal-keywords.ts'
import { isProvided, keywordOf } from '../negotiation/transform-keywords.ts'
import type { ProposalRefusal } from './refusal.ts'

/** Which negotiation: of the IKE_SA, or of one CHILD_SA. */
export interface ProposalSubject {
  readonly what: 'IKE' | 'CHILD'
  readonly connection: ConnectionConfig
  /** Of a CHILD_SA. */
  readonly child?: ChildConfig
  /** Set in IKE_AUTH, where key exchange transforms do not count. */
  readonly ignoreKe?: boolean
  /** Set when the peer does not announce IKE_INTERMEDIATE. */
  readonly noIntermediate?: boolean
}

/** A peer may offer hundreds of proposals of hundreds of transforms: this many are looked at and shown. */
const mostShown = 16
const mostTransforms = 64

/** We found nothing acceptable in what the peer offered. Copies what it shows. */
export function explainRefusedProposal(
  subject: ProposalSubject & { readonly offered: readonly Proposal[] },
): ProposalRefusal {
  const { what } = subject
  const configured = configuredFor(subject)
  const looked = subject.offered.slice(0, mostShown).map(shortened)
  const nearest = nearestPair(looked, configured, contextOf(subject))
  const offeredTexts = looked.map(formatProposal)
  if (subject.offered.length > mostShown) offeredTexts.push(`and ${subject.offered.length - mostShown} more`)
  const differences = nearest === undefined ? '' : `; the nearest pair differs in ${nearest.details.join(' and ')}`
  const intermediate =
    subject.noIntermediate === true && hasAdditionalKe(configured)
      ? '; and the peer does not announce IKE_INTERMEDIATE, which additional key exchanges need'
      : ''
  return {
    kind: 'no-proposal-chosen',
    by: 'local',
    what,
    offered: offeredTexts,
    configured: configured.map(formatProposal),
    ...(nearest === undefined ? {} : { nearest: nearest.pair }),
    message:
      `no ${what} proposal in common with the peer of ${nameOf(subject)}: ` +
      `it offered ${listOf(offeredTexts)}, configured is ${listOf(configured.map(formatProposal))}${differences}${intermediate}`,
    hint: hintFor(subject, looked, nearest?.config ?? configured[0]),
  }
}

/** The peer answered NO_PROPOSAL_CHOSEN; it does not say what it would take. */
export function explainPeerRefusedProposal(subject: ProposalSubject): ProposalRefusal {
  const configured = configuredFor(subject).map(formatProposal)
  return {
    kind: 'no-proposal-chosen',
    by: 'peer',
    what: subject.what,
    offered: [],
    configured,
    message: `the peer of ${nameOf(subject)} accepts none of our ${subject.what} proposals (NO_PROPOSAL_CHOSEN): we offered ${listOf(configured)}`,
    hint: `${settingOf(subject)}: name a suite that the peer is configured for; its log shows what it compared`,
  }
}

/** The peer answered INVALID_KE_PAYLOAD with a group that we did not offer, or that it had already. RFC 7296 §1.3. */
export function explainUnknownKeGroup(subject: ProposalSubject & { readonly group: number }): ProposalRefusal {
  const proposals = configuredFor(subject)
  const configured = proposals.map(formatProposal)
  const wanted = keywordOf(TransformType.KE, subject.group, undefined)
  const offeredIt = proposals.some(({ transforms }) =>
    transforms.some(({ type, id }) => type === TransformType.KE && id === subject.group),
  )
  const problem = offeredIt ? 'asked for it again after it got it' : 'which we did not offer'
  const suggestion = offeredIt ? undefined : withGroup(subject, proposals[0], subject.group)
  return {
    kind: 'no-proposal-chosen',
    by: 'peer',
    what: subject.what,
    offered: [],
    configured,
    message: `the peer of ${nameOf(subject)} wants key exchange group ${wanted} (INVALID_KE_PAYLOAD), ${problem}: we offered ${listOf(configured)}`,
    hint:
      suggestion === undefined
        ? `${settingOf(subject)}: leave ${wanted} out, or configure the peer for one of our groups`
        : `${settingOf(subject)}: add ${suggestion}`,
  }
}

const typeNames: Readonly<Record<number, string>> = {
  [TransformType.ENCR]: 'encryption',
  [TransformType.PRF]: 'PRF',
  [TransformType.INTEG]: 'integrity',
  [TransformType.KE]: 'key exchange',
  [TransformType.SN]: 'sequence numbers',
}

interface NearestPair {
  readonly config: ProposalConfig
  readonly pair: NonNullable<ProposalRefusal['nearest']>
  /** For example `integrity (offered sha1, configured sha256)`. */
  readonly details: readonly string[]
}

function nearestPair(
  offered: readonly Proposal[],
  configured: readonly ProposalConfig[],
  context: ProposalContext,
): NearestPair | undefined {
  let best: { offer: Proposal; config: ProposalConfig; types: number[] } | undefined
  for (const config of configured) {
    for (const offer of offered) {
      const types = differingTypes(offer, config, context)
      if (best === undefined || types.length < best.types.length) best = { offer, config, types }
    }
  }
  if (best === undefined) return undefined
  const { offer, config, types } = best
  const name = (type: number) =>
    isAdditionalKe(type)
      ? `additional key exchange ${type - TransformType.ADDKE1 + 1}`
      : (typeNames[type] ?? `transform type ${type}`)
  const detail = (type: number) =>
    `${name(type)} (offered ${keywords(offer, type)}, configured ${keywords(config, type)})`
  const pair = { configured: formatProposal(config), offered: formatProposal(offer), differ: types.map(name) }
  const details = types.length === 0 ? ['protocol or SPI'] : types.map(detail)
  return { config, pair, details }
}

const shortened = (offer: Proposal): Proposal =>
  offer.transforms.length > mostTransforms ? { ...offer, transforms: offer.transforms.slice(0, mostTransforms) } : offer

function keywords(proposal: ProposalLike, type: number): string {
  const ofType = proposal.transforms.filter((transform) => transform.type === type)
  return ofType.length === 0 ? 'none' : ofType.slice(0, mostShown).map(keyword).join(' or ')
}

const keyword = (transform: TransformLike) => keywordOf(transform.type, transform.id, keyBitsOf(transform))

function hintFor(subject: ProposalSubject, offered: readonly Proposal[], near: ProposalConfig | undefined): string {
  const setting = settingOf(subject)
  if (subject.noIntermediate === true && near !== undefined && hasAdditionalKe([near])) {
    return `${setting}: add a proposal without additional key exchanges (or with ke1_none), or switch IKE_INTERMEDIATE on at the peer`
  }
  const suites = offered.map((offer) => suiteFrom(subject, offer, near)).filter((suite) => suite !== undefined)
  const suite = suites.find(({ weak }) => weak.length === 0) ?? suites[0]
  if (suite === undefined)
    return 'nothing that the peer offers is available here: configure the peer for one of our proposals'
  if (suite.weak.length === 0) return `${setting}: add ${suite.text}`
  return `${setting}: add ${suite.text} and name ${suite.weak.join(', ')} in allowWeak; better, configure the peer for a strong suite`
}

interface Suite {
  readonly text: string
  readonly weak: readonly string[]
}

/** One suite out of an offer that could be configured here: of each type what is configured already, else the first that we have. */
function suiteFrom(subject: ProposalSubject, offer: Proposal, near: ProposalConfig | undefined): Suite | undefined {
  const types = [...new Set(offer.transforms.map(({ type }) => type))]
  const picked = types.map((type) => {
    if (subject.ignoreKe && (type === TransformType.KE || isAdditionalKe(type))) return []
    const candidates = offer.transforms.filter((transform) => transform.type === type)
    const common = candidates.find((one) => near?.transforms.some((ours) => isSame(ours, one)))
    const strong = candidates.find((one) => isAvailable(one) && weakKeywords({ transforms: [one] }).length === 0)
    return common ?? strong ?? candidates.find(isAvailable) ?? candidates[0]!
  })
  const transforms = picked.flat()
  if (!transforms.every(isAvailable) || !isConfigurable({ transforms }, kindOf(subject))) return undefined
  return { text: formatProposal({ transforms }), weak: weakKeywords({ transforms }) }
}

const isSame = (a: TransformLike, b: TransformLike) =>
  a.type === b.type && a.id === b.id && keyBitsOf(a) === keyBitsOf(b)

const isAvailable = (transform: TransformLike) => isProvided(transform.type, transform.id, keyBitsOf(transform))

const kindOf = ({ what }: ProposalSubject): ProposalKind => (what === 'IKE' ? 'IKE' : 'ESP')

/** The first configured proposal with another group, when that can be configured. */
function withGroup(subject: ProposalSubject, config: ProposalConfig | undefined, id: number): string | undefined {
  if (config === undefined) return undefined
  const others = config.transforms.filter(({ type }) => type !== TransformType.KE)
  const suggested = { transforms: [...others, { type: TransformType.KE, id }] }
  return isConfigurable(suggested, kindOf(subject)) ? formatProposal(suggested) : undefined
}

function configuredFor({ what, connection, child, ignoreKe }: ProposalSubject): readonly ProposalConfig[] {
  if (what === 'IKE') return connection.ikeProposals
  const proposals = child?.espProposals ?? connection.children.flatMap((one) => one.espProposals)
  return ignoreKe === true ? proposals.map(withoutKe) : proposals
}

const contextOf = ({ what, ignoreKe, noIntermediate }: ProposalSubject): ProposalContext => ({
  protocol: what === 'IKE' ? ProtocolId.IKE : ProtocolId.ESP,
  ignoreKe: ignoreKe === true,
  noIntermediate: noIntermediate === true,
})

const settingOf = ({ what, connection, child }: ProposalSubject): string =>
  what === 'IKE'
    ? `connections.${connection.name}.proposals`
    : `connections.${connection.name}.children.${child?.name ?? '*'}.espProposals`

const nameOf = ({ connection, child }: ProposalSubject): string =>
  child === undefined ? `connection ${connection.name}` : `child ${child.name} of connection ${connection.name}`

const listOf = (texts: readonly string[]): string => (texts.length === 0 ? 'nothing' : texts.join(', '))
