import { AlgorithmIdentifier } from 'pkijs'
import { concat, equalBytes, equalConstantTime, Reader } from '../bytes/index.ts'
import { contextTag, DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { nodeHmac } from '../crypto/node-hash.ts'
import type { PrivateKey } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'
import { DecodeError } from '../errors.ts'
import { readAs } from './asn1.ts'
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
    const pfx = berReader(contents).sequence('PFX')
    if (pfx.smallInteger('version') !== 3) pfx.fail('a version that is not 3')
    const authSafe = dataOf(pfx.sequence('authSafe'), source)
    const passphrases = openingPassphrases(source)
    const passphrase =
      pfx.tag === undefined
        ? passphrases[0]!
        : checkedPassphrase(pfx.sequence('macData'), authSafe, passphrases, source)
    const found: Found = { keys: [], certificates: [] }
    const safes = berReader(authSafe).sequence('AuthenticatedSafe')
    while (safes.tag !== undefined) readSafe(safes.sequence('ContentInfo'), { source, passphrase, found })
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

const berReader = (octets: Uint8Array): DerReader => {
  const reader = new Reader(octets, 'PKCS #12', 'RFC 7292 §4')
  const der = derOfBer(reader)
  reader.end()
  return new DerReader(der, 'PKCS #12', 'RFC 7292 §4')
}

/** Without a passphrase there are two ways to write none. */
function openingPassphrases(source: KeySource): Passphrase[] {
  const octets = passphraseOctets(requirePassphrase(source, 'the PKCS #12 file'))
  return source.passphrase === '' ? [octets, { ...octets, bmp: new Uint8Array(0) }] : [octets]
}

/** The octets of a ContentInfo of type data. */
function dataOf(info: DerReader, source: KeySource): Uint8Array {
  const type = info.oid('contentType')
  if (type !== Pkcs12Oid.data) {
    throw sourceError(source, `a PKCS #12 file with content of type ${type} is not implemented`, allowed)
  }
  return octetString(info.nested(contextTag(0), 'content'))
}

function octetString(reader: DerReader): Uint8Array {
  const octets = reader.element(DerTag.OCTET_STRING, 'content')
  reader.end()
  return octets
}

/** The one of the passphrases under which MacData is right. RFC 7292 §4, appendix B. */
function checkedPassphrase(
  mac: DerReader,
  content: Uint8Array,
  passphrases: readonly Passphrase[],
  source: KeySource,
): Passphrase {
  const info = mac.sequence('mac')
  const algorithm = info.any('digestAlgorithm')
  const expected = info.element(DerTag.OCTET_STRING, 'digest')
  const salt = mac.element(DerTag.OCTET_STRING, 'macSalt')
  const iterations = mac.tag === undefined ? 1 : iterationCount(mac)
  for (const passphrase of passphrases) {
    const key = macKey(algorithm, passphrase, salt, iterations)
    if (key === undefined) throw sourceError(source, 'the MAC of the PKCS #12 file is not implemented', encryptions)
    if (equalConstantTime(nodeHmac(key.hash, key.octets, content), expected)) return passphrase
  }
  throw wrongPassphrase(source, 'the PKCS #12 file')
}

function macKey(
  algorithm: Uint8Array,
  passphrase: Passphrase,
  salt: Uint8Array,
  iterations: number,
): { readonly hash: HashName; readonly octets: Uint8Array } | undefined {
  const reader = () => new DerReader(algorithm, 'PKCS #12', 'RFC 7292 §4')
  const identifier = reader().sequence('digestAlgorithm')
  if (identifier.oid('digestAlgorithm') === Pkcs12Oid.pbmac1) {
    return pbmac1Key(identifier.sequence('PBMAC1-params'), passphrase)
  }
  const subject = { where: 'PKCS #12', section: 'RFC 7292 §4' }
  const hash = hashOf(readAs(AlgorithmIdentifier, algorithm, subject), subject)
  if (hash === undefined) return undefined
  return { hash, octets: pkcs12Key(hash, 'mac', passphrase, salt, iterations, hashBytes[hash]) }
}

const hashBytes: Readonly<Record<HashName, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }
const hmacHashes: Readonly<Record<string, HashName>> = {
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}

