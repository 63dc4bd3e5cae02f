import { encrInfo, Integ, isAdditionalKe, KeGroup, Sn, TransformType } from '../../crypto/transforms.ts'
import { PeerError } from '../../errors.ts'
import { keyLengthAttribute, keyLengthOf, type Proposal, type Transform } from '../codec/index.ts'
import { ProtocolId } from '../codec/numbers.ts'
import type { ProposalConfig, TransformConfig } from '../config.ts'
import type { PeerRefusal } from '../explain/refusal.ts'
import { pickDistinct } from './pick-distinct.ts'
import { formatProposal } from './proposal-keywords.ts'

/** What both sides agreed on: one transform of each type. RFC 7296 §2.7. */
export interface ChosenProposal {
  /** The number it has in the offer, and therefore in the answer. */
  readonly number: number
  /** A `ProtocolId`. */
  readonly protocol: number
  /** The SPI that stands in the peer's proposal, copied; empty for the first IKE SA. */
  readonly spi: Uint8Array
  readonly encr: number
  /** Bits of encryption key, also where the cipher has only one length and the attribute is absent. */
  readonly keyBits: number
  /** 0 for none (AEAD). */
  readonly integ: number
  /** 0 for ESP. */
  readonly prf: number
  /** 0 for none. */
  readonly ke: number
  /** The groups of the additional key exchanges in the order in which they take place; none twice, and not `ke`. RFC 9370 §2.2.1. */
  readonly additionalKe: readonly number[]
  readonly esn: boolean
  /** In the notation of the configuration. */
  readonly suite: string
  /** The proposal for the responder's answer, with the responder's SPI (copied): same number, one transform of each type. */
  toProposal(spi?: Uint8Array): Proposal
}

/** What narrows a choice. */
export interface ProposalContext {
  /** A `ProtocolId`: 1 IKE, 3 ESP. */
  readonly protocol: number
  /**
   * The first CHILD_SA comes without a key exchange of its own: KE transforms are not looked at, nor those of additional key
   * exchanges. RFC 7296 §1.2, RFC 9370 §2.2.2.
   */
  readonly ignoreKe?: boolean
  /** The peer has no IKE_INTERMEDIATE: additional key exchanges can only be NONE. RFC 9370 §2.2.1. */
  readonly noIntermediate?: boolean
}

/** So many proposals of an offer are looked at: no peer sends more, and a stranger's are compared with every connection. */
const mostOffered = 64

/** The proposals of an SA payload, numbered from 1 in order of preference. `spi` is copied into each. RFC 7296 §3.3. */
export function encodeProposals(configs: readonly ProposalConfig[], protocol: number, spi: Uint8Array): Proposal[] {
  return configs.map((config, at) => ({
    number: at + 1,
    protocol,
    spi: spi.slice(),
    transforms: config.transforms.map(toTransform),
  }))
}

/** True when a proposal names additional key exchanges. RFC 9370 §2.2.1. */
export const hasAdditionalKe = (proposals: readonly ProposalConfig[]): boolean =>
  proposals.some(({ transforms }) => transforms.some(({ type, id }) => isAdditionalKe(type) && id !== KeGroup.NONE))

/** The proposal of a CHILD_SA whose keys come from the IKE_SA. */
export const withoutKe = (proposal: ProposalConfig): ProposalConfig => ({
  transforms: proposal.transforms.filter(({ type }) => !isKeyExchange(type)),
})

/** The key exchange groups of proposals, in order of preference. */
export function keGroupsOf(proposals: readonly ProposalConfig[]): number[] {
  const all = proposals.flatMap(({ transforms }) => transforms.filter(({ type }) => type === TransformType.KE))
  return [...new Set(all.map(({ id }) => id).filter((id) => id !== 0))]
}

/**
 * The responder's choice: the first configured proposal that shares a transform of every type with an offered one, and within it
 * the transforms that we prefer. Undefined when there is none (NO_PROPOSAL_CHOSEN). RFC 7296 §2.7, §3.3.
 */
