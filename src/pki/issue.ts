import { BitString, Enumerated, Integer, Null, OctetString } from 'asn1js'
import {
  AccessDescription,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  CertificateRevocationList,
  CRLDistributionPoints,
  DistributionPoint,
  Extension,
  Extensions,
  ExtKeyUsage,
  type GeneralName,
  GeneralNames,
  GeneralSubtree,
  InfoAccess,
  NameConstraints,
  PublicKeyInfo,
  RelativeDistinguishedNames,
  RevokedCertificate,
  Time,
  TimeType,
} from 'pkijs'
import { toHex } from '../bytes/index.ts'
import { DerTag, derBitString, derElement } from '../crypto/der.ts'
import type { PrivateKey, PublicKey, SignatureProvider, SignatureScheme } from '../crypto/signature.ts'
import { UsageError } from '../errors.ts'
import { type DistinguishedName, encodeName } from '../ike/codec/distinguished-name.ts'
import { elements, encodeBlock, readAs, type Subject } from './asn1.ts'
import type { RawExtension } from './extensions.ts'
import { libraryName, type GeneralName as Name } from './general-name.ts'
import { AccessMethod, ExtensionOid, type KeyUsage, keyUsages } from './oids.ts'
import { encodeSignatureAlgorithm, signatureIdentifier } from './signature-algorithm.ts'

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
  const certificate = new Certificate({
    version: 2,
    serialNumber: positive(serial),
    signature: signatureIdentifier(scheme),
    issuer: libraryDn(issuer.name),
    notBefore: libraryTime(notBefore),
    notAfter: libraryTime(notAfter),
    subject: libraryDn(subject),
    subjectPublicKeyInfo: readAs(PublicKeyInfo, publicKey.spki, MADE),
    ...(extensions.length === 0 ? {} : { extensions: extensions.map(libraryExtension) }),
  })
  return signedBy(encodeBlock(certificate.encodeTBS()), issuer.key, scheme, signatures)
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
  const crl = new CertificateRevocationList({
    version: 1,
    signature: signatureIdentifier(scheme),
    issuer: libraryDn(issuer.name),
    thisUpdate: libraryTime(thisUpdate),
    ...(nextUpdate === undefined ? {} : { nextUpdate: libraryTime(nextUpdate) }),
    ...(revoked.length === 0 ? {} : { revokedCertificates: revoked.map(libraryRevocation) }),
    ...(extensions.length === 0 ? {} : { crlExtensions: libraryExtensions(extensions) }),
  })
  return signedBy(encodeBlock(elements(crl.toSchema(true))[0]!), issuer.key, scheme, signatures)
}

/** SEQUENCE { body, signatureAlgorithm, signature, more }: what was signed, octet by octet. */
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

const MADE: Subject = { where: 'what is to be certified', section: 'RFC 5280 §4.1' }

const libraryDn = (name: DistinguishedName): RelativeDistinguishedNames =>
  readAs(RelativeDistinguishedNames, encodeName(name), MADE)

const libraryExtension = ({ oid, critical, value }: RawExtension): Extension =>
  new Extension({ extnID: oid, critical, extnValue: value.slice().buffer })

const libraryExtensions = (extensions: readonly RawExtension[]): Extensions =>
  new Extensions({ extensions: extensions.map(libraryExtension) })

const libraryRevocation = ({ serial, at, reason }: CrlTemplate['revoked'][number]): RevokedCertificate =>
  new RevokedCertificate({
    userCertificate: positive(serial),
    revocationDate: libraryTime(at),
    ...(reason === undefined ? {} : { crlEntryExtensions: libraryExtensions([reasonCode(reason)]) }),
  })

/** UTCTime for the years 1950 to 2049, else GeneralizedTime; parts of a second are left out. RFC 5280 §4.1.2.5. */
function libraryTime(ms: number): Time {
  const value = new Date(ms - (ms % 1000))
  const year = value.getUTCFullYear()
  return new Time({ type: year >= 1950 && year < 2050 ? TimeType.UTCTime : TimeType.GeneralizedTime, value })
}

const positive = (octets: Uint8Array): Integer => Integer.fromBigInt(`0x${toHex(octets)}`)

const libraryUri = (text: string): GeneralName => libraryName({ kind: 'uri', text })

