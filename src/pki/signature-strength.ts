import { describeKey } from '../crypto/public-key.ts'
import type { PublicKey } from '../crypto/signature.ts'
import type { PathRules } from './path-rules.ts'
import type { Signed } from './signed.ts'

/** What every signature that something rests on has to keep: those of certificates, of revocation lists and of OCSP responses. */
export type StrengthRules = Pick<PathRules, 'minRsaBits' | 'allowSha1'>

/** Why the signature, good or not, is too weak to rest on; undefined when it is not. Goes on from `it`, and says what to set. */
export function weakness(
  { algorithm }: Signed,
  key: PublicKey | undefined,
  { minRsaBits, allowSha1 }: StrengthRules,
): string | undefined {
  const { scheme } = algorithm
  if (!allowSha1 && scheme !== undefined && 'hash' in scheme && scheme.hash === 'sha1')
    return `is signed with ${algorithm.name}, SHA-256 or better was expected (have it signed with SHA-256, or set allowSha1)`
  if (key?.kind === 'rsa' && key.bits < minRsaBits)
    return `is signed by the key ${describeKey(key)}, at least ${minRsaBits} bits were expected (use a longer key, or lower minRsaBits)`
  return undefined
}
