import { BitString, Null, OctetString } from 'asn1js'
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  CRLDistributionPoints,
  ExtKeyUsage,
  GeneralNames,
  type GeneralSubtree,
  InfoAccess,
  type Extension as LibraryExtension,
  type GeneralName as LibraryName,
  NameConstraints as LibraryNameConstraints,
} from 'pkijs'
import { malformed, readAs, readBlock, type Subject } from './asn1.ts'
import { type GeneralName, generalNameOf, urisOf } from './general-name.ts'
import { AccessMethod, ExtensionOid, type KeyUsage, keyUsages } from './oids.ts'

/** What a certificate says of itself and its use. Absent ones are undefined or empty. RFC 5280 §4.2. */
export interface Extensions {
  /** `pathLength` is undefined where there is no limit. */
  readonly basicConstraints: { readonly isAuthority: boolean; readonly pathLength: number | undefined } | undefined
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined
  /** OBJECT IDENTIFIERs. */
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly names: readonly GeneralName[]
  readonly nameConstraints: NameConstraints | undefined
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: Uint8Array | undefined
  readonly crlUrls: readonly string[]
  readonly ocspUrls: readonly string[]
  readonly caIssuerUrls: readonly string[]
  /** This signer of OCSP responses is trusted for as long as its certificate is valid. RFC 6960 §4.2.2.2.1. */
  readonly ocspNoCheck: boolean
  /** OBJECT IDENTIFIERs that must be understood to use the certificate, and are not. */
  readonly unknownCritical: readonly string[]
}

/** RFC 5280 §4.2.1.10. */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/** One extension as it is encoded. */
export interface RawExtension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export const noExtensions: Extensions = {
  basicConstraints: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  names: [],
  nameConstraints: undefined,
  subjectKeyId: undefined,
  authorityKeyId: undefined,
  crlUrls: [],
  ocspUrls: [],
  caIssuerUrls: [],
  ocspNoCheck: false,
  unknownCritical: [],
}

/** As the library has read them, borrowed; each at most once. RFC 5280 §4.2. */
export function rawExtensions(list: readonly LibraryExtension[], subject: Subject): RawExtension[] {
  const seen = new Set<string>()
  return list.map(({ extnID: oid, critical, extnValue }) => {
    if (seen.has(oid)) throw malformed(subject, `the extension ${oid} twice`)
    seen.add(oid)
    return { oid, critical, value: extnValue.valueBlock.valueHexView }
  })
}

/** Decodes those that are understood; octets are copied. Throws `DecodeError`. */
export function decodeExtensions(list: readonly LibraryExtension[], where: string): Extensions {
  const found: Mutable<Extensions> = { ...noExtensions }
  const unknownCritical: string[] = []
  for (const { oid, critical, value } of rawExtensions(list, { where, section: 'RFC 5280 §4.2' })) {
    const decode = decoders[oid]
    if (decode !== undefined) decode(value, found, where)
    else if (critical && !withoutEffect.has(oid)) unknownCritical.push(oid)
  }
  return { ...found, unknownCritical }
}

/**
 * With the initial set of policies any-policy, and no demand for an explicit one, these change nothing about a path (RFC 5280 §6.1).
 * policyConstraints, which may demand one, is not among them.
 */
const withoutEffect: ReadonlySet<string> = new Set([
  ExtensionOid.certificatePolicies,
  ExtensionOid.policyMappings,
  ExtensionOid.inhibitAnyPolicy,
  ExtensionOid.issuerAltName,
  ExtensionOid.freshestCrl,
])

/** An extension of a certificate; what a stranger puts into one is bounded, because each name costs the library time. */
const part = (name: string, where: string, section: string): Subject => ({
  where: `${name} of the ${where}`,
  section,
  mostElements: 300,
})

type Decoder = (value: Uint8Array, found: Mutable<Extensions>, where: string) => void

