import { encrInfo, Integ, KeGroup, Sn, TransformType } from '../crypto/transforms.ts'
import { PeerError } from '../errors.ts'
import { keyLengthAttribute, keyLengthOf, type Proposal, type Transform } from './codec/index.ts'
import { ProtocolId } from './codec/numbers.ts'
import type { ProposalConfig, TransformConfig } from './config.ts'
import { formatProposal } from './proposal-keywords.ts'
import type { PeerRefusal } from './refusal.ts'

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
  /** The first CHILD_SA comes without a key exchange of its own: KE transforms are not looked at. RFC 7296 §1.2. */
  readonly ignoreKe?: boolean
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
  const types = new Set([...offer.transforms, ...config.transforms].map(({ type }) => type))
  return [...types]
    .filter((type) => isLookedAt(type, context) && !agreeOnType(type, offer, config).ok)
    .sort((a, b) => a - b)
}

/** One transform for each type that the offer has, or undefined when a type has none in common. */
function agree(offer: Proposal, config: ProposalConfig, context: ProposalContext): Transform[] | undefined {
  const agreed: Transform[] = []
  for (const type of new Set([...offer.transforms, ...config.transforms].map((transform) => transform.type))) {
    if (!isLookedAt(type, context)) continue
    const result = agreeOnType(type, offer, config)
    if (!result.ok) return undefined
    if (result.transform !== undefined) agreed.push(result.transform)
  }
  return agreed.sort((a, b) => a.type - b.type)
}

/** `transform` is the offered one to send back, undefined when the offer has none of this type and needs none. */
type TypeAgreement = { readonly ok: false } | { readonly ok: true; readonly transform: Transform | undefined }

function agreeOnType(type: number, offer: Proposal, config: ProposalConfig): TypeAgreement {
  const offered = offer.transforms.filter((transform) => transform.type === type)
  const ours = config.transforms.filter((transform) => transform.type === type)
  const without = withoutValue(type)
  for (const transform of ours) {
    const found = offered.find((candidate) => isSame(candidate, transform))
    if (found !== undefined) return { ok: true, transform: found }
  }
  // Absent and NONE mean the same, and a missing sequence number transform means 32 bits. RFC 7296 §3.3.2, §3.3.3.
  const weTakeNone = without !== undefined && (ours.length === 0 || ours.some(({ id }) => id === without))
  if (!weTakeNone) return { ok: false }
  if (offered.length === 0) return { ok: true, transform: undefined }
  const none = offered.find(({ id, attributes }) => id === without && attributes.length === 0)
  return none === undefined ? { ok: false } : { ok: true, transform: none }
}

/** The transform id of a type that says the same as leaving the type out. */
function withoutValue(type: number): number | undefined {
  if (type === TransformType.INTEG) return Integ.NONE
  if (type === TransformType.KE) return KeGroup.NONE
  if (type === TransformType.SN) return Sn.NO_ESN
  return undefined
}

/** A transform with an attribute that we do not know, or without the key length it needs, is not ours. RFC 7296 §3.3.6. */
function isSame(offered: Transform, ours: TransformConfig): boolean {
  if (offered.id !== ours.id || offered.attributes.length !== (ours.keyBits === undefined ? 0 : 1)) return false
  return keyLengthOf(offered) === ours.keyBits
}

const isLookedAt = (type: number, { ignoreKe }: ProposalContext) => !(ignoreKe === true && type === TransformType.KE)

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
