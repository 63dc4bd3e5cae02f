import { type AsnType, Integer } from 'asn1js'
import { CertificateRevocationList } from 'pkijs'
import { type DistinguishedName, decodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import {
  contentsOfBlock,
  demandCount,
  elements,
  malformed,
  optionalPart,
  readAs,
  readBlock,
  type Subject,
  sequenceOf,
  taggedParts,
  timeOf,
} from './asn1.ts'
import type { Certificate } from './certificate.ts'
import { type Revocation, splitCrl } from './crl-entries.ts'
import { pointUrls, rawExtensions } from './extensions.ts'
import { ExtensionOid } from './oids.ts'
import { demandSameAlgorithm, type Signed, signedOf } from './signed.ts'

export { type Revocation, serialKey } from './crl-entries.ts'

/** A certificate revocation list, read once. RFC 5280 §5. */
export interface Crl extends Signed {
  readonly issuer: DistinguishedName
  readonly issuerText: string
  /** ms since 1970. */
  readonly thisUpdate: number
  readonly nextUpdate: number | undefined
  /** By `serialKey`. */
  readonly revoked: ReadonlyMap<string, Revocation>
  /** It is about these certificates only. */
  readonly only: 'end entities' | 'authorities' | undefined
  /** Where it is published, when it says so: it is about the certificates that name one of these. */
  readonly urls: readonly string[]
  /** Why it settles nothing about a certificate by itself; undefined for a complete list. */
  readonly unusable: string | undefined
}

const SUBJECT: Subject = { where: 'CRL', section: 'RFC 5280 §5.1' }

/** Decodes a list in DER, which is copied. Throws `DecodeError`. RFC 5280 §5.1. */
export function decodeCrl(octets: Uint8Array): Crl {
  const { tbs, head, revoked, unusable } = splitCrl(Uint8Array.from(octets))
  const whole = readBlock(head, SUBJECT)
  const read = readAs(CertificateRevocationList, whole, SUBJECT)
  if (read.version !== 0 && read.version !== 1) throw malformed(SUBJECT, 'a version above 2')
  demandCount(whole, 3, SUBJECT)
  const fields = elements(elements(whole)[0])
  const [algorithm, , ...behindIssuer] = fields[0] instanceof Integer ? fields.slice(1) : fields
  demandSameAlgorithm(algorithm, whole, SUBJECT)
  const [thisUpdate, nextUpdate] = behindIssuer
  const behindTimes = behindIssuer.slice(read.nextUpdate === undefined ? 1 : 2)
  const extensions = optionalPart(taggedParts(behindTimes, 0, SUBJECT).get(0), SUBJECT)
  const issuer = decodeName(new Uint8Array(read.issuer.valueBeforeDecode), SUBJECT.where)
  return {
    ...signedOf(tbs, read.signatureAlgorithm, read.signatureValue, SUBJECT),
    issuer,
    issuerText: formatName(issuer),
    thisUpdate: timeOf(thisUpdate, SUBJECT, 'thisUpdate'),
    nextUpdate: read.nextUpdate && timeOf(nextUpdate, SUBJECT, 'nextUpdate'),
    revoked,
    ...scopeOf(extensions, unusable),
  }
}

/** For people. RFC 5280 §5.3.1. */
export const reasonName = (reason: number | undefined): string => reasons[reason ?? 0] ?? `reason ${reason}`

const reasons = [
  'no reason given',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'reason 7',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
]

/** Clocks differ by less than this; a list may be of the next minute. */
export const CLOCK_SKEW_MS = 300_000

/**
 * Why the list says nothing about whether `certificate` was revoked; undefined when it does. That `issuer` signed it is for the caller
 * to check. RFC 5280 §6.3.3.
 */
export function crlProblem(crl: Crl, certificate: Certificate, issuer: Certificate, now: number): string | undefined {
  if (!equalNames(crl.issuer, issuer.subject)) return `it is of "${crl.issuerText}"`
  if (crl.unusable !== undefined) return crl.unusable
  const { keyUsage } = issuer.extensions
  if (keyUsage !== undefined && !keyUsage.has('cRLSign')) return 'its issuer has no cRLSign in keyUsage'
  if (crl.thisUpdate > now + CLOCK_SKEW_MS) return 'it is not valid yet'
  if (crl.nextUpdate !== undefined && crl.nextUpdate < now)
    return `it should have been replaced at ${new Date(crl.nextUpdate).toISOString()}`
  const isAuthority = certificate.extensions.basicConstraints?.isAuthority === true
  if (crl.only !== undefined && isAuthority !== (crl.only === 'authorities')) return `it is about ${crl.only} only`
  const { crlUrls } = certificate.extensions
  if (crl.urls.length > 0 && crlUrls.length > 0 && !crlUrls.some((url) => crl.urls.includes(url)))
    return 'it is of another distribution point'
  return undefined
}

type Scope = Pick<Crl, 'only' | 'urls' | 'unusable'>

function scopeOf(extensions: AsnType | undefined, unusableEntries: string | undefined): Scope {
  let scope: Scope = { only: undefined, urls: [], unusable: unusableEntries }
  for (const { oid, critical, value } of rawExtensions(extensions, SUBJECT)) {
    if (oid === ExtensionOid.issuingDistributionPoint) {
      const point = issuingPointOf(value)
      scope = { ...point, unusable: scope.unusable ?? point.unusable }
    } else if (oid === ExtensionOid.deltaCrlIndicator) {
      scope = { ...scope, unusable: 'it is a delta CRL, and only complete ones are used' }
    } else if (critical && oid !== ExtensionOid.authorityKeyIdentifier && oid !== ExtensionOid.crlNumber) {
      scope = { ...scope, unusable: `it has the critical extension ${oid}, which is not understood` }
    }
  }
  return scope
}

/** All fields are optional: a flag that the library takes for absent would widen the list, so each is looked at. RFC 5280 §5.2.5. */
function issuingPointOf(value: Uint8Array): Scope {
  const subject = { where: 'issuingDistributionPoint of the CRL', section: 'RFC 5280 §5.2.5' }
  const point = taggedParts(sequenceOf(readBlock(value, subject), subject), 5, subject)
  const isSet = (tag: number): boolean => {
    const field = point.get(tag)
    return field !== undefined && contentsOfBlock(field).some((octet) => octet !== 0)
  }
  const urls = pointUrls(point.get(0), subject)
  const unusable = point.has(3)
    ? 'it is for some reasons only'
    : isSet(4)
      ? 'it is an indirect CRL'
      : isSet(5)
        ? 'it is about attribute certificates'
        : // It may be a part of the authority's certificates, and which one cannot be told.
          point.has(0) && urls.length === 0
          ? 'it is of a distribution point without a URL'
          : undefined
  return { only: isSet(1) ? 'end entities' : isSet(2) ? 'authorities' : undefined, urls, unusable }
}
