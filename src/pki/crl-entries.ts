import { toHex } from '../bytes/index.ts'
import { DerTag, derElement } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { decodeTime, isTime } from './der-time.ts'
import { ExtensionOid } from './oids.ts'

export interface Revocation {
  /** ms since 1970. */
  readonly at: number
  /** CRLReason. RFC 5280 §5.3.1. */
  readonly reason: number | undefined
}

export interface CrlEntries {
  /** By `serialKey`. */
  readonly revoked: ReadonlyMap<string, Revocation>
  /** Why the entries do not mean what they seem to; undefined when they do. */
  readonly unusable: string | undefined
}

const WHERE = 'CRL'
const SECTION = 'RFC 5280 §5.1'

/** A serial number as a key of maps: hexadecimal without leading zeros, which some writers add. */
export const serialKey = (serial: Uint8Array): string => toHex(serial).replace(/^(00)+(?=..)/, '')

/**
 * Takes a list apart: `tbs`, the octets that are signed (borrowed), `head`, the same list in DER without its entries, which the
 * library reads, and the entries, read here, in one pass: lists have tens of thousands, and a tree of objects for each would
 * stop the process for seconds (`npm run bench -- pki`). Throws `DecodeError`.
 */
export function splitCrl(der: Uint8Array): { readonly tbs: Uint8Array; readonly head: Uint8Array } & CrlEntries {
  const outer = new DerReader(der, WHERE, SECTION)
  const whole = outer.sequence(WHERE)
  outer.end()
  const tbs = whole.any(WHERE)
  const tail: Uint8Array[] = []
  while (whole.tag !== undefined) tail.push(whole.any(WHERE))
  const body = new DerReader(tbs, WHERE, SECTION).sequence(WHERE)
  const fields: Uint8Array[] = []
  let entries: CrlEntries | undefined
  let isAfterTime = false
  while (body.tag !== undefined) {
    // The only SEQUENCE behind a time.
    if (isAfterTime && body.tag === DerTag.SEQUENCE && entries === undefined) entries = decodeEntries(body)
    else {
      isAfterTime ||= isTime(body)
      fields.push(body.any(WHERE))
    }
  }
  const head = derElement(DerTag.SEQUENCE, derElement(DerTag.SEQUENCE, ...fields), ...tail)
  return { tbs, head, ...(entries ?? { revoked: new Map(), unusable: undefined }) }
}

/** revokedCertificates ::= SEQUENCE OF SEQUENCE { userCertificate, revocationDate, crlEntryExtensions OPTIONAL } */
function decodeEntries(body: DerReader): CrlEntries {
  const revoked = new Map<string, Revocation>()
  let unusable: string | undefined
  const list = body.sequence('revokedCertificates')
  while (list.tag !== undefined) {
    const entry = list.sequence('revokedCertificates')
    const serial = entry.element(DerTag.INTEGER, 'userCertificate')
    if (serial.length === 0 || serial.length > 64) entry.fail(`userCertificate of ${serial.length} octets`)
    const at = decodeTime(entry, 'revocationDate')
    const { reason, critical } = decodeEntryExtensions(entry)
    // Among them certificateIssuer: the entry would be about a certificate of somebody else.
    if (critical !== undefined)
      unusable = `it has entries with the critical extension ${critical}, which is not understood`
    entry.end()
    revoked.set(serialKey(serial), { at, reason })
  }
  return { revoked, unusable }
}

/** `critical`: the OBJECT IDENTIFIER of an extension that must be understood, and is not. RFC 5280 §5.3. */
function decodeEntryExtensions(entry: DerReader): { reason: number | undefined; critical: string | undefined } {
  let [reason, critical]: [number | undefined, string | undefined] = [undefined, undefined]
  if (entry.tag === undefined) return { reason, critical }
  const list = entry.sequence('crlEntryExtensions')
  while (list.tag !== undefined) {
    const one = list.sequence('extension')
    const oid = one.oid('extnID')
    const isCritical = one.tag === BOOLEAN && one.element(BOOLEAN, 'critical')[0] !== 0
    const value = one.element(DerTag.OCTET_STRING, 'extnValue')
    one.end()
    if (oid === ExtensionOid.reasonCode)
      reason = new DerReader(value, WHERE, SECTION).element(ENUMERATED, 'reasonCode')[0]
    else if (isCritical) critical = oid
  }
  return { reason, critical }
}

const BOOLEAN = 0x01
const ENUMERATED = 0x0a