/** Extensions as they are encoded, each by its name in RFC 5280 §4.2. */
export const extension = {
  basicConstraints: (isAuthority: boolean, pathLength?: number): RawExtension => ({
    oid: ExtensionOid.basicConstraints,
    critical: true,
    value: encodeBlock(
      new BasicConstraints({
        cA: isAuthority,
        ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
      }).toSchema(),
    ),
  }),

  keyUsage(...usages: readonly KeyUsage[]): RawExtension {
    let bits = 0
    for (const usage of usages) bits |= 0x8000 >>> keyUsages.indexOf(usage)
    if (bits === 0) throw new UsageError('usages', 'a certificate with keyUsage needs at least one')
    // DER leaves zeros at the end of a list of named bits out. ITU-T X.690 §11.2.2.
    const octets = (bits & 0xff) === 0 ? [bits >>> 8] : [bits >>> 8, bits & 0xff]
    const unusedBits = Math.log2(octets.at(-1)! & -octets.at(-1)!)
    return {
      oid: ExtensionOid.keyUsage,
      critical: true,
      value: encodeBlock(new BitString({ valueHex: Uint8Array.from(octets), unusedBits })),
    }
  },

  extendedKeyUsage: (...purposes: readonly string[]): RawExtension => ({
    oid: ExtensionOid.extendedKeyUsage,
    critical: false,
    value: encodeBlock(new ExtKeyUsage({ keyPurposes: [...purposes] }).toSchema()),
  }),

  subjectAltName: (names: readonly Name[], critical = false): RawExtension => ({
    oid: ExtensionOid.subjectAltName,
    critical,
    value: encodeBlock(new GeneralNames({ names: names.map(libraryName) }).toSchema()),
  }),

  nameConstraints(permitted: readonly Name[], excluded: readonly Name[] = []): RawExtension {
    const subtrees = (names: readonly Name[]): GeneralSubtree[] =>
      names.map((name) => new GeneralSubtree({ base: libraryName(name) }))
    const constraints = new NameConstraints({
      ...(permitted.length === 0 ? {} : { permittedSubtrees: subtrees(permitted) }),
      ...(excluded.length === 0 ? {} : { excludedSubtrees: subtrees(excluded) }),
    })
    return { oid: ExtensionOid.nameConstraints, critical: true, value: encodeBlock(constraints.toSchema()) }
  },

  subjectKeyIdentifier: (id: Uint8Array): RawExtension => ({
    oid: ExtensionOid.subjectKeyIdentifier,
    critical: false,
    value: encodeBlock(new OctetString({ valueHex: id })),
  }),

  authorityKeyIdentifier: (id: Uint8Array): RawExtension => ({
    oid: ExtensionOid.authorityKeyIdentifier,
    critical: false,
    value: encodeBlock(new AuthorityKeyIdentifier({ keyIdentifier: new OctetString({ valueHex: id }) }).toSchema()),
  }),

  crlDistributionPoints: (...urls: readonly string[]): RawExtension => ({
    oid: ExtensionOid.crlDistributionPoints,
    critical: false,
    value: encodeBlock(
      new CRLDistributionPoints({
        distributionPoints: urls.map((url) => new DistributionPoint({ distributionPoint: [libraryUri(url)] })),
      }).toSchema(),
    ),
  }),

  ocspUrls: (...urls: readonly string[]): RawExtension => ({
    oid: ExtensionOid.authorityInfoAccess,
    critical: false,
    value: encodeBlock(
      new InfoAccess({
        accessDescriptions: urls.map(
          (url) => new AccessDescription({ accessMethod: AccessMethod.ocsp, accessLocation: libraryUri(url) }),
        ),
      }).toSchema(),
    ),
  }),

  ocspNoCheck: (): RawExtension => ({
    oid: ExtensionOid.ocspNoCheck,
    critical: false,
    value: encodeBlock(new Null()),
  }),

  /** A positive number, each list's larger than that of the one before. RFC 5280 §5.2.3. */
  crlNumber: (number: number): RawExtension => ({
    oid: ExtensionOid.crlNumber,
    critical: false,
    value: encodeBlock(Integer.fromBigInt(number)),
  }),
} as const

const reasonCode = (reason: number): RawExtension => ({
  oid: ExtensionOid.reasonCode,
  critical: false,
  value: encodeBlock(new Enumerated({ value: reason })),
})
