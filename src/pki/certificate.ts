import { equalBytes, toHex } from '../bytes/index.ts'
import { DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { decodePublicKey } from '../crypto/public-key.ts'
import type { PublicKey } from '../crypto/signature.ts'
import { DecodeError } from '../errors.ts'
import { type DistinguishedName, decodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import { decodeTime } from './der-time.ts'
import { decodeExtensions, type Extensions, noExtensions } from './extensions.ts'
import { decodeSigned, type Signed, sameAlgorithm } from './signed.ts'

/** A certificate, read once. RFC 5280 §4. */
export interface Certificate extends Signed {
  readonly der: Uint8Array
  /** 1, 2 or 3. */
  readonly version: number
  /** Big-endian without leading zeros. */
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

const WHERE = 'certificate'
const SECTION = 'RFC 5280 §4.1'
/** Nobody's certificate is as large; what a peer sends is bounded by IKE besides. */
const MOST_BYTES = 65_536

/** Decodes a certificate in DER, which is copied. Throws `DecodeError`. RFC 5280 §4.1. */
export function decodeCertificate(octets: Uint8Array): Certificate {
  if (octets.length > MOST_BYTES) new DerReader(octets, WHERE, SECTION).fail(`${octets.length} octets are too many`)
  const der = Uint8Array.from(octets)
  const { body, algorithmDer, ...signed } = decodeSigned(der, WHERE, SECTION)
  const version = decodeVersion(body)
  const serial = decodeSerial(body, 'serialNumber')
  sameAlgorithm(body, algorithmDer)
  const issuerDer = body.any('issuer')
  const validity = body.sequence('validity')
  const notBefore = decodeTime(validity, 'notBefore')
  const notAfter = decodeTime(validity, 'notAfter')
  validity.end()
  const subjectDer = body.any('subject')
  const spki = body.any('subjectPublicKeyInfo')
  const extensions = decodeTail(body, version)
  const issuer = decodeName(issuerDer, 'issuer')
  const subject = decodeName(subjectDer, 'subject')
  return {
    ...signed,
    der,
    version,
    serial,
    issuer,
    issuerDer,
    subject,
    subjectDer,
    subjectText: formatName(subject),
    issuerText: formatName(issuer),
    notBefore,
    notAfter,
    spki,
    ...decodeKey(spki),
    extensions,
  }
}

/** How a message names a certificate: its subject, or its serial number when it has none. */
export const nameOfCertificate = ({ subjectText, serial }: Certificate): string =>
  subjectText === '' ? `the certificate ${toHex(serial)}` : `"${subjectText}"`

/** True for the very same certificate. */
export const isSameCertificate = (a: Certificate, b: Certificate): boolean => a === b || equalBytes(a.der, b.der)

/** Subject and issuer are the same name: its own, or another key of the same authority. RFC 5280 §6.1. */
export const isSelfIssued = ({ subject, issuer }: Certificate): boolean => equalNames(subject, issuer)

/** A serial number is positive; from authorities that break this rule it is taken as it is. RFC 5280 §4.1.2.2. */
export function decodeSerial(reader: DerReader, what: string): Uint8Array {
  const octets = reader.element(DerTag.INTEGER, what)
  if (octets.length === 0 || octets.length > 64) reader.fail(`${what} of ${octets.length} octets`)
  return octets
}

function decodeVersion(body: DerReader): number {
  if (body.tag !== VERSION_TAG) return 1
  const explicit = body.nested(VERSION_TAG, 'version')
  const version = explicit.smallInteger('version')
  explicit.end()
  // 0 is the default, which DER leaves out; some authorities write it.
  if (version > 2) body.fail(`version ${version + 1}`)
  return version + 1
}

const VERSION_TAG = 0xa0
const EXTENSIONS_TAG = 0xa3
const UNIQUE_IDS: readonly number[] = [0x81, 0x82]

function decodeTail(body: DerReader, version: number): Extensions {
  for (const tag of UNIQUE_IDS) if (body.tag === tag) body.element(tag, 'unique identifier')
  let extensions = noExtensions
  if (body.tag === EXTENSIONS_TAG) {
    if (version !== 3) body.fail(`extensions in version ${version}`)
    const explicit = body.nested(EXTENSIONS_TAG, 'extensions')
    extensions = decodeExtensions(explicit, WHERE)
    explicit.end()
  }
  body.end()
  return extensions
}

/** Of a certificate with a key that is not implemented the rest can still be shown, and refused with its reason. */
function decodeKey(spki: Uint8Array): Pick<Certificate, 'publicKey' | 'keyProblem' | 'keyOctets'> {
  const outer = new DerReader(spki, 'SubjectPublicKeyInfo', 'RFC 5280 §4.1.2.7')
  const info = outer.sequence('SubjectPublicKeyInfo')
  info.any('algorithm')
  const keyOctets = info.bitString('subjectPublicKey')
  info.end()
  try {
    return { publicKey: decodePublicKey(spki), keyProblem: '', keyOctets }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { publicKey: undefined, keyProblem: error.message, keyOctets }
  }
}
