import { contextTag, DerTag, derBitString, derElement, derInteger, derOid } from '../crypto/der.ts'
import type { PrivateKey, PublicKey, SignatureProvider, SignatureScheme } from '../crypto/signature.ts'
import { UsageError } from '../errors.ts'
import { type DistinguishedName, encodeName } from '../ike/codec/distinguished-name.ts'
import { encodeTime } from './der-time.ts'
import type { RawExtension } from './extensions.ts'
import { encodeGeneralName, type GeneralName } from './general-name.ts'
import { AccessMethod, ExtensionOid, type KeyUsage, keyUsages } from './oids.ts'
import { encodeSignatureAlgorithm } from './signature-algorithm.ts'

/** The authority that signs: its name and key. */
export interface Issuer {
  readonly name: DistinguishedName
  readonly key: PrivateKey
  /** Undefined: `defaultScheme` of the key. */
  readonly scheme?: SignatureScheme
}

export interface CertificateTemplate {
  readonly subject: DistinguishedName
  readonly publicKey: PublicKey
  /** Big-endian, 1 to 20 octets, positive. RFC 5280 §4.1.2.2. */
  readonly serial: Uint8Array
  /** ms since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly extensions: readonly RawExtension[]
}

/** A certificate in DER, version 3. Throws `UsageError` for a scheme that is not one of the key. RFC 5280 §4.1. */
export function issueCertificate(
  template: CertificateTemplate,
  issuer: Issuer,
  signatures: SignatureProvider,
): Uint8Array {
  const { subject, publicKey, serial, notBefore, notAfter, extensions } = template
  const scheme = issuer.scheme ?? defaultScheme(issuer.key)
  const body = derElement(
    DerTag.SEQUENCE,
    derElement(contextTag(0), derInteger(Uint8Array.of(2))),
    derInteger(serial),
    encodeSignatureAlgorithm(scheme),
    encodeName(issuer.name),
    derElement(DerTag.SEQUENCE, encodeTime(notBefore), encodeTime(notAfter)),
    encodeName(subject),
    publicKey.spki,
    ...(extensions.length === 0 ? [] : [derElement(contextTag(3), encodeExtensions(extensions))]),
  )
  return signedBy(body, issuer.key, scheme, signatures)
}

export interface CrlTemplate {
  readonly thisUpdate: number
  /** Undefined: the list does not say until when it holds. */
  readonly nextUpdate: number | undefined
  readonly revoked: readonly { readonly serial: Uint8Array; readonly at: number; readonly reason?: number }[]
  readonly extensions: readonly RawExtension[]
}

/** A certificate revocation list in DER, version 2. RFC 5280 §5.1. */
export function issueCrl(template: CrlTemplate, issuer: Issuer, signatures: SignatureProvider): Uint8Array {
  const { thisUpdate, nextUpdate, revoked, extensions } = template
  const scheme = issuer.scheme ?? defaultScheme(issuer.key)
  const entries = revoked.map(({ serial, at, reason }) =>
    derElement(
      DerTag.SEQUENCE,
      derInteger(serial),
      encodeTime(at),
      ...(reason === undefined ? [] : [encodeExtensions([reasonCode(reason)])]),
    ),
  )
  const body = derElement(
    DerTag.SEQUENCE,
    derInteger(Uint8Array.of(1)),
    encodeSignatureAlgorithm(scheme),
    encodeName(issuer.name),
    encodeTime(thisUpdate),
    ...(nextUpdate === undefined ? [] : [encodeTime(nextUpdate)]),
    ...(entries.length === 0 ? [] : [derElement(DerTag.SEQUENCE, ...entries)]),
    ...(extensions.length === 0 ? [] : [derElement(contextTag(0), encodeExtensions(extensions))]),
  )
  return signedBy(body, issuer.key, scheme, signatures)
}

/** SEQUENCE { body, signatureAlgorithm, signature, more }. */
export function signedBy(
  body: Uint8Array,
  key: PrivateKey,
  scheme: SignatureScheme,
  signatures: SignatureProvider,
  ...more: readonly Uint8Array[]
): Uint8Array {
  const signature = signatures.sign(key, scheme, body)
  return derElement(DerTag.SEQUENCE, body, encodeSignatureAlgorithm(scheme), derBitString(signature), ...more)
}

/** What a key signs certificates with: the hash of its own strength. */
export function defaultScheme(key: PrivateKey | PublicKey): SignatureScheme {
  if (key.kind === 'rsa') return { kind: 'rsa-pkcs1', hash: 'sha256' }
  if (key.kind !== 'ec') return { kind: key.kind }
  const hash = key.curve.includes('256') ? 'sha256' : key.curve.includes('384') ? 'sha384' : 'sha512'
  return { kind: 'ecdsa', hash, encoding: 'der' }
}

export function encodeExtensions(extensions: readonly RawExtension[]): Uint8Array {
  return derElement(
    DerTag.SEQUENCE,
    ...extensions.map(({ oid, critical, value }) =>
      derElement(
        DerTag.SEQUENCE,
        derOid(oid),
        ...(critical ? [Uint8Array.of(0x01, 1, 0xff)] : []),
        derElement(DerTag.OCTET_STRING, value),
      ),
    ),
  )
}

/** Extensions as they are encoded, each by its name in RFC 5280 §4.2. */
export const extension = {
  basicConstraints: (isAuthority: boolean, pathLength?: number): RawExtension => ({
    oid: ExtensionOid.basicConstraints,
    critical: true,
    value: derElement(
      DerTag.SEQUENCE,
      ...(isAuthority ? [Uint8Array.of(0x01, 1, 0xff)] : []),
      ...(pathLength === undefined ? [] : [derInteger(Uint8Array.of(pathLength))]),
    ),
  }),

  keyUsage(...usages: readonly KeyUsage[]): RawExtension {
    let bits = 0
    for (const usage of usages) bits |= 0x8000 >>> keyUsages.indexOf(usage)
    if (bits === 0) throw new UsageError('usages', 'a certificate with keyUsage needs at least one')
    // DER leaves zeros at the end of a list of named bits out. ITU-T X.690 §11.2.2.
    const octets = (bits & 0xff) === 0 ? [bits >>> 8] : [bits >>> 8, bits & 0xff]
    const unused = Math.log2(octets.at(-1)! & -octets.at(-1)!)
    return {
      oid: ExtensionOid.keyUsage,
      critical: true,
      value: derElement(DerTag.BIT_STRING, Uint8Array.of(unused, ...octets)),
    }
  },

  extendedKeyUsage: (...purposes: readonly string[]): RawExtension => ({
    oid: ExtensionOid.extendedKeyUsage,
    critical: false,
    value: derElement(DerTag.SEQUENCE, ...purposes.map(derOid)),
  }),

  subjectAltName: (names: readonly GeneralName[], critical = false): RawExtension => ({
    oid: ExtensionOid.subjectAltName,
    critical,
    value: derElement(DerTag.SEQUENCE, ...names.map(encodeGeneralName)),
  }),

  nameConstraints(permitted: readonly GeneralName[], excluded: readonly GeneralName[] = []): RawExtension {
    const list = (number: number, names: readonly GeneralName[]): Uint8Array[] =>
      names.length === 0
        ? []
        : [derElement(contextTag(number), ...names.map((one) => derElement(DerTag.SEQUENCE, encodeGeneralName(one))))]
    return {
      oid: ExtensionOid.nameConstraints,
      critical: true,
      value: derElement(DerTag.SEQUENCE, ...list(0, permitted), ...list(1, excluded)),
    }
  },

  subjectKeyIdentifier: (id: Uint8Array): RawExtension => ({
    oid: ExtensionOid.subjectKeyIdentifier,
    critical: false,
    value: derElement(DerTag.OCTET_STRING, id),
  }),

  authorityKeyIdentifier: (id: Uint8Array): RawExtension => ({
    oid: ExtensionOid.authorityKeyIdentifier,
    critical: false,
    value: derElement(DerTag.SEQUENCE, derElement(0x80, id)),
  }),

  crlDistributionPoints: (...urls: readonly string[]): RawExtension => ({
    oid: ExtensionOid.crlDistributionPoints,
    critical: false,
    value: derElement(
      DerTag.SEQUENCE,
      ...urls.map((url) =>
        derElement(
          DerTag.SEQUENCE,
          derElement(contextTag(0), derElement(contextTag(0), encodeGeneralName({ kind: 'uri', text: url }))),
        ),
      ),
    ),
  }),

  ocspUrls: (...urls: readonly string[]): RawExtension => ({
    oid: ExtensionOid.authorityInfoAccess,
    critical: false,
    value: derElement(
      DerTag.SEQUENCE,
      ...urls.map((url) =>
        derElement(DerTag.SEQUENCE, derOid(AccessMethod.ocsp), encodeGeneralName({ kind: 'uri', text: url })),
      ),
    ),
  }),

  ocspNoCheck: (): RawExtension => ({
    oid: ExtensionOid.ocspNoCheck,
    critical: false,
    value: Uint8Array.of(DerTag.NULL, 0),
  }),

  /** A positive number, each list's larger than that of the one before. RFC 5280 §5.2.3. */
  crlNumber: (number: number): RawExtension => ({
    oid: ExtensionOid.crlNumber,
    critical: false,
    value: derInteger(numberOctets(number)),
  }),
} as const

const reasonCode = (reason: number): RawExtension => ({
  oid: ExtensionOid.reasonCode,
  critical: false,
  value: derElement(0x0a, Uint8Array.of(reason)),
})

function numberOctets(number: number): Uint8Array {
  const octets = [number % 256]
  for (let rest = Math.floor(number / 256); rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Uint8Array.from(octets)
}
