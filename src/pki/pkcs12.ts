import { type AsnType, ObjectIdentifier } from 'asn1js'
import {
  type AlgorithmIdentifier,
  AuthenticatedSafe,
  type ContentInfo,
  EncryptedData,
  type MacData,
  PBES2Params,
  PFX,
} from 'pkijs'
import { equalBytes, equalConstantTime, Reader } from '../bytes/index.ts'
import { nodeHmac } from '../crypto/node-hash.ts'
import type { PrivateKey } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'
import { DecodeError } from '../errors.ts'
import { encodedBlock, malformed, octetsOf, onlyPart, readAs, readBlock, type Subject, sequenceOf } from './asn1.ts'
import { derOfBer } from './ber.ts'
import { type Certificate, decodeCertificate, isSelfIssued } from './certificate.ts'
import { type KeySource, requirePassphrase, sourceError, wrongPassphrase } from './key-source.ts'
import { decryptWithPassphrase, iterationCount, pbkdf2Key } from './password-encryption.ts'
import { type Passphrase, passphraseOctets, pkcs12Key } from './pkcs12-kdf.ts'
import { decryptPrivateKey, fromPkcs8 } from './private-key.ts'
import { hashOf } from './signature-algorithm.ts'

/** What a PKCS #12 file holds. */
export interface Pkcs12 {
  readonly privateKey: PrivateKey
  /** In DER: that of the key first, then each by the one that issued it, then what is left. */
  readonly certificates: readonly Uint8Array[]
}

/** OBJECT IDENTIFIERs. RFC 7292 §§4, 5, RFC 5652. */
export const Pkcs12Oid = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  pkcs8ShroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  pbmac1: '1.2.840.113549.1.5.14',
} as const

/**
 * Opens a PKCS #12 file: keys and certificates encrypted by PBES2 or by 3DES and RC2 as older programs do, protected by an HMAC. It must hold one private key.
 * Throws `ConfigError`. RFC 7292, RFC 9579.
 */
export function readPkcs12(contents: Uint8Array, source: KeySource): Pkcs12 {
  try {
    const { version, authSafe, macData } = readAs(PFX, derOf(contents), SUBJECT)
    if (version !== 3) throw malformed(SUBJECT, 'a version that is not 3')
    const safes = dataOf(authSafe, source)
    const passphrases = openingPassphrases(source)
    const passphrase = macData === undefined ? passphrases[0]! : checkedPassphrase(macData, safes, passphrases, source)
    const found: Found = { keys: [], certificates: [] }
    const { safeContents } = readAs(AuthenticatedSafe, derOf(safes), SUBJECT)
    for (const info of safeContents) readSafe(info, { source, passphrase, found })
    return assemble(found, source)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw sourceError(source, `not a PKCS #12 file that can be read: ${error.message}`, allowed)
  }
}

const allowed = 'a PKCS #12 file with one private key and its certificates'
const encryptions = 'PBES2 with AES-CBC, 3DES or RC2, as `openssl pkcs12 -export` makes it'

interface Found {
  readonly keys: PrivateKey[]
  readonly certificates: Certificate[]
}

interface Opening {
  readonly source: KeySource
  readonly passphrase: Passphrase
  readonly found: Found
}

/** A file of the operator. */
const SUBJECT: Subject = {
  where: 'PKCS #12',
  section: 'RFC 7292 §4',
  mostBytes: 4 * 1024 * 1024,
  mostElements: 20_000,
}

/** Some programs stream the file in BER, with lengths that are not known before: the library's schema of a PFX refuses that. */
function derOf(octets: Uint8Array): Uint8Array {
  if (octets.length > SUBJECT.mostBytes!) throw malformed(SUBJECT, `${octets.length} octets are too many`)
  const reader = new Reader(octets, SUBJECT.where, SUBJECT.section)
  const der = derOfBer(reader)
  reader.end()
  return der
}

/** Without a passphrase there are two ways to write none. */
function openingPassphrases(source: KeySource): Passphrase[] {
  const octets = passphraseOctets(requirePassphrase(source, 'the PKCS #12 file'))
  return source.passphrase === '' ? [octets, { ...octets, bmp: new Uint8Array(0) }] : [octets]
}

/** The octets of a ContentInfo of type data. */
function dataOf({ contentType, content }: ContentInfo, source: KeySource): Uint8Array {
  if (contentType === Pkcs12Oid.data) return octetsOf(content, SUBJECT)
  throw sourceError(source, `a PKCS #12 file with content of type ${contentType} is not implemented`, allowed)
}

/** The one of the passphrases under which MacData is right. RFC 7292 §4, appendix B. */
function checkedPassphrase(
  { mac, macSalt, iterations = 1 }: MacData,
  content: Uint8Array,
  passphrases: readonly Passphrase[],
  source: KeySource,
): Passphrase {
  const salt = octetsOf(macSalt, SUBJECT)
  const count = iterationCount(iterations, SUBJECT)
  for (const passphrase of passphrases) {
    const key = macKey(mac.digestAlgorithm, passphrase, salt, count)
    if (key === undefined) throw sourceError(source, 'the MAC of the PKCS #12 file is not implemented', encryptions)
    const digest = nodeHmac(key.hash, key.octets, content)
    if (equalConstantTime(digest, octetsOf(mac.digest, SUBJECT))) return passphrase
  }
  throw wrongPassphrase(source, 'the PKCS #12 file')
}

