import { describeKey } from '../crypto/public-key.ts'
import { type Certificate, isSelfIssued, nameOfCertificate } from './certificate.ts'
import { formatTime } from './der-time.ts'
import { nameConstraintProblem } from './name-constraints.ts'
import { Purpose, purposeName } from './oids.ts'

/** What a chain has to keep. */
export interface PathRules {
  /** ms since 1970. */
  readonly now: number
  /** RSA keys below this many bits are refused. */
  readonly minRsaBits: number
  /** Signatures over SHA-1 are taken. */
  readonly allowSha1: boolean
  /**
   * What a certificate with an extended key usage must be for; one without it is for everything. `ike`: IKE or any purpose (RFC 4945
   * §5.1.3.12); `server`, `client`: that, IKE or any; `any`: IKE, server, client or any.
   */
  readonly purpose: 'any' | 'ike' | 'server' | 'client'
}

/** Why a certificate, or the path above it, is refused. */
export interface PathProblem {
  /** The certificate, as people know it. */
  readonly certificate: string
  /** RFC and section of the rule. */
  readonly rule: string
  /** One sentence: which certificate, what it has, what was expected. */
  readonly message: string
  /** What to change. */
  readonly hint: string
}

/** The first rule that a path breaks; `path` goes from the end entity to the trust anchor, each signed by the next. RFC 5280 §6.1. */
export function pathProblem(path: readonly Certificate[], rules: PathRules): PathProblem | undefined {
  for (let at = path.length - 1; at >= 0; at--) {
    const problem = certificateProblem(path, at, rules)
    if (problem !== undefined) return problem
  }
  return undefined
}

function certificateProblem(path: readonly Certificate[], at: number, rules: PathRules): PathProblem | undefined {
  const certificate = path[at]!
  const isAnchor = at === path.length - 1
  return (
    strengthProblem(certificate, isAnchor, rules) ??
    validityProblem(certificate, rules.now) ??
    criticalProblem(certificate) ??
    (at > 0 ? authorityProblem(path, at, isAnchor) : endEntityProblem(certificate, rules.purpose)) ??
    constraintsProblem(path, at)
  )
}

function strengthProblem(
  certificate: Certificate,
  isAnchor: boolean,
  { minRsaBits, allowSha1 }: PathRules,
): PathProblem | undefined {
  const { publicKey, keyProblem, algorithm } = certificate
  if (publicKey === undefined)
    return problem(
      certificate,
      'RFC 5280 §4.1.2.7',
      `has a key that cannot be used (${keyProblem})`,
      'issue a certificate for an RSA, ECDSA, Ed25519 or Ed448 key',
    )
  if (publicKey.kind === 'rsa' && publicKey.bits < minRsaBits)
    return problem(
      certificate,
      'minRsaBits',
      `has the key ${describeKey(publicKey)}, at least ${minRsaBits} bits were expected`,
      `issue it for a longer key, or lower minRsaBits`,
    )
  // What an anchor is signed with does not matter: it is trusted because it is configured.
  if (isAnchor || allowSha1) return undefined
  const { scheme } = algorithm
  if (scheme !== undefined && 'hash' in scheme && scheme.hash === 'sha1')
    return problem(
      certificate,
      'allowSha1',
      `is signed with ${algorithm.name}, SHA-256 or better was expected`,
      'have it issued anew with SHA-256, or set allowSha1',
    )
  return undefined
}

function validityProblem(certificate: Certificate, now: number): PathProblem | undefined {
  const { notBefore, notAfter } = certificate
  if (now < notBefore)
    return problem(
      certificate,
      'RFC 5280 §6.1.3 (a)(2)',
      `is not valid before ${formatTime(notBefore)}, it is ${formatTime(now)}`,
      'check the clocks of both machines',
    )
  if (now > notAfter)
    return problem(
      certificate,
      'RFC 5280 §6.1.3 (a)(2)',
      `expired at ${formatTime(notAfter)}, it is ${formatTime(now)}`,
      'have it issued anew, or check the clock',
    )
  return undefined
}

function criticalProblem(certificate: Certificate): PathProblem | undefined {
  const { unknownCritical } = certificate.extensions
  if (unknownCritical.length === 0) return undefined
  return problem(
    certificate,
    'RFC 5280 §6.1.4 (o)',
    `has the critical extension ${unknownCritical.join(', ')}, which is not understood`,
    'issue it without that extension, or not critical',
  )
}

