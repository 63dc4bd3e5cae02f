import { fitsKey } from '../crypto/public-key.ts'
import type { PublicKeyKind, SignatureScheme } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'
import { UsageError } from '../errors.ts'

/** Which signatures are made or taken: `pubkey` any, or one family; under these hashes, or all of SHA-2 when there are none. */
export interface SignatureRule {
  readonly family: SignatureFamily
  readonly hashes: readonly HashName[]
}

export type SignatureFamily = 'pubkey' | 'rsa' | 'rsa/pss' | 'ecdsa' | 'ed25519' | 'ed448'

/** For messages about what may stand in a list of signatures. */
export const signatureNotation =
  'pubkey, rsa, rsa/pss, ecdsa, each with hashes if wanted (-sha256, -sha384, -sha512, -sha1), ed25519, ed448'

/**
 * Reads for example `rsa/pss-sha384`, `ecdsa-sha256-sha384`, `pubkey`, `ed25519`; with `ike:` in front as swanctl.conf has it. `rsa` is PKCS #1
 * v1.5. SHA-1 is only ever meant when it is named. Throws `UsageError`.
 */
export function parseSignatureRule(text: string): SignatureRule {
  const [family, ...hashes] = text
    .replace(/^ike:/, '')
    .split('-')
    .map((word) => word.toLowerCase())
  if (!isFamily(family) || !hashes.every(isHash) || (family.startsWith('ed') && hashes.length > 0)) {
    throw new UsageError('signatures', `${JSON.stringify(text)} is none; allowed: ${signatureNotation}`)
  }
  return { family, hashes }
}

/** The same notation of one scheme: `rsa-sha256`, `rsa/pss-sha384`, `ecdsa-sha256`, `ed25519`. */
export function formatScheme(scheme: SignatureScheme): string {
  const family = familyOf(scheme)
  return 'hash' in scheme ? `${family}-${scheme.hash}` : family
}

/** The same of a list of schemes, each once. */
export const formatSchemes = (schemes: readonly SignatureScheme[]): string =>
  [...new Set(schemes.map(formatScheme))].join(', ')

/** True when one of the rules means this scheme. No rules: everything with SHA-2. */
export function rulesAllow(rules: readonly SignatureRule[], scheme: SignatureScheme): boolean {
  return (rules.length === 0 ? anySha2 : rules).some(({ family, hashes }) => {
    if (family !== 'pubkey' && family !== familyOf(scheme)) return false
    return !('hash' in scheme) || (hashes.length === 0 ? sha2 : hashes).includes(scheme.hash)
  })
}

/** What a key makes by these rules, the most wanted first; ECDSA as DER, the salt of PSS as long as the hash (RFC 4055 §3.1). */
export function schemesOf(key: PublicKeyKind, rules: readonly SignatureRule[]): SignatureScheme[] {
  const schemes = (rules.length === 0 ? anySha2 : rules).flatMap(({ family, hashes }) => {
    const families = family === 'pubkey' ? preferredFamilies : [family]
    return families.flatMap((one) => schemesOfFamily(one, hashes.length === 0 ? preferredHashes(key) : hashes))
  })
  return schemes.filter((scheme) => fitsKey(key, scheme))
}

/** Octets of a digest. */
export const hashBytes: Readonly<Record<HashName, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

type Family = Exclude<SignatureFamily, 'pubkey'>

/** RFC 8247 §3.2.2 wants PSS rather than PKCS #1 v1.5. */
const preferredFamilies: readonly Family[] = ['rsa/pss', 'rsa', 'ecdsa', 'ed25519', 'ed448']
const sha2: readonly HashName[] = ['sha256', 'sha384', 'sha512']
const anySha2: readonly SignatureRule[] = [{ family: 'pubkey', hashes: [] }]

const isFamily = (word: string | undefined): word is SignatureFamily =>
  word === 'pubkey' || preferredFamilies.some((family) => family === word)
const isHash = (word: string): word is HashName => Object.hasOwn(hashBytes, word)

function familyOf(scheme: SignatureScheme): Family {
  if (scheme.kind === 'rsa-pkcs1') return 'rsa'
  return scheme.kind === 'rsa-pss' ? 'rsa/pss' : scheme.kind
}

/** A hash as strong as the curve first: that is what RFC 4754 pairs, and what peers with but one hash for a curve have. */
function preferredHashes(key: PublicKeyKind): readonly HashName[] {
  if (key.kind !== 'ec') return sha2
  const first = key.curve.includes('256') ? 'sha256' : key.curve.includes('384') ? 'sha384' : 'sha512'
  return [first, ...sha2.filter((hash) => hash !== first)]
}

function schemesOfFamily(family: Family, hashes: readonly HashName[]): SignatureScheme[] {
  switch (family) {
    case 'rsa':
      return hashes.map((hash) => ({ kind: 'rsa-pkcs1', hash }))
    case 'rsa/pss':
      return hashes.map((hash) => ({ kind: 'rsa-pss', hash, saltBytes: hashBytes[hash] }))
    case 'ecdsa':
      return hashes.map((hash) => ({ kind: 'ecdsa', hash, encoding: 'der' }))
    default:
      return [{ kind: family }]
  }
}
