import { equalBytes } from '../bytes/index.ts'
import { contextTag, DerTag, derElement, derOid } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import type { HashName } from '../crypto/transforms.ts'
import { type DistinguishedName, decodeName } from '../ike/codec/distinguished-name.ts'
import { type Certificate, decodeCertificate, decodeSerial } from './certificate.ts'
import type { Revocation } from './crl.ts'
import { decodeTime } from './der-time.ts'
import { decodeRawExtensions } from './extensions.ts'
import { decodeHashAlgorithm, encodeHashAlgorithm } from './signature-algorithm.ts'
import { readSigned, type Signed } from './signed.ts'

/** Which certificate is meant: hashes of its issuer's name and key, and its serial number. RFC 6960 §4.1.1. */
export interface CertId {
  /** Undefined for a hash that is not implemented. */
  readonly hash: HashName | undefined
  readonly issuerNameHash: Uint8Array
  readonly issuerKeyHash: Uint8Array
  readonly serial: Uint8Array
}

export interface OcspAnswer {
  readonly id: CertId
  readonly status: 'good' | 'unknown' | 'revoked'
  /** With `revoked`. */
  readonly revocation: Revocation | undefined
  /** ms since 1970. */
  readonly thisUpdate: number
  readonly nextUpdate: number | undefined
}

/** A signed response, of status successful and type basic. RFC 6960 §4.2.1. */
export interface OcspResponse extends Signed {
  /** Who says that it signed: a name, or SHA-1 over its key. */
  readonly responder: { readonly name: DistinguishedName } | { readonly keyHash: Uint8Array }
  readonly producedAt: number
  readonly answers: readonly OcspAnswer[]
  readonly nonce: Uint8Array | undefined
  /** Sent along, for a responder that is not the issuer itself. */
  readonly certificates: readonly Certificate[]
}

export type Hash = (hash: HashName, data: Uint8Array) => Uint8Array

const BASIC = '1.3.6.1.5.5.7.48.1.1'
const NONCE = '1.3.6.1.5.5.7.48.1.2'
const WHERE = 'OCSP response'
const SECTION = 'RFC 6960 §4.2.1'

/** The identifier of a certificate of `issuer`, with SHA-1 as every responder knows it. RFC 6960 §4.3. */
export const certIdOf = (certificate: Certificate, issuer: Certificate, hash: Hash, by: HashName = 'sha1'): CertId => ({
  hash: by,
  issuerNameHash: hash(by, issuer.subjectDer),
  issuerKeyHash: hash(by, issuer.keyOctets),
  serial: certificate.serial,
})

export const equalCertIds = (a: CertId, b: CertId): boolean =>
  a.hash === b.hash &&
  equalBytes(a.issuerNameHash, b.issuerNameHash) &&
  equalBytes(a.issuerKeyHash, b.issuerKeyHash) &&
  equalBytes(a.serial, b.serial)

/** OCSPRequest for one certificate; `nonce` of 1 to 32 octets, undefined for none. RFC 6960 §4.1.1, RFC 8954. */
export function encodeOcspRequest(id: CertId, nonce: Uint8Array | undefined): Uint8Array {
  const list = derElement(DerTag.SEQUENCE, derElement(DerTag.SEQUENCE, encodeCertId(id)))
  const extensions =
    nonce === undefined ? [] : [derElement(contextTag(2), derElement(DerTag.SEQUENCE, encodeNonce(nonce)))]
  return derElement(DerTag.SEQUENCE, derElement(DerTag.SEQUENCE, list, ...extensions))
}

export function encodeCertId({ hash, issuerNameHash, issuerKeyHash, serial }: CertId): Uint8Array {
  return derElement(
    DerTag.SEQUENCE,
    encodeHashAlgorithm(hash ?? 'sha1'),
    derElement(DerTag.OCTET_STRING, issuerNameHash),
    derElement(DerTag.OCTET_STRING, issuerKeyHash),
    // Octet by octet what the certificate has, so that the responder finds it.
    derElement(DerTag.INTEGER, serial),
  )
}

/** The nonce's Extension; its value is an OCTET STRING within the extension's own. */
export const encodeNonce = (nonce: Uint8Array): Uint8Array =>
  derElement(DerTag.SEQUENCE, derOid(NONCE), derElement(DerTag.OCTET_STRING, derElement(DerTag.OCTET_STRING, nonce)))