function macKey(
  algorithm: AlgorithmIdentifier,
  passphrase: Passphrase,
  salt: Uint8Array,
  iterations: number,
): { readonly hash: HashName; readonly octets: Uint8Array } | undefined {
  if (algorithm.algorithmId === Pkcs12Oid.pbmac1) return pbmac1Key(algorithm, passphrase)
  const hash = hashOf(algorithm, SUBJECT)
  if (hash === undefined) return undefined
  return { hash, octets: pkcs12Key(hash, 'mac', passphrase, salt, iterations, hashBytes[hash]) }
}

const hashBytes: Readonly<Record<HashName, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }
const hmacHashes: Readonly<Record<string, HashName>> = {
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}

/** RFC 9579 §4: PBKDF2 and HMAC, in the two fields that PBES2 has too. */
function pbmac1Key(
  { algorithmParams }: AlgorithmIdentifier,
  passphrase: Passphrase,
): { readonly hash: HashName; readonly octets: Uint8Array } | undefined {
  if (algorithmParams === undefined) return undefined
  const { keyDerivationFunc: kdf, encryptionScheme: scheme } = readAs(PBES2Params, algorithmParams, SUBJECT)
  const hash = hmacHashes[scheme.algorithmId]
  if (kdf.algorithmId !== '1.2.840.113549.1.5.12' || kdf.algorithmParams === undefined || hash === undefined)
    return undefined
  const octets = pbkdf2Key(kdf.algorithmParams, passphrase, hashBytes[hash], SUBJECT)
  return octets && { hash, octets }
}

/** A ContentInfo of AuthenticatedSafe: bags in the clear, or encrypted. RFC 7292 §4.1. */
function readSafe({ contentType, content }: ContentInfo, opening: Opening): void {
  if (contentType === Pkcs12Oid.data) return readBags(octetsOf(content, SUBJECT), opening)
  if (contentType !== Pkcs12Oid.encryptedData) {
    throw sourceError(opening.source, `content of type ${contentType} is not implemented`, encryptions)
  }
  const { contentEncryptionAlgorithm, encryptedContent } = readAs(EncryptedData, content, SUBJECT).encryptedContentInfo
  if (encryptedContent === undefined) throw malformed(SUBJECT, 'EncryptedData without content')
  const data = octetsOf(encryptedContent, SUBJECT)
  const found = decryptWithPassphrase(contentEncryptionAlgorithm, data, opening.passphrase, SUBJECT)
  if (found.ok) return readBags(found.octets, opening)
  if (found.unsupported === undefined) throw wrongPassphrase(opening.source, 'the PKCS #12 file')
  throw sourceError(opening.source, `${found.unsupported} is not implemented`, encryptions)
}

/** SafeContents. RFC 7292 §4.2. */
const readBags = (octets: Uint8Array, opening: Opening): void =>
  readSafeContents(readBlock(derOf(octets), SUBJECT), opening, 0)

/** Bag by bag: the library refuses the whole file for a bag of a kind that it does not know. */
function readSafeContents(contents: AsnType, opening: Opening, depth: number): void {
  for (const bag of sequenceOf(contents, SUBJECT)) {
    const [type, value] = sequenceOf(bag, SUBJECT)
    if (!(type instanceof ObjectIdentifier) || value === undefined) throw malformed(SUBJECT, 'a SafeBag without value')
    readBag(type.valueBlock.toString(), onlyPart(value, SUBJECT), opening, depth)
  }
}

function readBag(type: string, value: AsnType, opening: Opening, depth: number): void {
  const { source, passphrase, found } = opening
  if (type === Pkcs12Oid.keyBag) found.keys.push(fromPkcs8(encodedBlock(value), source))
  else if (type === Pkcs12Oid.pkcs8ShroudedKeyBag) {
    found.keys.push(decryptPrivateKey(value, source, passphrase))
  } else if (type === Pkcs12Oid.certBag) {
    const [id, explicit] = sequenceOf(value, SUBJECT)
    const isX509 = id instanceof ObjectIdentifier && id.valueBlock.toString() === Pkcs12Oid.x509Certificate
    if (!isX509 || explicit === undefined) return
    found.certificates.push(decodeCertificate(octetsOf(onlyPart(explicit, SUBJECT), SUBJECT)))
  } else if (type === Pkcs12Oid.safeContentsBag && depth < 4) readSafeContents(value, opening, depth + 1)
}

function assemble({ keys, certificates }: Found, source: KeySource): Pkcs12 {
  const [privateKey] = keys
  if (privateKey === undefined || keys.length > 1) {
    throw sourceError(source, `there are ${keys.length} private keys in the PKCS #12 file`, allowed)
  }
  const left = [...certificates]
  const chain: Certificate[] = []
  let next = left.find(({ spki }) => equalBytes(spki, privateKey.publicKey.spki))
  while (next !== undefined) {
    const { issuerDer } = next
    chain.push(next)
    left.splice(left.indexOf(next), 1)
    next = isSelfIssued(next) ? undefined : left.find(({ subjectDer }) => equalBytes(subjectDer, issuerDer))
  }
  return { privateKey, certificates: [...chain, ...left].map(({ der }) => der) }
}
