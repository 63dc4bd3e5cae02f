import { contextTag, DerTag, derElement, derOid } from '../../src/crypto/der.ts'
import { DerReader } from '../../src/crypto/der-reader.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import type { SignatureProvider, SignatureScheme } from '../../src/crypto/signature.ts'
import type { Certificate } from '../../src/pki/certificate.ts'
import { defaultScheme, signedBy } from '../../src/pki/issue.ts'
import { certIdOf, encodeCertId, encodeNonce } from '../../src/pki/ocsp.ts'
import { DAY, type Holder, sha1, today } from './authority.ts'

export interface Reply {
  readonly certificate: Certificate
  readonly issuer: Certificate
  /** Who signs. */
  readonly signer: Holder
  readonly status?: 'good' | 'unknown' | 'revoked'
  readonly nonce?: Uint8Array
  readonly thisUpdate?: number
  readonly nextUpdate?: number | undefined
  readonly certificates?: readonly Certificate[]
  /** The responder is named by its name instead of its key. */
  readonly byName?: boolean
  readonly scheme?: SignatureScheme
  /** Default: node:crypto. */
  readonly signatures?: SignatureProvider
}

/** An OCSP response as a responder would make it. RFC 6960 §4.2.1. */
export function ocspResponse(reply: Reply): Uint8Array {
  const { certificate, issuer, signer, status = 'good', nonce, thisUpdate = today, certificates = [] } = reply
  const nextUpdate = 'nextUpdate' in reply ? reply.nextUpdate : today + DAY
  const explicit = (number: number, ...parts: Uint8Array[]): Uint8Array => derElement(contextTag(number), ...parts)
  const certStatus = {
    good: Uint8Array.of(0x80, 0),
    unknown: Uint8Array.of(0x82, 0),
    revoked: explicit(1, encodeGeneralizedTime(today - DAY), explicit(0, Uint8Array.of(0x0a, 1, 1))),
  }[status]
  const single = derElement(
    DerTag.SEQUENCE,
    encodeCertId(certIdOf(certificate, issuer, (_, data) => sha1(data))),
    certStatus,
    encodeGeneralizedTime(thisUpdate),
    ...(nextUpdate === undefined ? [] : [explicit(0, encodeGeneralizedTime(nextUpdate))]),
  )
  const responder =
    reply.byName === true
      ? explicit(1, signer.certificate.subjectDer)
      : explicit(2, derElement(DerTag.OCTET_STRING, sha1(signer.certificate.keyOctets)))
  const data = derElement(
    DerTag.SEQUENCE,
    responder,
    encodeGeneralizedTime(today),
    derElement(DerTag.SEQUENCE, single),
    ...(nonce === undefined ? [] : [explicit(1, derElement(DerTag.SEQUENCE, encodeNonce(nonce)))]),
  )
  const chain =
    certificates.length === 0 ? [] : [explicit(0, derElement(DerTag.SEQUENCE, ...certificates.map(({ der }) => der)))]
  const basic = signedBy(
    data,
    signer.key,
    reply.scheme ?? defaultScheme(signer.key),
    reply.signatures ?? nodeSignatures,
    ...chain,
  )
  const bytes = derElement(DerTag.SEQUENCE, derOid('1.3.6.1.5.5.7.48.1.1'), derElement(DerTag.OCTET_STRING, basic))
  return derElement(DerTag.SEQUENCE, Uint8Array.of(0x0a, 1, 0), explicit(0, bytes))
}

/** RFC 6960 §4.2.1. */
const encodeGeneralizedTime = (ms: number): Uint8Array =>
  derElement(0x18, new TextEncoder().encode(new Date(ms).toISOString().replaceAll(/\.\d+|[-:T]/g, '')))

/** The nonce in an OCSP request. */
export function nonceOf(request: Uint8Array): Uint8Array | undefined {
  const tbs = new DerReader(request, 'request', 'test').sequence('request').sequence('tbs')
  tbs.sequence('list')
  if (tbs.tag === undefined) return undefined
  const extension = tbs.nested(contextTag(2), 'extensions').sequence('list').sequence('one')
  extension.oid('nonce')
  return new DerReader(extension.element(DerTag.OCTET_STRING, 'value'), 'nonce', 'test').element(
    DerTag.OCTET_STRING,
    'nonce',
  )
}
