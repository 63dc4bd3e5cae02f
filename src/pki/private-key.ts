import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { type AsnType, OctetString } from 'asn1js'
import { PKCS8ShroudedKeyBag } from 'pkijs'
import { concat, fromHex, wipe } from '../bytes/index.ts'
import { DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { nodeSignatures } from '../crypto/node-signature.ts'
import { wrapEcPrivateKey, wrapRsaPrivateKey } from '../crypto/private-key-parts.ts'
import { decodePublicKey, keyKind } from '../crypto/public-key.ts'
import type { PrivateKey, SignatureScheme } from '../crypto/signature.ts'
import { DecodeError } from '../errors.ts'
import { encodeBlock, octetsOf, readAs, type Subject } from './asn1.ts'
import { type KeySource, pemBlocks, requirePassphrase, sourceError, wrongPassphrase } from './key-source.ts'
import { type Decrypted, decipher, decryptWithPassphrase, encryptWithPassphrase } from './password-encryption.ts'
import { encodePem, type PemBlock, pemText } from './pem.ts'
import { type Passphrase, passphraseOctets } from './pkcs12-kdf.ts'

/**
 * The private key of a file, PEM or DER: PKCS #8, PKCS #1 or SEC 1, encrypted by PBES2 (PBKDF2, scrypt), by the algorithms of PKCS #12, or as
 * `Proc-Type: 4,ENCRYPTED`. In PEM the first one counts, and certificates beside it are passed over. Throws `ConfigError`.
 */
export function readPrivateKey(contents: Uint8Array, source: KeySource): PrivateKey {
  const text = pemText(contents)
  try {
    return text === undefined ? fromDer(contents, source) : fromPem(text, source)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw sourceError(source, `not a private key that can be read: ${error.message}`, privateKeys)
  }
}

/** PEM of a private key, with a passphrase encrypted by PBES2 (PBKDF2 with HMAC-SHA-256, AES-256-CBC). */
export function encodePrivateKey({ pkcs8 }: PrivateKey, passphrase?: string): string {
  return passphrase === undefined
    ? encodePem('PRIVATE KEY', pkcs8)
    : encodePem('ENCRYPTED PRIVATE KEY', encryptPrivateKey(pkcs8, passphrase))
}

/** EncryptedPrivateKeyInfo. RFC 5958 §3. */
export const encryptPrivateKey = (pkcs8: Uint8Array, passphrase: string): Uint8Array =>
  encodeBlock(shroudedKey(pkcs8, passphrase).toSchema())

/** The same as the library has it. */
export function shroudedKey(pkcs8: Uint8Array, passphrase: string): PKCS8ShroudedKeyBag {
  const { algorithm, data } = encryptWithPassphrase(pkcs8, passphrase)
  return new PKCS8ShroudedKeyBag({
    encryptionAlgorithm: algorithm,
    encryptedData: new OctetString({ valueHex: data }),
  })
}

const ENCRYPTED: Subject = { where: 'EncryptedPrivateKeyInfo', section: 'RFC 5958 §3' }

/** The key of an EncryptedPrivateKeyInfo, in DER or read before. Throws `ConfigError` and `DecodeError`. RFC 5958 §3. */
export function decryptPrivateKey(
  info: Uint8Array | AsnType,
  source: KeySource,
  passphrase = passphraseOf(source),
): PrivateKey {
  const { encryptionAlgorithm, encryptedData } = readAs(PKCS8ShroudedKeyBag, info, ENCRYPTED)
  const found = decryptWithPassphrase(encryptionAlgorithm, octetsOf(encryptedData, ENCRYPTED), passphrase, ENCRYPTED)
  return fromDecrypted(found, source, (pkcs8) => fromPkcs8(pkcs8, source))
}

/** The key of a PrivateKeyInfo, loaded once and tried. Throws `ConfigError`. RFC 5958 §2. */
export function fromPkcs8(pkcs8: Uint8Array, source: KeySource): PrivateKey {
  const loaded = load(pkcs8)
  if (loaded === undefined) throw sourceError(source, 'not a private key that OpenSSL reads', privateKeys)
  const publicKey = decodePublicKey(createPublicKey(loaded).export({ format: 'der', type: 'spki' }))
  const key = {
    ...keyKind(publicKey),
    pkcs8: Uint8Array.from(loaded.export({ format: 'der', type: 'pkcs8' })),
    publicKey,
  }
  if (!signsWell(key))
    throw sourceError(source, 'the private key is damaged: what it signs does not verify', privateKeys)
  return key
}

const privateKeys =
  'a private key (RSA, ECDSA on P-256, P-384, P-521 or Brainpool, Ed25519, Ed448) in PEM or DER, PKCS #8, PKCS #1 or SEC 1'
function fromPem(text: string, source: KeySource): PrivateKey {
  const blocks = pemBlocks(text, source)
  const block = blocks.find(({ label }) => label.endsWith('PRIVATE KEY'))
  if (block === undefined) {
    const found = blocks.map(({ label }) => label).join(', ')
    throw sourceError(source, `there is no private key in it, only ${found || 'nothing'}`, privateKeys)
  }
  switch (block.label) {
    case 'PRIVATE KEY':
      return fromPkcs8(block.der, source)
    case 'ENCRYPTED PRIVATE KEY':
      return decryptPrivateKey(block.der, source)
    case 'RSA PRIVATE KEY':
      return fromOldPem(block, source, (der) => fromPkcs8(wrapRsaPrivateKey(der), source))
    case 'EC PRIVATE KEY':
      return fromOldPem(block, source, (der) => fromPkcs8(wrapEcPrivateKey(der), source))
    default:
      throw sourceError(source, `${block.label} is not implemented`, privateKeys)
  }
}

/** By what stands first in it: a version (PrivateKeyInfo, PKCS #1, SEC 1, PKCS #12), or an algorithm (encrypted). */
function fromDer(der: Uint8Array, source: KeySource): PrivateKey {
  const outer = new DerReader(der, 'private key', 'RFC 5958 §2')
  const key = outer.sequence('private key')
  outer.end()
  if (key.tag === DerTag.SEQUENCE) return decryptPrivateKey(der, source)
  const version = key.smallInteger('version')
  if (version === 3)
    throw sourceError(source, 'a PKCS #12 file, not a single private key', `it as "pkcs12", or ${privateKeys}`)
  if (key.tag === DerTag.SEQUENCE) return fromPkcs8(der, source)
  return fromPkcs8(key.tag === DerTag.OCTET_STRING ? wrapEcPrivateKey(der) : wrapRsaPrivateKey(der), source)
}

/** Encrypted in the way of RFC 1421 if its headers say so. */
function fromOldPem({ der, headers }: PemBlock, source: KeySource, read: (der: Uint8Array) => PrivateKey): PrivateKey {
  if (!headers.get('Proc-Type')?.includes('ENCRYPTED')) return read(der)
  const passphrase = requirePassphrase(source, 'the private key')
  const [, name, ivHex] = /^([\w-]+),([0-9A-Fa-f]{16,32})$/.exec(headers.get('DEK-Info') ?? '') ?? []
  const cipher = oldCiphers[name?.toUpperCase() ?? '']
  if (cipher === undefined || ivHex?.length !== 2 * cipher.ivBytes) {
    const what = name === undefined ? 'an encryption without a name' : `encryption ${name}`
    throw sourceError(source, `${what} is not implemented`, encryptions)
  }
  const iv = fromHex(ivHex.toLowerCase())
  const key = oldKey(new TextEncoder().encode(passphrase), iv.subarray(0, 8), cipher.keyBytes)
  return fromDecrypted(decipher(name!.toLowerCase(), key, iv, der), source, read)
}

const oldCiphers: Readonly<Record<string, { readonly keyBytes: number; readonly ivBytes: number }>> = {
  'AES-128-CBC': { keyBytes: 16, ivBytes: 16 },
  'AES-192-CBC': { keyBytes: 24, ivBytes: 16 },
  'AES-256-CBC': { keyBytes: 32, ivBytes: 16 },
  'DES-EDE3-CBC': { keyBytes: 24, ivBytes: 8 },
}

/** OpenSSL's derivation for PEM: MD5 of what came before, passphrase and salt, once. */
function oldKey(passphrase: Uint8Array, salt: Uint8Array, keyBytes: number): Uint8Array {
  let key = new Uint8Array(0)
  let last = new Uint8Array(0)
  while (key.length < keyBytes) {
    last = new Uint8Array(createHash('md5').update(last).update(passphrase).update(salt).digest())
    key = concat(key, last) as Uint8Array<ArrayBuffer>
  }
  return key.slice(0, keyBytes)
}

const passphraseOf = (source: KeySource): Passphrase => passphraseOctets(requirePassphrase(source, 'the private key'))

const encryptions = 'PBES2 with PBKDF2 or scrypt and AES-CBC, as `openssl pkcs8 -topk8` makes it'

/** Reads what was decrypted: a wrong passphrase leaves valid padding behind once in 256 times, and no key. */
function fromDecrypted(found: Decrypted, source: KeySource, read: (der: Uint8Array) => PrivateKey): PrivateKey {
  if (!found.ok && found.unsupported !== undefined) {
    throw sourceError(source, `${found.unsupported} is not implemented`, encryptions)
  }
  if (!found.ok || !isOneElement(found.octets)) throw wrongPassphrase(source, 'the private key')
  try {
    return read(found.octets)
  } finally {
    wipe(found.octets)
  }
}

function isOneElement(der: Uint8Array): boolean {
  try {
    const reader = new DerReader(der, 'private key', 'RFC 5958 §2')
    reader.sequence('private key')
    reader.end()
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

function load(pkcs8: Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: 'der',
      type: 'pkcs8',
    })
  } catch {
    return undefined // OpenSSL's text says nothing that helps a person.
  }
}

/** OpenSSL loads RSA keys whose numbers contradict each other. */
function signsWell(key: PrivateKey): boolean {
  const octets = Uint8Array.of(1)
  const scheme = trialScheme(key)
  try {
    return nodeSignatures.verify(key.publicKey, scheme, octets, nodeSignatures.sign(key, scheme, octets))
  } catch {
    return false
  }
}

/** For RSA one that keys for PSS alone and short ones make too. */
function trialScheme({ kind }: PrivateKey): SignatureScheme {
  if (kind === 'rsa') return { kind: 'rsa-pss', hash: 'sha256', saltBytes: 0 }
  return kind === 'ec' ? { kind: 'ecdsa', hash: 'sha256', encoding: 'der' } : { kind }
}
