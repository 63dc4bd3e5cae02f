import {
  encrInfo,
  hasOwnIntegrity,
  Integ,
  isAdditionalKe,
  KeGroup,
  Prf,
  Sn,
  TransformType,
} from '../../crypto/transforms.ts'
import { UsageError } from '../../errors.ts'
import type { ProposalConfig, TransformConfig } from '../config.ts'
import { didYouMean } from './nearest-words.ts'
import {
  isProvided,
  keywordOf,
  keywordRow,
  type TransformKeyword,
  transformKeywords,
  transformOf,
} from './transform-keywords.ts'

/** What a proposal is for. It decides which transform types it must and may have (RFC 7296 §3.3.3). */
export type ProposalKind = 'IKE' | 'ESP'

/** A transform as configured (`keyBits`) or as it came in a message (`attributes`). */
export interface TransformLike {
  readonly type: number
  readonly id: number
  readonly keyBits?: number
  readonly attributes?: readonly { readonly type: number; readonly value: number | Uint8Array }[]
}

/** A proposal of a configuration or of a message. */
export interface ProposalLike {
  readonly transforms: readonly TransformLike[]
}

/** The Key Length attribute of a transform: RFC 7296 §3.3.5. */
export const keyLengthType = 14

/** The key length in bits that a transform names, undefined when it names none. */
export function keyBitsOf(transform: TransformLike): number | undefined {
  if (transform.keyBits !== undefined) return transform.keyBits
  const attribute = transform.attributes?.find(({ type }) => type === keyLengthType)
  return typeof attribute?.value === 'number' ? attribute.value : undefined
}

/**
 * Parses strongSwan's notation: keywords joined by `-`, several of one kind are alternatives in order of preference,
 * for example `aes256-aes128-sha256-modp2048`. For IKE, integrity implies the PRF of the same hash when none is named, and
 * an AEAD without PRF implies the SHA-2 PRFs; for ESP, `noesn` is implied. Throws `UsageError` that names the keyword.
 * Weak algorithms parse: see `weakKeywords`.
 */
export function parseProposal(text: string, what: ProposalKind): ProposalConfig {
  const named = text
    .trim()
    .split('-')
    .map((keyword) => parseKeyword(keyword, text))
  const transforms: TransformConfig[] = []
  for (const { type, id, keyBits } of named) {
    if (transforms.some((one) => one.type === type && one.id === id && one.keyBits === keyBits)) continue
    transforms.push(keyBits === undefined ? { type, id } : { type, id, keyBits })
  }
  const problem = kindProblem(transforms, what)
  if (problem !== undefined) throw new UsageError('proposal', `"${text}": ${problem}`)
  return { transforms: inTypeOrder([...transforms, ...implied(transforms, what)]) }
}

/**
 * The proposal in the notation that `parseProposal` reads, types in the order encryption, integrity, PRF, key exchange,
 * additional key exchanges, ESN; what parsing would imply is left out. Transforms without a keyword appear by their registry name or number.
 */
export function formatProposal(proposal: ProposalLike): string {
  return shownTransforms(proposal).map(keywordFor).join('-')
}

/**
 * True when `formatProposal` gives a text that `parseProposal` reads. Looks at the transforms alone: strangers bring this about, and to
 * parse and to catch the error costs far more than all their message.
 */
export function isConfigurable(proposal: ProposalLike, what: ProposalKind): boolean {
  const shown = shownTransforms(proposal)
  return shown.every(isUsable) && kindProblem(shown, what) === undefined
}

/** What stands in the text: all but what parsing would imply. */
function shownTransforms(proposal: ProposalLike): TransformLike[] {
  const ofType = (type: number) => proposal.transforms.filter((transform) => transform.type === type)
  const integ = ofType(TransformType.INTEG).filter(({ id }) => id !== Integ.NONE)
  const ke = ofType(TransformType.KE).filter(({ id }) => id !== KeGroup.NONE)
  const prfs = ofType(TransformType.PRF)
  const sn = ofType(TransformType.SN)
  const additional = proposal.transforms.filter(({ type }) => isAdditionalKe(type))
  const others = proposal.transforms.filter(({ type }) => type < TransformType.ENCR || type > TransformType.ADDKE7)
  return [
    ...ofType(TransformType.ENCR),
    ...integ,
    ...(sameIds(prfs, impliedPrfs(integ)) ? [] : prfs),
    ...ke,
    ...additional,
    ...(sn.every(({ id }) => id === Sn.NO_ESN) ? [] : sn),
    ...others,
  ]
}

const keywordFor = (transform: TransformLike) => keywordOf(transform.type, transform.id, keyBitsOf(transform))

/** The weak algorithms of a proposal by the names that allow them (`prfsha1` counts as `sha1`), each once. RFC 8247, RFC 8221. */
export function weakKeywords(proposal: ProposalLike): string[] {
  const weak = proposal.transforms.map((one) => keywordRow(one.type, one.id, keyBitsOf(one))?.weakAs)
  return [...new Set(weak.filter((name) => name !== undefined))]
}

