import { type AsnType, Enumerated, GeneralizedTime, Integer, OctetString } from 'asn1js'
import {
  BasicOCSPResponse,
  CertID,
  Extension,
  OCSPRequest,
  OCSPResponse,
  RelativeDistinguishedNames,
  Request,
  type ResponseData,
  SingleResponse,
  TBSRequest,
} from 'pkijs'
import { equalBytes } from '../bytes/index.ts'
import type { HashName } from '../crypto/transforms.ts'
import { type DistinguishedName, decodeName } from '../ike/codec/distinguished-name.ts'
import {
  elements,
  encodeBlock,
  encodedBlock,
  isContext,
  malformed,
  optionalPart,
  readAs,
  readBlock,
  type Subject,
  taggedParts,
  timeOf,
} from './asn1.ts'
import { type Certificate, decodeCertificate, serialOf } from './certificate.ts'
import type { Revocation } from './crl-entries.ts'
import { rawExtensions } from './extensions.ts'
import { hashIdentifier, hashOf } from './signature-algorithm.ts'
import { type Signed, signedOf } from './signed.ts'

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
const SUBJECT: Subject = { where: 'OCSP response', section: 'RFC 6960 §4.2.1', mostElements: 4000 }

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
  const tbsRequest = new TBSRequest({
    requestList: [new Request({ reqCert: libraryId(id) })],
    ...(nonce === undefined ? {} : { requestExtensions: [nonceExtension(nonce)] }),
  })
  return encodeBlock(new OCSPRequest({ tbsRequest }).toSchema(true))
}

export const encodeCertId = (id: CertId): Uint8Array => encodeBlock(libraryId(id).toSchema())

/** The nonce's Extension; its value is an OCTET STRING within the extension's own. */
export const encodeNonce = (nonce: Uint8Array): Uint8Array => encodeBlock(nonceExtension(nonce).toSchema())

const nonceExtension = (nonce: Uint8Array): Extension =>
  new Extension({ extnID: NONCE, extnValue: new OctetString({ valueHex: nonce }).toBER() })

const libraryId = ({ hash, issuerNameHash, issuerKeyHash, serial }: CertId): CertID =>
  new CertID({
    hashAlgorithm: hashIdentifier(hash ?? 'sha1'),
    issuerNameHash: new OctetString({ valueHex: issuerNameHash }),
    issuerKeyHash: new OctetString({ valueHex: issuerKeyHash }),
    // Octet by octet what the certificate has, so that the responder finds it.
    serialNumber: new Integer({ valueHex: serial }),
  })

/** Decodes OCSPResponse, which is copied. `problem`: the responder has no answer. Throws `DecodeError`. RFC 6960 §4.2.1. */
export function decodeOcspResponse(octets: Uint8Array): OcspResponse | { readonly problem: string } {
  const { responseStatus, responseBytes } = readAs(OCSPResponse, Uint8Array.from(octets), SUBJECT)
  const status = responseStatus.valueBlock.valueDec
  if (status !== 0) return { problem: statusNames[status] ?? `status ${status}` }
  if (responseBytes === undefined) throw malformed(SUBJECT, 'a successful response without one')
  const { responseType, response } = responseBytes
  return responseType === BASIC
    ? decodeBasic(response.valueBlock.valueHexView)
    : { problem: `a response of the type ${responseType}` }
}

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
  const whole = readBlock(octets, SUBJECT)
  const basic = readAs(BasicOCSPResponse, whole, SUBJECT)
  const { tbsResponseData: data, signatureAlgorithm, signature } = basic
  const [tbs, , , ...behindSignature] = elements(whole)
  const certs = optionalPart(taggedParts(behindSignature, 0, SUBJECT).get(0), SUBJECT)
  const fields = elements(tbs)
  const [, producedAt, responses, ...tail] = isContext(fields[0]!, 0) ? fields.slice(1) : fields
  const extensions = optionalPart(taggedParts(tail, 1, SUBJECT).get(1), SUBJECT)
  return {
    ...signedOf(data.tbsView, signatureAlgorithm, signature, SUBJECT),
    // As they came: of what the library has read they would have to be encoded again.
    certificates: elements(certs).map((block) => decodeCertificate(encodedBlock(block))),
    responder: responderOf(data),
    producedAt: timeOf(producedAt, SUBJECT, 'producedAt'),
    answers: elements(responses).map(answerOf),
    nonce: nonceOf(extensions),
  }
}

function nonceOf(extensions: AsnType | undefined): Uint8Array | undefined {
  const subject = { ...SUBJECT, section: 'RFC 8954 §2.1' }
  const found = rawExtensions(extensions, subject).find(({ oid }) => oid === NONCE)
  if (found === undefined) return undefined
  const nonce = readBlock(found.value, subject)
  if (!(nonce instanceof OctetString)) throw malformed(subject, 'a nonce that is no OCTET STRING')
  return nonce.valueBlock.valueHexView
}

function responderOf({ responderID }: ResponseData): OcspResponse['responder'] {
  if (responderID instanceof RelativeDistinguishedNames)
    return { name: decodeName(new Uint8Array(responderID.valueBeforeDecode), SUBJECT.where) }
  if (responderID instanceof OctetString) return { keyHash: responderID.valueBlock.valueHexView }
  throw malformed(SUBJECT, 'a responderID that is neither a name nor a hash of a key')
}

function answerOf(block: AsnType): OcspAnswer {
  const single = readAs(SingleResponse, block, SUBJECT)
  const [, , thisUpdate, ...tail] = elements(block)
  const nextUpdate = optionalPart(taggedParts(tail, 1, SUBJECT).get(0), SUBJECT)
  const { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber } = single.certID
  return {
    id: {
      hash: hashOf(hashAlgorithm, SUBJECT),
      issuerNameHash: issuerNameHash.valueBlock.valueHexView,
      issuerKeyHash: issuerKeyHash.valueBlock.valueHexView,
      serial: serialOf(serialNumber, SUBJECT),
    },
    ...statusOf(single.certStatus),
    thisUpdate: timeOf(thisUpdate, SUBJECT, 'thisUpdate'),
    nextUpdate: nextUpdate && timeOf(nextUpdate, SUBJECT, 'nextUpdate'),
  }
}

/** CertStatus, which the library leaves as it is: [0] and [2] IMPLICIT NULL, [1] IMPLICIT RevokedInfo. RFC 6960 §4.2.1. */
function statusOf(block: AsnType): Pick<OcspAnswer, 'status' | 'revocation'> {
  const { tagNumber } = block.idBlock
  if (tagNumber !== 1) return { status: tagNumber === 0 ? 'good' : 'unknown', revocation: undefined }
  const [time, explicitReason] = elements(block)
  const [reason] = elements(explicitReason)
  if (!(time instanceof GeneralizedTime)) throw malformed(SUBJECT, 'a revocation without a time')
  if (explicitReason !== undefined && !(reason instanceof Enumerated))
    throw malformed(SUBJECT, 'a revocationReason that is none')
  return {
    status: 'revoked',
    revocation: {
      at: timeOf(time, SUBJECT, 'revocationTime'),
      reason: reason instanceof Enumerated ? reason.valueBlock.valueDec : undefined,
    },
  }
}
