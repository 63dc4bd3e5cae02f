import { DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { decodeGeneralName, decodeGeneralNames, type GeneralName } from './general-name.ts'
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

/** Extensions ::= SEQUENCE OF SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING }; each at most once. Borrowed. */
export function decodeRawExtensions(reader: DerReader): RawExtension[] {
  const list = reader.sequence('extensions')
  const all: RawExtension[] = []
  while (list.tag !== undefined) {
    const one = list.sequence('extension')
    const oid = one.oid('extnID')
    if (all.some((other) => other.oid === oid)) one.fail(`the extension ${oid} twice`)
    const critical = one.tag === BOOLEAN && decodeBoolean(one, 'critical')
    all.push({ oid, critical, value: one.element(DerTag.OCTET_STRING, 'extnValue') })
    one.end()
  }
  return all
}

/** Decodes those that are understood; octets are copied. Throws `DecodeError`. */
export function decodeExtensions(reader: DerReader, where: string): Extensions {
  const found: Mutable<Extensions> = { ...noExtensions }
  const unknownCritical: string[] = []
  for (const { oid, critical, value } of decodeRawExtensions(reader)) {
    const decode = decoders[oid]
    if (decode === undefined) {
      if (critical && !withoutEffect.has(oid)) unknownCritical.push(oid)
      continue
    }
    const inner = new DerReader(value, where, 'RFC 5280 §4.2')
    decode(inner, found)
    inner.end()
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

const BOOLEAN = 0x01
/** `[n]` IMPLICIT of a primitive type. */
const primitive = (number: number): number => 0x80 | number
const constructed = (number: number): number => 0xa0 | number

const decoders: Readonly<Record<string, (reader: DerReader, found: Mutable<Extensions>) => void>> = {
  [ExtensionOid.basicConstraints](reader, found) {
    const sequence = reader.sequence('basicConstraints')
    const isAuthority = sequence.tag === BOOLEAN && decodeBoolean(sequence, 'cA')
    const pathLength = sequence.tag === DerTag.INTEGER ? sequence.smallInteger('pathLenConstraint') : undefined
    sequence.end()
    found.basicConstraints = { isAuthority, pathLength }
  },
  [ExtensionOid.keyUsage](reader, found) {
    found.keyUsage = new Set(namedBits(reader, 'keyUsage').map((bit) => keyUsages[bit]!))
  },
  [ExtensionOid.extendedKeyUsage](reader, found) {
    const sequence = reader.sequence('extKeyUsage')
    const purposes: string[] = []
    while (sequence.tag !== undefined) purposes.push(sequence.oid('KeyPurposeId'))
    found.extendedKeyUsage = purposes
  },
  [ExtensionOid.subjectAltName](reader, found) {
    found.names = decodeGeneralNames(reader.sequence('subjectAltName'), 'subjectAltName').map((name) =>
      name.kind === 'ip' && name.octets.length !== 4 && name.octets.length !== 16
        ? reader.fail('an address of 4 or 16 octets was expected in subjectAltName')
        : name,
    )
  },
  [ExtensionOid.nameConstraints](reader, found) {
    const sequence = reader.sequence('nameConstraints')
    found.nameConstraints = { permitted: subtrees(sequence, 0), excluded: subtrees(sequence, 1) }
    sequence.end()
  },
  [ExtensionOid.subjectKeyIdentifier](reader, found) {
    found.subjectKeyId = reader.element(DerTag.OCTET_STRING, 'subjectKeyIdentifier').slice()
  },
  [ExtensionOid.authorityKeyIdentifier](reader, found) {
    const sequence = reader.sequence('authorityKeyIdentifier')
    if (sequence.tag === primitive(0)) found.authorityKeyId = sequence.element(primitive(0), 'keyIdentifier').slice()
    // Issuer and serial number only help to find the certificate, which is found by its name anyway.
    while (sequence.tag !== undefined) sequence.any('authorityKeyIdentifier')
  },
  [ExtensionOid.crlDistributionPoints](reader, found) {
    const sequence = reader.sequence('cRLDistributionPoints')
    const urls: string[] = []
    while (sequence.tag !== undefined) urls.push(...distributionPoint(sequence))
    found.crlUrls = urls
  },
  [ExtensionOid.authorityInfoAccess](reader, found) {
    const sequence = reader.sequence('authorityInfoAccess')
    const [ocsp, issuers]: [string[], string[]] = [[], []]
    while (sequence.tag !== undefined) {
      const description = sequence.sequence('AccessDescription')
      const method = description.oid('accessMethod')
      const location = decodeGeneralName(description, 'accessLocation')
      description.end()
      if (location.kind !== 'uri') continue
      if (method === AccessMethod.ocsp) ocsp.push(location.text)
      if (method === AccessMethod.caIssuers) issuers.push(location.text)
    }
    found.ocspUrls = ocsp
    found.caIssuerUrls = issuers
  },
  [ExtensionOid.ocspNoCheck](reader, found) {
    reader.element(DerTag.NULL, 'ocsp-nocheck')
    found.ocspNoCheck = true
  },
}

/** A BOOLEAN in DER: 0xff or 0. */
export function decodeBoolean(reader: DerReader, what: string, tag = BOOLEAN): boolean {
  const contents = reader.element(tag, what)
  if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff)) reader.fail(`${what} is not a BOOLEAN`)
  return contents[0] === 0xff
}

/** The URIs in DistributionPointName: fullName [0]. RFC 5280 §4.2.1.13. */
export function distributionPointUrls(reader: DerReader): string[] {
  const name = reader.nested(constructed(0), 'distributionPoint')
  if (name.tag !== constructed(0)) return []
  return decodeGeneralNames(name.nested(constructed(0), 'fullName'), 'fullName').flatMap((one) =>
    one.kind === 'uri' ? [one.text] : [],
  )
}

function distributionPoint(sequence: DerReader): string[] {
  const point = sequence.sequence('DistributionPoint')
  const urls = point.tag === constructed(0) ? distributionPointUrls(point) : []
  // A list for some reasons only, or of another issuer, does not settle whether the certificate is revoked.
  return point.tag === undefined ? urls : []
}

function subtrees(sequence: DerReader, number: number): GeneralName[] {
  if (sequence.tag !== constructed(number)) return []
  const list = sequence.nested(constructed(number), 'GeneralSubtrees')
  const names: GeneralName[] = []
  while (list.tag !== undefined) {
    const subtree = list.sequence('GeneralSubtree')
    const name = decodeGeneralName(subtree, 'base')
    if (name.kind === 'ip' && name.octets.length !== 8 && name.octets.length !== 32)
      subtree.fail('an address and a mask were expected in nameConstraints')
    names.push(name)
    // RFC 5280 §4.2.1.10: minimum is 0, so it is not there in DER, and there is no maximum.
    subtree.end()
  }
  return names
}

/** Numbers of the bits that are set, of those that have a name. */
function namedBits(reader: DerReader, what: string): number[] {
  const [unused = 8, ...octets] = reader.element(DerTag.BIT_STRING, what)
  if (unused > 7 || (octets.length === 0 && unused > 0)) reader.fail(`${what} is not a BIT STRING`)
  return keyUsages.flatMap((_, bit) => (((octets[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1 ? [bit] : []))
}
