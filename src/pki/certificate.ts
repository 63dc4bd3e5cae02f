import type { AsnType, Integer } from 'asn1js'
import { Certificate as LibraryCertificate } from 'pkijs'
import { equalBytes, toHex } from '../bytes/index.ts'
import { decodePublicKey } from '../crypto/public-key.ts'
import type { PublicKey } from '../crypto/signature.ts'
import { DecodeError } from '../errors.ts'
import { type DistinguishedName, decodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import {
  demandCount,
  elements,
  encodedBlock,
  isContext,
  malformed,
  optionalPart,
  readAs,
  readBlock,
  type Subject,
  taggedParts,
  timeOf,
  wholeOctets,
} from './asn1.ts'
import { decodeExtensions, type Extensions, noExtensions } from './extensions.ts'
import { demandSameAlgorithm, type Signed, signedOf } from './signed.ts'

/** A certificate, read once. RFC 5280 §4. */
export interface Certificate extends Signed {
  readonly der: Uint8Array
  /** 1, 2 or 3. */
  readonly version: number
  /** The octets of its INTEGER as they came; `serialKey` is to compare by. */
  readonly serial: Uint8Array
  readonly issuer: DistinguishedName
  /** As it is encoded. */
  readonly issuerDer: Uint8Array
  readonly subject: DistinguishedName
  readonly subjectDer: Uint8Array
  /** For people; `formatName`. */
  readonly subjectText: string
  readonly issuerText: string
  /** ms since 1970; the certificate is valid at both. */
  readonly notBefore: number
  readonly notAfter: number
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** The octets of its BIT STRING, which key identifiers are hashes of. */
  readonly keyOctets: Uint8Array
  /** Undefined for a kind of key that is not implemented: `keyProblem` says which. */
  readonly publicKey: PublicKey | undefined
  readonly keyProblem: string
  readonly extensions: Extensions
}

/** Nobody's certificate is larger, and it is strangers who send them. */
export const MOST_CERTIFICATE_BYTES = 32 * 1024

const SUBJECT: Subject = { where: 'certificate', section: 'RFC 5280 §4.1', mostBytes: MOST_CERTIFICATE_BYTES }

/** Decodes a certificate in DER of 32 KiB at most, which is copied. Throws `DecodeError`. RFC 5280 §4.1. */
export function decodeCertificate(octets: Uint8Array): Certificate {
  const der = Uint8Array.from(octets)
  const whole = readBlock(der, SUBJECT)
  const read = readAs(LibraryCertificate, whole, SUBJECT)
  const fields = fieldsOf(whole)
  demandSameAlgorithm(fields.algorithm, whole, SUBJECT)
  const issuer = decodeName(fields.issuer, 'issuer')
  const subject = decodeName(fields.subject, 'subject')
  return {
    ...signedOf(read.tbsView, read.signatureAlgorithm, read.signatureValue, SUBJECT),
    der,
    version: versionOf(read, fields),
    serial: serialOf(read.serialNumber, SUBJECT),
    issuer,
    issuerDer: fields.issuer,
    subject,
    subjectDer: fields.subject,
    subjectText: formatName(subject),
    issuerText: formatName(issuer),
    notBefore: timeOf(fields.notBefore, SUBJECT, 'notBefore'),
    notAfter: timeOf(fields.notAfter, SUBJECT, 'notAfter'),
    spki: fields.spki,
    ...keyOf(fields.spki, read),
    extensions: fields.extensions === undefined ? noExtensions : decodeExtensions(fields.extensions, SUBJECT.where),
  }
}

/** How a message names a certificate: its subject, or its serial number when it has none. */
export const nameOfCertificate = ({ subjectText, serial }: Certificate): string =>
  subjectText === '' ? `the certificate ${toHex(serial)}` : `"${subjectText}"`

/** True for the very same certificate. */
export const isSameCertificate = (a: Certificate, b: Certificate): boolean => a === b || equalBytes(a.der, b.der)

/** Subject and issuer are the same name: its own, or another key of the same authority. RFC 5280 §6.1. */
export const isSelfIssued = ({ subject, issuer }: Certificate): boolean => equalNames(subject, issuer)

/** A serial number is positive; from authorities that break this rule it is taken as it is. Borrowed. RFC 5280 §4.1.2.2. */
export function serialOf({ valueBlock }: Integer, subject: Subject): Uint8Array {
  const octets = valueBlock.valueHexView
  if (octets.length === 0 || octets.length > 64) throw malformed(subject, `a serial number of ${octets.length} octets`)
  return octets
}

function versionOf({ version }: LibraryCertificate, { extensions }: Fields): number {
  // 0 is the default, which DER leaves out; some authorities write it.
  if (![0, 1, 2].includes(version)) throw malformed(SUBJECT, `version ${version + 1}`)
  if (extensions !== undefined && version !== 2) throw malformed(SUBJECT, `extensions in version ${version + 1}`)
  return version + 1
}

type Fields = ReturnType<typeof fieldsOf>

/** As they are encoded: names are compared, and keys are hashed, octet by octet. Only of what the library has found good. */
function fieldsOf(whole: AsnType) {
  demandCount(whole, 3, SUBJECT)
  const all = elements(elements(whole)[0])
  const [, algorithm, issuer, validity, subject, spki, ...rest] = isContext(all[0]!, 0) ? all.slice(1) : all
  const [notBefore, notAfter] = elements(validity)
  return {
    algorithm: algorithm!,
    issuer: encodedBlock(issuer!),
    notBefore,
    notAfter,
    subject: encodedBlock(subject!),
    spki: encodedBlock(spki!),
    // Behind the unique identifiers of version 2.
    extensions: optionalPart(taggedParts(rest, EXTENSIONS, SUBJECT).get(EXTENSIONS), SUBJECT),
  }
}

const EXTENSIONS = 3

/** Of a certificate with a key that is not implemented the rest can still be shown, and refused with its reason. */
function keyOf(
  spki: Uint8Array,
  { subjectPublicKeyInfo }: LibraryCertificate,
): Pick<Certificate, 'publicKey' | 'keyProblem' | 'keyOctets'> {
  const keyOctets = wholeOctets(subjectPublicKeyInfo.subjectPublicKey, SUBJECT, 'subjectPublicKey')
  try {
    return { publicKey: decodePublicKey(spki), keyProblem: '', keyOctets }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { publicKey: undefined, keyProblem: error.message, keyOctets }
  }
}
