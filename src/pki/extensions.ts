import { type AsnType, BitString, Boolean as BooleanBlock, Integer, Null, ObjectIdentifier, OctetString } from 'asn1js'
import { AuthorityKeyIdentifier, BasicConstraints, ExtKeyUsage } from 'pkijs'
import { elements, malformed, onlyPart, readAs, readBlock, type Subject, sequenceOf, taggedParts } from './asn1.ts'
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

/** Extensions ::= SEQUENCE OF Extension, borrowed; none for undefined, each at most once. Throws `DecodeError`. RFC 5280 §4.2. */
export function rawExtensions(block: AsnType | undefined, subject: Subject): RawExtension[] {
  if (block === undefined) return []
  const seen = new Set<string>()
  return sequenceOf(block, subject).map((one) => {
    const extension = rawExtension(sequenceOf(one, subject), subject)
    const { oid } = extension
    if (seen.has(oid)) throw malformed(subject, `the extension ${oid} twice`)
    seen.add(oid)
    return extension
  })
}

/**
 * Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }. Not by the library, for which
 * a flag in the wrong place is absent, and which takes long for the many that a stranger may put into a certificate.
 */
function rawExtension(parts: readonly AsnType[], subject: Subject): RawExtension {
  const [id, second] = parts
  const hasFlag = second instanceof BooleanBlock
  const value = parts[hasFlag ? 2 : 1]
  if (!(id instanceof ObjectIdentifier && value instanceof OctetString) || parts.length !== (hasFlag ? 3 : 2))
    throw malformed(subject, 'an extension that is not one')
  const critical = hasFlag && second.valueBlock.value
  return { oid: id.valueBlock.toString(), critical, value: value.valueBlock.valueHexView }
}

/** Decodes those that are understood; octets are copied. Throws `DecodeError`. */
export function decodeExtensions(block: AsnType, where: string): Extensions {
  const found: Mutable<Extensions> = { ...noExtensions }
  const unknownCritical: string[] = []
  for (const { oid, critical, value } of rawExtensions(block, { where, section: 'RFC 5280 §4.2' })) {
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

/** An extension of a certificate; what a stranger puts into one is bounded, because each element costs the library time. */
const part = (name: string, where: string, section: string): Subject => ({
  where: `${name} of the ${where}`,
  section,
  mostElements: 1000,
})

type Decoder = (value: Uint8Array, found: Mutable<Extensions>, where: string) => void

const decoders: Readonly<Record<string, Decoder>> = {
  [ExtensionOid.basicConstraints](value, found, where) {
    const subject = part('basicConstraints', where, 'RFC 5280 §4.2.1.9')
    const block = readBlock(value, subject)
    const parts = sequenceOf(block, subject)
    const isOrdered = parts.every((one, at) =>
      one instanceof Integer ? at === parts.length - 1 : one instanceof BooleanBlock && at === 0,
    )
    if (!isOrdered) throw malformed(subject, 'a part that does not belong there')
    const { cA, pathLenConstraint } = readAs(BasicConstraints, block, subject)
    const isCount = typeof pathLenConstraint === 'number' && pathLenConstraint >= 0
    if (pathLenConstraint !== undefined && !isCount) throw malformed(subject, 'pathLenConstraint is no count')
    found.basicConstraints = { isAuthority: cA, pathLength: isCount ? pathLenConstraint : undefined }
  },
  [ExtensionOid.keyUsage](value, found, where) {
    const subject = part('keyUsage', where, 'RFC 5280 §4.2.1.3')
    const bits = readBlock(value, subject)
    if (!(bits instanceof BitString)) throw malformed(subject, 'it is no BIT STRING')
    const { valueHexView: octets, unusedBits } = bits.valueBlock
    // ITU-T X.690 §11.2.1: they would be usages that nobody gave.
    if (((octets.at(-1) ?? 0) & ((1 << unusedBits) - 1)) !== 0) throw malformed(subject, 'unused bits that are set')
    found.keyUsage = new Set(keyUsages.filter((_, bit) => ((octets[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1))
  },
  [ExtensionOid.extendedKeyUsage](value, found, where) {
    const subject = part('extKeyUsage', where, 'RFC 5280 §4.2.1.12')
    found.extendedKeyUsage = readAs(ExtKeyUsage, value, subject).keyPurposes
  },
  [ExtensionOid.subjectAltName](value, found, where) {
    const subject = part('subjectAltName', where, 'RFC 5280 §4.2.1.6')
    found.names = sequenceOf(readBlock(value, subject), subject).map((one) => {
      const name = generalNameOf(one, subject)
      if (name.kind === 'ip' && name.octets.length !== 4 && name.octets.length !== 16)
        throw malformed(subject, 'an address of 4 or 16 octets was expected')
      return name
    })
  },
  [ExtensionOid.nameConstraints](value, found, where) {
    const subject = part('nameConstraints', where, 'RFC 5280 §4.2.1.10')
    const subtrees = taggedParts(sequenceOf(readBlock(value, subject), subject), 1, subject)
    found.nameConstraints = { permitted: bases(subtrees.get(0), subject), excluded: bases(subtrees.get(1), subject) }
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
    found.crlUrls = sequenceOf(readBlock(value, subject), subject).flatMap((point) => {
      const fields = taggedParts(sequenceOf(point, subject), 2, subject)
      // A list for some reasons only, or of another issuer, does not settle whether the certificate is revoked.
      return fields.size === 1 ? pointUrls(fields.get(0), subject) : []
    })
  },
  [ExtensionOid.authorityInfoAccess](value, found, where) {
    const subject = part('authorityInfoAccess', where, 'RFC 5280 §4.2.2.1')
    const descriptions = sequenceOf(readBlock(value, subject), subject).map((one) => {
      const [method, location, ...more] = sequenceOf(one, subject)
      if (!(method instanceof ObjectIdentifier) || location === undefined || more.length > 0)
        throw malformed(subject, 'an AccessDescription without method and location')
      return { method: method.valueBlock.toString(), location }
    })
    const urls = (wanted: string): string[] =>
      urisOf(
        descriptions.flatMap(({ method, location }) => (method === wanted ? [location] : [])),
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

/** The URIs in a DistributionPointName in its tag; none for a name relative to the issuer. RFC 5280 §4.2.1.13. */
export function pointUrls(point: AsnType | undefined, subject: Subject): string[] {
  if (point === undefined) return []
  const name = onlyPart(point, subject)
  const isFull = taggedParts([name], 1, subject).has(0)
  return isFull ? urisOf(elements(name), subject) : []
}

/** GeneralSubtrees. RFC 5280 §4.2.1.10: minimum is 0, so it is not there in DER, and there is no maximum. */
function bases(subtrees: AsnType | undefined, subject: Subject): GeneralName[] {
  // An empty list, or one that is not read, would constrain nothing.
  if (subtrees !== undefined && elements(subtrees).length === 0) throw malformed(subject, 'a list without subtrees')
  return elements(subtrees).map((subtree) => {
    const [base, ...more] = sequenceOf(subtree, subject)
    if (base === undefined || more.length > 0) throw malformed(subject, 'a subtree with more or less than a base')
    const name = generalNameOf(base, subject)
    if (name.kind === 'ip' && name.octets.length !== 8 && name.octets.length !== 32)
      throw malformed(subject, 'an address and a mask were expected')
    return name
  })
}