/** Decodes OCSPResponse, which is copied. `problem`: the responder has no answer. Throws `DecodeError`. RFC 6960 §4.2.1. */
export function decodeOcspResponse(octets: Uint8Array): OcspResponse | { readonly problem: string } {
  const outer = new DerReader(Uint8Array.from(octets), WHERE, SECTION)
  const response = outer.sequence('OCSPResponse')
  outer.end()
  const status = response.element(ENUMERATED, 'responseStatus')[0] ?? response.fail('responseStatus is empty')
  if (status !== 0) return { problem: statusNames[status] ?? `status ${status}` }
  const explicit = response.nested(contextTag(0), 'responseBytes')
  response.end()
  const bytes = explicit.sequence('ResponseBytes')
  explicit.end()
  const type = bytes.oid('responseType')
  const value = bytes.element(DerTag.OCTET_STRING, 'response')
  bytes.end()
  return type === BASIC ? decodeBasic(value) : { problem: `a response of the type ${type}` }
}

const ENUMERATED = 0x0a
const statusNames = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  'status 4',
  'sigRequired',
  'unauthorized',
]

function decodeBasic(octets: Uint8Array): OcspResponse {
  const outer = new DerReader(octets, WHERE, SECTION)
  const basic = outer.sequence('BasicOCSPResponse')
  outer.end()
  const { signed, algorithm, signature } = readSigned(basic, WHERE, SECTION)
  const certificates: Certificate[] = []
  if (basic.tag === contextTag(0)) {
    const list = basic.nested(contextTag(0), 'certs').sequence('certs')
    while (list.tag !== undefined) certificates.push(decodeCertificate(list.any('certs')))
  }
  basic.end()
  return { signed, algorithm, signature, certificates, ...decodeResponseData(signed) }
}

function decodeResponseData(signed: Uint8Array): Pick<OcspResponse, 'responder' | 'producedAt' | 'answers' | 'nonce'> {
  const data = new DerReader(signed, WHERE, SECTION).sequence('ResponseData')
  if (data.tag === contextTag(0)) data.any('version')
  const responder = decodeResponder(data)
  const producedAt = decodeTime(data, 'producedAt')
  const list = data.sequence('responses')
  const answers: OcspAnswer[] = []
  while (list.tag !== undefined) answers.push(decodeAnswer(list.sequence('SingleResponse')))
  let nonce: Uint8Array | undefined
  if (data.tag === contextTag(1)) {
    const extensions = decodeRawExtensions(data.nested(contextTag(1), 'responseExtensions'))
    const found = extensions.find(({ oid }) => oid === NONCE)?.value
    if (found !== undefined) nonce = new DerReader(found, WHERE, 'RFC 8954 §2.1').element(DerTag.OCTET_STRING, 'nonce')
  }
  data.end()
  return { responder, producedAt, answers, nonce }
}

function decodeResponder(data: DerReader): OcspResponse['responder'] {
  if (data.tag === contextTag(1)) return { name: decodeName(data.element(contextTag(1), 'responderID'), WHERE) }
  const explicit = data.nested(contextTag(2), 'responderID')
  return { keyHash: explicit.element(DerTag.OCTET_STRING, 'responderID') }
}

function decodeAnswer(single: DerReader): OcspAnswer {
  const certId = single.sequence('certID')
  const id = {
    hash: decodeHashAlgorithm(certId, 'hashAlgorithm'),
    issuerNameHash: certId.element(DerTag.OCTET_STRING, 'issuerNameHash'),
    issuerKeyHash: certId.element(DerTag.OCTET_STRING, 'issuerKeyHash'),
    serial: decodeSerial(certId, 'serialNumber'),
  }
  certId.end()
  const { status, revocation } = decodeStatus(single)
  const thisUpdate = decodeTime(single, 'thisUpdate')
  const nextUpdate =
    single.tag === contextTag(0) ? decodeTime(single.nested(contextTag(0), 'nextUpdate'), 'nextUpdate') : undefined
  if (single.tag === contextTag(1)) single.any('singleExtensions')
  single.end()
  return { id, status, revocation, thisUpdate, nextUpdate }
}

/** CertStatus: [0] and [2] IMPLICIT NULL, [1] IMPLICIT RevokedInfo. */
function decodeStatus(single: DerReader): Pick<OcspAnswer, 'status' | 'revocation'> {
  if (single.tag === contextTag(1)) {
    const info = single.nested(contextTag(1), 'revoked')
    const at = decodeTime(info, 'revocationTime')
    const reason =
      info.tag === contextTag(0)
        ? info.nested(contextTag(0), 'revocationReason').element(ENUMERATED, 'revocationReason')[0]
        : undefined
    info.end()
    return { status: 'revoked', revocation: { at, reason } }
  }
  const isGood = single.tag === 0x80
  single.element(isGood ? 0x80 : 0x82, 'certStatus')
  return { status: isGood ? 'good' : 'unknown', revocation: undefined }
}