export function chooseProposal(
  offered: readonly Proposal[],
  configured: readonly ProposalConfig[],
  context: ProposalContext,
): ChosenProposal | undefined {
  const usable = offered
    .slice(0, mostOffered)
    .filter((offer) => offer.protocol === context.protocol && hasUsableSpi(offer))
  for (const config of configured) {
    for (const offer of usable) {
      const agreed = agree(offer, config, context)
      if (agreed !== undefined) return chosen(offer, agreed)
    }
  }
  return undefined
}

/**
 * The initiator's check of the answer: one proposal that, type by type, holds exactly one of the transforms that we sent under its
 * number. Throws `PeerError` with a `PeerRefusal`. `sent` is what went into `encodeProposals`. RFC 7296 §2.7, §3.3.
 */
export function verifyChosen(
  answer: readonly Proposal[],
  sent: readonly ProposalConfig[],
  context: ProposalContext,
): ChosenProposal {
  const [proposal] = answer
  if (proposal === undefined || answer.length !== 1) {
    throw badAnswer(`${answer.length} proposals instead of one`, answer, sent)
  }
  if (proposal.protocol !== context.protocol) throw badAnswer(`protocol ${proposal.protocol}`, answer, sent)
  if (!hasUsableSpi(proposal)) throw badAnswer(`an SPI of ${proposal.spi.length} octets`, answer, sent)
  const config = sent[proposal.number - 1]
  if (config === undefined) throw badAnswer(`proposal number ${proposal.number}, which was not offered`, answer, sent)
  const types = proposal.transforms.map(({ type }) => type)
  if (new Set(types).size !== types.length) throw badAnswer('two transforms of one type', answer, sent)
  const agreed = agree(proposal, config, context)
  if (agreed === undefined) throw badAnswer('transforms that were not offered', answer, sent)
  return chosen(proposal, agreed)
}

/** The transform types on which an offer and a configured proposal have nothing in common; empty when they agree. */
export function differingTypes(offer: Proposal, config: ProposalConfig, context: ProposalContext): number[] {
  const differ = typesOf(offer, config, context).filter((type) => common(type, offer, config, context).length === 0)
  if (differ.length > 0) return differ
  // Each has something in common, but additional key exchanges would repeat a group.
  const types = typesOf(offer, config, context).filter(isKeyExchange)
  return agree(offer, config, context) === undefined ? types : []
}

/** One transform for each type that the offer has, or undefined when a type has none in common. */
function agree(offer: Proposal, config: ProposalConfig, context: ProposalContext): Transform[] | undefined {
  const types = typesOf(offer, config, context)
  const candidates = types.map((type) => common(type, offer, config, context))
  if (candidates.some((options) => options.length === 0)) return undefined
  const picked = candidates.map(([best]) => best)
  const kePlaces = types.flatMap((type, at) => (isKeyExchange(type) ? [at] : []))
  const groups = pickDistinct(kePlaces.map((at) => candidates[at]!.map(groupOf)))
  if (groups === undefined) return undefined
  kePlaces.forEach((at, place) => {
    picked[at] = candidates[at]!.find((option) => groupOf(option) === groups[place])
  })
  return picked.filter((option) => option !== 'absent').filter((option) => option !== undefined)
}

/** An offered transform to send back; `absent` where both sides agree to leave the type out. */
type Option = Transform | 'absent'

const groupOf = (option: Option): number => (option === 'absent' ? KeGroup.NONE : option.id)

/** What both have of one type, our preference first. */
function common(type: number, offer: Proposal, config: ProposalConfig, { noIntermediate }: ProposalContext): Option[] {
  const offered = offer.transforms.filter((transform) => transform.type === type)
  const ours = config.transforms.filter((transform) => transform.type === type)
  const without = withoutValue(type)
  const both = ours.flatMap((transform): Option[] => {
    if (noIntermediate === true && isAdditionalKe(type) && transform.id !== KeGroup.NONE) return []
    return offered.filter((candidate) => isSame(candidate, transform)).slice(0, 1)
  })
  if (both.some((option) => option !== 'absent' && option.id === without)) return both
  // Absent and NONE mean the same, and a missing sequence number transform means 32 bits. RFC 7296 §3.3.2, §3.3.3.
  const weTakeNone = without !== undefined && (ours.length === 0 || ours.some(({ id }) => id === without))
  if (!weTakeNone) return both
  if (offered.length === 0) return ['absent']
  const none = offered.find(({ id, attributes }) => id === without && attributes.length === 0)
  return none === undefined ? both : [...both, none]
}

