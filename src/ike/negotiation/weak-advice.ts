import { encrInfo, TransformType } from '../../crypto/transforms.ts'
import { keyBitsOf, type ProposalLike, type TransformLike } from './proposal-keywords.ts'
import { keywordOf, keywordRow } from './transform-keywords.ts'

/** An algorithm of a proposal that should not be there. */
export interface WeakAdvice {
  /** As it stands in the proposal. */
  readonly keyword: string
  readonly why: string
  /** What to write in its place. */
  readonly instead: string
}

type Advice = Omit<WeakAdvice, 'keyword'>

const strongGroup = 'x25519, ecp256 or modp3072'

/** By the name that allows them. */
const adviceByName: Readonly<Record<string, Advice>> = {
  '3des': {
    why: 'has blocks of 64 bits, of which two are alike after some gigabytes (RFC 8221 §5: SHOULD NOT), and lasts for 8 MiB under one key here',
    instead: 'aes256gcm16',
  },
  null: {
    why: 'encrypts nothing: whoever stands on the path reads every packet',
    instead: 'aes256gcm16 or aes256-sha256',
  },
  sha1: { why: 'is being phased out (RFC 8221 §6, RFC 8247 §2.2 and §2.3: MUST-)', instead: 'sha256' },
  modp1024: { why: 'is within reach of large adversaries (RFC 8247 §2.4: SHOULD NOT)', instead: strongGroup },
  modp1536: {
    why: 'is close to being within reach of large adversaries (RFC 8247 §2.4: SHOULD NOT)',
    instead: strongGroup,
  },
}

/** RFC 8221 §5 has AES-CCM-8 for small devices, and of AES-GCM asks for the tag of 16 octets. */
const shortTag = { why: 'has an ICV of 8 octets, which is for devices that can afford no more (RFC 8221 §5)' }

/**
 * What is weak in a proposal, each algorithm once: also what may be configured without being named as allowed. RFC 8221 for ESP, RFC 8247 for
 * IKE.
 */
export function weakAdvice(proposal: ProposalLike): WeakAdvice[] {
  const found = new Map<string, WeakAdvice>()
  for (const transform of proposal.transforms) {
    const advice = adviceFor(transform)
    const keyword = keywordOf(transform.type, transform.id, keyBitsOf(transform))
    if (advice !== undefined) found.set(advice.why, { keyword, ...advice })
  }
  return [...found.values()]
}

function adviceFor(transform: TransformLike): Advice | undefined {
  const { type, id } = transform
  const row = keywordRow(type, id, keyBitsOf(transform))
  if (row?.weakAs !== undefined) return adviceByName[row.weakAs]
  if (type !== TransformType.ENCR || encrInfo(id)?.tagBytes !== 8) return undefined
  return { ...shortTag, instead: row?.keyword.replace('ccm8iiv', 'gcm16iiv').replace('m8', 'm16') ?? 'aes256gcm16' }
}
