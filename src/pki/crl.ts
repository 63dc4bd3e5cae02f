import { toHex } from '../bytes/index.ts'
import { DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { type DistinguishedName, decodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import { type Certificate, decodeSerial } from './certificate.ts'
import { decodeTime, isTime } from './der-time.ts'
import { decodeBoolean, decodeRawExtensions, distributionPointUrls } from './extensions.ts'
import { ExtensionOid } from './oids.ts'
import { decodeSigned, type Signed, sameAlgorithm } from './signed.ts'

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

export interface Revocation {
  /** ms since 1970. */
  readonly at: number
  /** CRLReason. RFC 5280 §5.3.1. */
  readonly reason: number | undefined
}

const WHERE = 'CRL'
const SECTION = 'RFC 5280 §5.1'

/** Decodes a list in DER, which is copied. Throws `DecodeError`. RFC 5280 §5.1. */
export function decodeCrl(octets: Uint8Array): Crl {
  const { body, algorithmDer, ...signed } = decodeSigned(Uint8Array.from(octets), WHERE, SECTION)
  if (body.tag === DerTag.INTEGER && body.smallInteger('version') > 1) body.fail('a version above 2')
  sameAlgorithm(body, algorithmDer)
  const issuer = decodeName(body.any('issuer'), WHERE)
  const thisUpdate = decodeTime(body, 'thisUpdate')
  const nextUpdate = isTime(body) ? decodeTime(body, 'nextUpdate') : undefined
  const { revoked, unusable } = decodeEntries(body)
  const scope = decodeScope(body, unusable)
  body.end()
  return { ...signed, issuer, issuerText: formatName(issuer), thisUpdate, nextUpdate, revoked, ...scope }
}

/** A serial number as a key of maps: hexadecimal without leading zeros, which some writers add. */
export const serialKey = (serial: Uint8Array): string => toHex(serial).replace(/^(00)+(?=..)/, '')

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

function decodeEntries(body: DerReader): { revoked: Map<string, Revocation>; unusable: string | undefined } {
  const revoked = new Map<string, Revocation>()
  let unusable: string | undefined
  if (body.tag !== DerTag.SEQUENCE) return { revoked, unusable }
  const list = body.sequence('revokedCertificates')
  while (list.tag !== undefined) {
    const entry = list.sequence('revokedCertificates')
    const serial = decodeSerial(entry, 'userCertificate')
    const at = decodeTime(entry, 'revocationDate')
    let reason: number | undefined
    for (const { oid, critical, value } of entry.tag === undefined ? [] : decodeRawExtensions(entry)) {
      if (oid === ExtensionOid.reasonCode) reason = new DerReader(value, WHERE, SECTION).element(0x0a, 'reasonCode')[0]
      // Among them certificateIssuer: the entry would be about a certificate of somebody else.
      else if (critical) unusable = `it has entries with the critical extension ${oid}, which is not understood`
    }
    entry.end()
    revoked.set(serialKey(serial), { at, reason })
  }
  return { revoked, unusable }
}

const EXTENSIONS_TAG = 0xa0

function decodeScope(body: DerReader, unusableEntries: string | undefined): Pick<Crl, 'only' | 'urls' | 'unusable'> {
  let scope: Pick<Crl, 'only' | 'urls' | 'unusable'> = { only: undefined, urls: [], unusable: unusableEntries }
  if (body.tag !== EXTENSIONS_TAG) return scope
  const explicit = body.nested(EXTENSIONS_TAG, 'crlExtensions')
  for (const { oid, critical, value } of decodeRawExtensions(explicit)) {
    if (oid === ExtensionOid.issuingDistributionPoint) {
      const point = decodeIssuingPoint(new DerReader(value, WHERE, 'RFC 5280 §5.2.5'))
      scope = { ...point, unusable: scope.unusable ?? point.unusable }
    } else if (oid === ExtensionOid.deltaCrlIndicator) {
      scope = { ...scope, unusable: 'it is a delta CRL, and only complete ones are used' }
    } else if (critical && oid !== ExtensionOid.authorityKeyIdentifier && oid !== ExtensionOid.crlNumber) {
      scope = { ...scope, unusable: `it has the critical extension ${oid}, which is not understood` }
    }
  }
  explicit.end()
  return scope
}

/** issuingDistributionPoint: all fields are IMPLICIT, the name is a CHOICE and so EXPLICIT. RFC 5280 §5.2.5. */
function decodeIssuingPoint(reader: DerReader): Pick<Crl, 'only' | 'urls' | 'unusable'> {
  const point = reader.sequence('issuingDistributionPoint')
  reader.end()
  const hasName = point.tag === 0xa0
  const urls = hasName ? distributionPointUrls(point) : []
  const flag = (number: number): boolean => point.tag === (0x80 | number) && decodeBoolean(point, 'flag', 0x80 | number)
  const [usersOnly, authoritiesOnly] = [flag(1), flag(2)]
  const hasReasons = point.tag === 0x83 && point.element(0x83, 'onlySomeReasons').length > 0
  const [isIndirect, isOfAttributes] = [flag(4), flag(5)]
  point.end()
  const unusable = hasReasons
    ? 'it is for some reasons only'
    : isIndirect
      ? 'it is an indirect CRL'
      : isOfAttributes
        ? 'it is about attribute certificates'
        : // It may be a part of the authority's certificates, and which one cannot be told.
          hasName && urls.length === 0
          ? 'it is of a distribution point without a URL'
          : undefined
  return { only: usersOnly ? 'end entities' : authoritiesOnly ? 'authorities' : undefined, urls, unusable }
}