const decoders: Readonly<Record<string, Decoder>> = {
  [ExtensionOid.basicConstraints](value, found, where) {
    const subject = part('basicConstraints', where, 'RFC 5280 §4.2.1.9')
    const { cA, pathLenConstraint } = readAs(BasicConstraints, value, subject)
    const isCount = typeof pathLenConstraint === 'number' && pathLenConstraint >= 0
    if (pathLenConstraint !== undefined && !isCount) throw malformed(subject, 'pathLenConstraint is no count')
    found.basicConstraints = { isAuthority: cA, pathLength: isCount ? pathLenConstraint : undefined }
  },
  [ExtensionOid.keyUsage](value, found, where) {
    const subject = part('keyUsage', where, 'RFC 5280 §4.2.1.3')
    const bits = readBlock(value, subject)
    if (!(bits instanceof BitString)) throw malformed(subject, 'it is no BIT STRING')
    const octets = bits.valueBlock.valueHexView
    found.keyUsage = new Set(keyUsages.filter((_, bit) => ((octets[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1))
  },
  [ExtensionOid.extendedKeyUsage](value, found, where) {
    const subject = part('extKeyUsage', where, 'RFC 5280 §4.2.1.12')
    found.extendedKeyUsage = readAs(ExtKeyUsage, value, subject).keyPurposes
  },
  [ExtensionOid.subjectAltName](value, found, where) {
    const subject = part('subjectAltName', where, 'RFC 5280 §4.2.1.6')
    found.names = readAs(GeneralNames, value, subject).names.map((one) => {
      const name = generalNameOf(one, subject)
      if (name.kind === 'ip' && name.octets.length !== 4 && name.octets.length !== 16)
        throw malformed(subject, 'an address of 4 or 16 octets was expected')
      return name
    })
  },
  [ExtensionOid.nameConstraints](value, found, where) {
    const subject = part('nameConstraints', where, 'RFC 5280 §4.2.1.10')
    const { permittedSubtrees = [], excludedSubtrees = [] } = readAs(LibraryNameConstraints, value, subject)
    found.nameConstraints = { permitted: bases(permittedSubtrees, subject), excluded: bases(excludedSubtrees, subject) }
  },
  [ExtensionOid.subjectKeyIdentifier](value, found, where) {
    const subject = part('subjectKeyIdentifier', where, 'RFC 5280 §4.2.1.2')
    const id = readBlock(value, subject)
    if (!(id instanceof OctetString)) throw malformed(subject, 'it is no OCTET STRING')
    found.subjectKeyId = id.valueBlock.valueHexView.slice()
  },
  [ExtensionOid.authorityKeyIdentifier](value, found, where) {
    const subject = part('authorityKeyIdentifier', where, 'RFC 5280 §4.2.1.1')
    // Issuer and serial number only help to find the certificate, which is found by its name anyway.
    found.authorityKeyId = readAs(AuthorityKeyIdentifier, value, subject).keyIdentifier?.valueBlock.valueHexView.slice()
  },
  [ExtensionOid.crlDistributionPoints](value, found, where) {
    const subject = part('cRLDistributionPoints', where, 'RFC 5280 §4.2.1.13')
    found.crlUrls = readAs(CRLDistributionPoints, value, subject).distributionPoints.flatMap((point) => {
      // A list for some reasons only, or of another issuer, does not settle whether the certificate is revoked.
      const isWhole = point.reasons === undefined && point.cRLIssuer === undefined
      return isWhole ? pointUrls(point.distributionPoint, subject) : []
    })
  },
  [ExtensionOid.authorityInfoAccess](value, found, where) {
    const subject = part('authorityInfoAccess', where, 'RFC 5280 §4.2.2.1')
    const descriptions = readAs(InfoAccess, value, subject).accessDescriptions
    const urls = (method: string): string[] =>
      urisOf(
        descriptions.flatMap(({ accessMethod, accessLocation }) => (accessMethod === method ? [accessLocation] : [])),
        subject,
      )
    found.ocspUrls = urls(AccessMethod.ocsp)
    found.caIssuerUrls = urls(AccessMethod.caIssuers)
  },
  [ExtensionOid.ocspNoCheck](value, found, where) {
    const subject = part('ocsp-nocheck', where, 'RFC 6960 §4.2.2.2.1')
    if (!(readBlock(value, subject) instanceof Null)) throw malformed(subject, 'it is not NULL')
    found.ocspNoCheck = true
  },
}

/** The URIs in the fullName of a DistributionPointName. RFC 5280 §4.2.1.13. */
export const pointUrls = (point: unknown, subject: Subject): string[] =>
  Array.isArray(point) ? urisOf(point as LibraryName[], subject) : []

function bases(subtrees: readonly GeneralSubtree[], subject: Subject): GeneralName[] {
  return subtrees.map(({ base, minimum, maximum }) => {
    if (minimum !== 0 || maximum !== undefined) throw malformed(subject, 'a minimum or maximum, which RFC 5280 has not')
    const name = generalNameOf(base, subject)
    if (name.kind === 'ip' && name.octets.length !== 8 && name.octets.length !== 32)
      throw malformed(subject, 'an address and a mask were expected')
    return name
  })
}