function authorityProblem(path: readonly Certificate[], at: number, isAnchor: boolean): PathProblem | undefined {
  const certificate = path[at]!
  const { basicConstraints, keyUsage } = certificate.extensions
  // An old authority has no extensions: as anchor it was configured to be one.
  if (basicConstraints?.isAuthority !== true && !(isAnchor && certificate.version < 3))
    return problem(
      certificate,
      'RFC 5280 §6.1.4 (k)',
      `issued ${nameOfCertificate(path[at - 1]!)}, but basicConstraints with cA true were expected of an authority and ${basicConstraints === undefined ? 'are missing' : 'say that it is none'}`,
      'have it issued as an authority',
    )
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign'))
    return problem(
      certificate,
      'RFC 5280 §6.1.4 (n)',
      `issued ${nameOfCertificate(path[at - 1]!)}, but its keyUsage is ${[...keyUsage].join(', ') || 'empty'}, keyCertSign was expected`,
      'have it issued with keyCertSign',
    )
  // Authorities between this one and the end entity; those that change only their key do not count.
  const below = path.slice(1, at).filter((one) => !isSelfIssued(one)).length
  const limit = basicConstraints?.pathLength
  if (limit !== undefined && below > limit)
    return problem(
      certificate,
      'RFC 5280 §6.1.4 (m)',
      `allows ${limit} authorities below it (pathLenConstraint), there are ${below}`,
      'issue it with a larger pathLenConstraint, or use fewer authorities',
    )
  return undefined
}

const purposes: Readonly<Record<PathRules['purpose'], readonly string[]>> = {
  ike: [Purpose.ipsecIke, Purpose.iKEIntermediate, Purpose.any],
  server: [Purpose.serverAuth, Purpose.ipsecIke, Purpose.iKEIntermediate, Purpose.any],
  client: [Purpose.clientAuth, Purpose.ipsecIke, Purpose.iKEIntermediate, Purpose.any],
  any: [Purpose.serverAuth, Purpose.clientAuth, Purpose.ipsecIke, Purpose.iKEIntermediate, Purpose.any],
}

function endEntityProblem(certificate: Certificate, purpose: PathRules['purpose']): PathProblem | undefined {
  const { keyUsage, extendedKeyUsage } = certificate.extensions
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature') && !keyUsage.has('nonRepudiation'))
    return problem(
      certificate,
      'RFC 4945 §5.1.3.2',
      `has the keyUsage ${[...keyUsage].join(', ') || 'of nothing'}, digitalSignature was expected`,
      'have it issued with digitalSignature',
    )
  if (extendedKeyUsage === undefined || extendedKeyUsage.some((oid) => purposes[purpose].includes(oid)))
    return undefined
  return problem(
    certificate,
    'RFC 4945 §5.1.3.12',
    `is for ${extendedKeyUsage.map(purposeName).join(', ') || 'nothing'} (extKeyUsage), one of ${purposes[purpose].map(purposeName).join(', ')} was expected`,
    'have it issued for one of these, or set extendedKeyUsage',
  )
}

/** The constraints of all authorities above, on all names but those of authorities that change only their key. RFC 5280 §6.1.3 (b). */
function constraintsProblem(path: readonly Certificate[], at: number): PathProblem | undefined {
  const certificate = path[at]!
  if (at > 0 && isSelfIssued(certificate)) return undefined
  for (const authority of path.slice(at + 1)) {
    const { nameConstraints } = authority.extensions
    const broken = nameConstraints === undefined ? undefined : nameConstraintProblem(certificate, nameConstraints)
    if (broken === undefined) continue
    return problem(
      certificate,
      'RFC 5280 §6.1.3 (b)',
      `breaks the name constraints of ${nameOfCertificate(authority)}: ${broken}`,
      'use a name that this authority may vouch for',
    )
  }
  return undefined
}

const problem = (certificate: Certificate, rule: string, message: string, hint: string): PathProblem => ({
  certificate: nameOfCertificate(certificate),
  rule,
  message: `${nameOfCertificate(certificate)} ${message} (${rule})`,
  hint,
})