/** RFC 9579 §4: PBKDF2 and HMAC. */
function pbmac1Key(
  parameters: DerReader,
  passphrase: Passphrase,
): { readonly hash: HashName; readonly octets: Uint8Array } | undefined {
  const kdf = parameters.sequence('keyDerivationFunc')
  const scheme = parameters.sequence('messageAuthScheme')
  const hash = hmacHashes[scheme.oid('messageAuthScheme')]
  if (kdf.oid('keyDerivationFunc') !== '1.2.840.113549.1.5.12' || hash === undefined) return undefined
  const octets = pbkdf2Key(kdf.sequence('PBKDF2-params'), passphrase, hashBytes[hash])
  return octets && { hash, octets }
}

/** A ContentInfo of AuthenticatedSafe: bags in the clear, or encrypted. RFC 7292 §4.1. */
function readSafe(info: DerReader, opening: Opening): void {
  const type = info.oid('contentType')
  const content = info.nested(contextTag(0), 'content')
  if (type === Pkcs12Oid.data) return readBags(octetString(content), opening)
  if (type !== Pkcs12Oid.encryptedData) {
    throw sourceError(opening.source, `content of type ${type} is not implemented`, encryptions)
  }
  const encrypted = content.sequence('EncryptedData')
  encrypted.smallInteger('version')
  const inner = encrypted.sequence('EncryptedContentInfo')
  inner.oid('contentType')
  const algorithm = new DerReader(inner.any('contentEncryptionAlgorithm'), 'PKCS #12', 'RFC 5652 §8')
  const found = decryptWithPassphrase(algorithm, encryptedContent(inner), opening.passphrase)
  if (found.ok) return readBags(found.octets, opening)
  if (found.unsupported === undefined) throw wrongPassphrase(opening.source, 'the PKCS #12 file')
  throw sourceError(opening.source, `${found.unsupported} is not implemented`, encryptions)
}

/** An OCTET STRING with another tag, in one piece or several. */
function encryptedContent(inner: DerReader): Uint8Array {
  if (inner.tag === 0x80) return inner.element(0x80, 'encryptedContent')
  const pieces = inner.nested(contextTag(0), 'encryptedContent')
  const octets: Uint8Array[] = []
  while (pieces.tag !== undefined) octets.push(pieces.element(DerTag.OCTET_STRING, 'encryptedContent'))
  return concat(...octets)
}

/** SafeContents. RFC 7292 §4.2. */
function readBags(octets: Uint8Array, opening: Opening): void {
  readSafeContents(berReader(octets), opening, 0)
}

function readSafeContents(reader: DerReader, opening: Opening, depth: number): void {
  const bags = reader.sequence('SafeContents')
  while (bags.tag !== undefined) {
    const bag = bags.sequence('SafeBag')
    const type = bag.oid('bagId')
    readBag(type, bag.nested(contextTag(0), 'bagValue'), opening, depth)
  }
}

function readBag(type: string, value: DerReader, opening: Opening, depth: number): void {
  const { source, passphrase, found } = opening
  if (type === Pkcs12Oid.keyBag) found.keys.push(fromPkcs8(value.any('keyBag'), source))
  else if (type === Pkcs12Oid.pkcs8ShroudedKeyBag) {
    found.keys.push(decryptPrivateKey(value.any('pkcs8ShroudedKeyBag'), source, passphrase))
  } else if (type === Pkcs12Oid.certBag) {
    const bag = value.sequence('certBag')
    if (bag.oid('certId') !== Pkcs12Oid.x509Certificate) return
    found.certificates.push(decodeCertificate(octetString(bag.nested(contextTag(0), 'certValue'))))
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