/** The transform types that either names, in order. */
function typesOf(offer: Proposal, config: ProposalConfig, { ignoreKe }: ProposalContext): number[] {
  const types = new Set([...offer.transforms, ...config.transforms].map(({ type }) => type))
  return [...types].filter((type) => !(ignoreKe === true && isKeyExchange(type))).sort((a, b) => a - b)
}

const isKeyExchange = (type: number): boolean => type === TransformType.KE || isAdditionalKe(type)

/** The transform id of a type that says the same as leaving the type out. */
function withoutValue(type: number): number | undefined {
  if (type === TransformType.INTEG) return Integ.NONE
  if (isKeyExchange(type)) return KeGroup.NONE
  if (type === TransformType.SN) return Sn.NO_ESN
  return undefined
}

/** A transform with an attribute that we do not know, or without the key length it needs, is not ours. RFC 7296 §3.3.6. */
function isSame(offered: Transform, ours: TransformConfig): boolean {
  if (offered.id !== ours.id || offered.attributes.length !== (ours.keyBits === undefined ? 0 : 1)) return false
  return keyLengthOf(offered) === ours.keyBits
}

/** RFC 7296 §3.3.1. SPI 0 to 255 are reserved (RFC 4303 §2.1). */
function hasUsableSpi({ protocol, spi }: Proposal): boolean {
  if (protocol === ProtocolId.IKE) return spi.length === 0 || spi.length === 8
  return spi.length === 4 && (spi[0] !== 0 || spi[1] !== 0 || spi[2] !== 0)
}

function toTransform({ type, id, keyBits }: TransformConfig): Transform {
  return { type, id, attributes: keyBits === undefined ? [] : [keyLengthAttribute(keyBits)] }
}

function chosen(offer: Proposal, transforms: readonly Transform[]): ChosenProposal {
  const { number, protocol } = offer
  const idOf = (type: TransformType) => transforms.find((transform) => transform.type === type)?.id ?? 0
  const encr = transforms.find(({ type }) => type === TransformType.ENCR)
  return {
    number,
    protocol,
    spi: offer.spi.slice(),
    encr: encr?.id ?? 0,
    keyBits: encr === undefined ? 0 : (keyLengthOf(encr) ?? encrInfo(encr.id)?.keyBits[0] ?? 0),
    integ: idOf(TransformType.INTEG),
    prf: idOf(TransformType.PRF),
    ke: idOf(TransformType.KE),
    additionalKe: transforms.filter(({ type, id }) => isAdditionalKe(type) && id !== KeGroup.NONE).map(({ id }) => id),
    esn: idOf(TransformType.SN) === Sn.ESN,
    suite: formatProposal({ transforms }),
    toProposal: (spi = new Uint8Array(0)) => ({ number, protocol, spi: spi.slice(), transforms }),
  }
}

function badAnswer(problem: string, answer: readonly Proposal[], sent: readonly ProposalConfig[]): PeerError {
  const explanation: PeerRefusal = {
    kind: 'protocol-error',
    by: 'local',
    message: `The peer answered our proposals with ${problem}.`,
    detail: `answered ${list(answer)}; offered ${list(sent)}`,
    hint: 'nothing in our configuration causes this: the peer breaks RFC 7296 §2.7',
  }
  return new PeerError('BAD_PROPOSAL_ANSWER', explanation.message, { explanation })
}

const list = (proposals: readonly (Proposal | ProposalConfig)[]): string =>
  proposals.length === 0 ? 'nothing' : proposals.slice(0, 8).map(formatProposal).join(', ')