/** Algorithms that must be named in `allowWeak` before a configuration may use them, as far as the providers have them. */
export const weakAlgorithms: readonly string[] = ['sha1', '3des', 'null', 'modp1024', 'modp1536']

function parseKeyword(keyword: string, text: string): TransformKeyword {
  const row = transformOf(keyword)
  if (row === undefined) {
    const near = didYouMean(
      keyword,
      transformKeywords.filter((known) => isUsable(transformOf(known)!)),
    )
    throw new UsageError('proposal', `"${keyword}" in "${text}" is not an algorithm keyword${near}`)
  }
  if (!isUsable(row)) throw new UsageError('proposal', `"${keyword}" in "${text}" is known, but not implemented here`)
  return row
}

const isUsable = (transform: TransformLike) => isProvided(transform.type, transform.id, keyBitsOf(transform))

const ESP_ONLY = 'null, gmac and implicit IVs (iiv) are for ESP: an IKE proposal needs a cipher such as aes128gcm16'

/** What is missing or too much; the transforms are usable ones. RFC 7296 §3.3.3. */
function kindProblem(transforms: readonly TransformLike[], what: ProposalKind): string | undefined {
  const has = (type: TransformType) => transforms.some((transform) => transform.type === type)
  const ciphers = transforms.filter(({ type }) => type === TransformType.ENCR).map(({ id }) => encrInfo(id)!)
  const aeads = ciphers.filter(hasOwnIntegrity).length
  if (what === 'IKE' && ciphers.some(({ espOnly }) => espOnly === true)) return ESP_ONLY
  if (ciphers.length === 0) return `an ${what} proposal needs an encryption algorithm, such as aes128gcm16`
  // RFC 7296 §3.3: AEADs and other ciphers need two proposals, since only one of them has an integrity transform.
  if (aeads > 0 && aeads < ciphers.length) return 'AEADs and other ciphers cannot share a proposal: write two proposals'
  if (aeads > 0 && has(TransformType.INTEG)) {
    return 'an AEAD has its own integrity: name a PRF (prfsha256) instead, or write two proposals'
  }
  if (aeads === 0 && !has(TransformType.INTEG)) return 'the cipher needs an integrity algorithm, such as sha256'
  if (what === 'IKE' && !has(TransformType.KE)) return 'an IKE proposal needs a key exchange group, such as x25519'
  if (!has(TransformType.KE) && transforms.some(({ type }) => isAdditionalKe(type))) {
    return 'an additional key exchange needs a key exchange group before it, such as x25519'
  }
  if (what === 'IKE' && has(TransformType.SN)) return 'esn and noesn belong to ESP proposals'
  if (what === 'ESP' && has(TransformType.PRF)) return 'an ESP proposal has no PRF'
  return undefined
}

function implied(transforms: readonly TransformConfig[], what: ProposalKind): TransformConfig[] {
  const has = (type: TransformType) => transforms.some((transform) => transform.type === type)
  if (what === 'ESP') return has(TransformType.SN) ? [] : [{ type: TransformType.SN, id: Sn.NO_ESN }]
  if (has(TransformType.PRF)) return []
  const integ = transforms.filter(({ type }) => type === TransformType.INTEG)
  const prfs =
    integ.length > 0 ? impliedPrfs(integ) : [Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512]
  return prfs.map((id) => ({ type: TransformType.PRF, id }))
}

const prfOfInteg: Readonly<Record<number, number>> = {
  [Integ.AUTH_HMAC_MD5_96]: Prf.PRF_HMAC_MD5,
  [Integ.AUTH_HMAC_SHA1_96]: Prf.PRF_HMAC_SHA1,
  [Integ.AUTH_AES_XCBC_96]: Prf.PRF_AES128_XCBC,
  [Integ.AUTH_AES_CMAC_96]: Prf.PRF_AES128_CMAC,
  [Integ.AUTH_HMAC_SHA2_256_128]: Prf.PRF_HMAC_SHA2_256,
  [Integ.AUTH_HMAC_SHA2_384_192]: Prf.PRF_HMAC_SHA2_384,
  [Integ.AUTH_HMAC_SHA2_512_256]: Prf.PRF_HMAC_SHA2_512,
}

const impliedPrfs = (integ: readonly TransformLike[]): number[] =>
  integ.map(({ id }) => prfOfInteg[id]).filter((id) => id !== undefined)

const sameIds = (transforms: readonly TransformLike[], ids: readonly number[]): boolean =>
  transforms.length === ids.length && transforms.every(({ id }, at) => id === ids[at])

/** Stable: within a type the order of preference stays. */
const inTypeOrder = (transforms: readonly TransformConfig[]): TransformConfig[] =>
  [...transforms].sort((a, b) => a.type - b.type)
