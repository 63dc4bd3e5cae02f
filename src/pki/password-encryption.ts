import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto'
import { wipe } from '../bytes/index.ts'
import { DerTag, derElement, derInteger, derOid } from '../crypto/der.ts'
import type { DerReader } from '../crypto/der-reader.ts'
import { rc2CbcDecrypt } from '../crypto/rc2.ts'
import type { HashName } from '../crypto/transforms.ts'
import { type Passphrase, pkcs12Key } from './pkcs12-kdf.ts'

export type Decrypted =
  | { readonly ok: true; readonly octets: Uint8Array }
  /** `unsupported`: what is not implemented; undefined when the passphrase is wrong, or the data damaged. */
  | { readonly ok: false; readonly unsupported: string | undefined }

/**
 * Decrypts what a passphrase protects: PBES2 (PBKDF2 or scrypt; AES-CBC or 3DES-CBC), and the algorithms of PKCS #12. `algorithm` stands
 * before an AlgorithmIdentifier. Throws `DecodeError` for malformed parameters. RFC 8018 §6.2, RFC 7914 §7, RFC 7292 appendix C.
 */
export function decryptWithPassphrase(algorithm: DerReader, data: Uint8Array, passphrase: Passphrase): Decrypted {
  const identifier = algorithm.sequence('encryptionAlgorithm')
  const oid = identifier.oid('encryptionAlgorithm')
  const parameters = identifier.tag === DerTag.SEQUENCE ? identifier.sequence('parameters') : undefined
  identifier.end()
  if (oid === PBES2 && parameters !== undefined) return decryptPbes2(parameters, data, passphrase)
  const old = pkcs12Ciphers[oid]
  if (old === undefined || parameters === undefined) return unsupported(`encryption ${oid}`)
  const salt = parameters.element(DerTag.OCTET_STRING, 'salt')
  const iterations = iterationCount(parameters)
  parameters.end()
  const { cipher, keyBytes } = old
  const key = pkcs12Key('sha1', 'encryption', passphrase, salt, iterations, keyBytes)
  const iv = pkcs12Key('sha1', 'iv', passphrase, salt, iterations, 8)
  if (cipher === 'rc2') return unpadded(rc2CbcDecrypt(key, 8 * keyBytes, iv, data), 8)
  // 3DES with two keys has the first again as the third.
  const whole = keyBytes === 24 ? key : Uint8Array.of(...key, ...key.subarray(0, 8))
  return decipher('des-ede3-cbc', whole, iv, data)
}

/**
 * Encrypts by PBES2 with PBKDF2 (HMAC-SHA-256) and AES-256-CBC, with a salt and IV from OpenSSL's generator. `algorithm` is an
 * AlgorithmIdentifier in DER. RFC 8018 §6.2.
 */
export function encryptWithPassphrase(
  octets: Uint8Array,
  passphrase: string,
): { readonly algorithm: Uint8Array; readonly data: Uint8Array } {
  const [salt, iv] = [randomBytes(16), randomBytes(16)]
  const key = pbkdf2Sync(passphrase, salt, ownIterations, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const data = Uint8Array.from([...cipher.update(octets), ...cipher.final()])
  wipe(key)
  const prf = derElement(DerTag.SEQUENCE, derOid(hmacOids.sha256), Uint8Array.of(DerTag.NULL, 0))
  const kdf = derElement(
    DerTag.SEQUENCE,
    derOid(PBKDF2),
    derElement(DerTag.SEQUENCE, derElement(DerTag.OCTET_STRING, salt), derInteger(countOctets(ownIterations)), prf),
  )
  const scheme = derElement(DerTag.SEQUENCE, derOid(AES_256_CBC), derElement(DerTag.OCTET_STRING, iv))
  const parameters = derElement(DerTag.SEQUENCE, kdf, scheme)
  return { algorithm: derElement(DerTag.SEQUENCE, derOid(PBES2), parameters), data }
}

/** Decrypts CBC with the padding of RFC 8018 §6.1.1. `name` is one of OpenSSL's. */
export function decipher(name: string, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Decrypted {
  const cipher = createDecipheriv(name, key, iv)
  try {
    const [first, last] = [cipher.update(data), cipher.final()]
    const octets = new Uint8Array(first.length + last.length)
    octets.set(first)
    octets.set(last, first.length)
    wipe(first, last)
    return { ok: true, octets }
  } catch {
    return { ok: false, unsupported: undefined }
  } finally {
    wipe(key)
  }
}

/** An iteration count that can be done. */
export function iterationCount(parameters: DerReader): number {
  const count = parameters.smallInteger('iterationCount')
  return count < 1 || count > MOST_ITERATIONS ? parameters.fail(`an iterationCount of ${count}`) : count
}

/** The key of PBKDF2-params, whose reader it takes to the end; `keyBytes` where they do not name its length. RFC 8018 appendix A.2. */
export function pbkdf2Key(parameters: DerReader, passphrase: Passphrase, keyBytes: number): Uint8Array | undefined {
  const salt = parameters.element(DerTag.OCTET_STRING, 'salt')
  const iterations = iterationCount(parameters)
  const length = parameters.tag === DerTag.INTEGER ? parameters.smallInteger('keyLength') : keyBytes
  const hash = parameters.tag === undefined ? 'sha1' : hmacHash(parameters)
  parameters.end()
  if (hash === undefined || length !== keyBytes) return undefined
  return Uint8Array.from(pbkdf2Sync(passphrase.utf8, salt, iterations, length, hash))
}

/** What OpenSSL writes by now, and some milliseconds. */
const ownIterations = 100_000
const MOST_ITERATIONS = 20_000_000
/** Octets of memory that scrypt may take. */
const MOST_MEMORY = 1 << 29

const PBES2 = '1.2.840.113549.1.5.13'
const PBKDF2 = '1.2.840.113549.1.5.12'
const SCRYPT = '1.3.6.1.4.1.11591.4.11'
const AES_256_CBC = '2.16.840.1.101.3.4.1.42'

const ciphers: Readonly<
  Record<string, { readonly name: string; readonly keyBytes: number; readonly ivBytes: number }>
> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16, ivBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24, ivBytes: 16 },
  [AES_256_CBC]: { name: 'aes-256-cbc', keyBytes: 32, ivBytes: 16 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24, ivBytes: 8 },
}

/** pbeWithSHAAnd...-CBC. RFC 7292 appendix C. */
const pkcs12Ciphers: Readonly<Record<string, { readonly cipher: '3des' | 'rc2'; readonly keyBytes: number }>> = {
  '1.2.840.113549.1.12.1.3': { cipher: '3des', keyBytes: 24 },
  '1.2.840.113549.1.12.1.4': { cipher: '3des', keyBytes: 16 },
  '1.2.840.113549.1.12.1.5': { cipher: 'rc2', keyBytes: 16 },
  '1.2.840.113549.1.12.1.6': { cipher: 'rc2', keyBytes: 5 },
}

const hmacOids: Readonly<Record<HashName, string>> = {
  sha1: '1.2.840.113549.2.7',
  sha256: '1.2.840.113549.2.9',
  sha384: '1.2.840.113549.2.10',
  sha512: '1.2.840.113549.2.11',
}

const unsupported = (what: string): Decrypted => ({ ok: false, unsupported: what })

function decryptPbes2(parameters: DerReader, data: Uint8Array, passphrase: Passphrase): Decrypted {
  const kdf = parameters.sequence('keyDerivationFunc')
  const scheme = parameters.sequence('encryptionScheme')
  parameters.end()
  const schemeOid = scheme.oid('encryptionScheme')
  const cipher = ciphers[schemeOid]
  if (cipher === undefined) return unsupported(`encryption ${schemeOid}`)
  const iv = scheme.element(DerTag.OCTET_STRING, 'iv')
  scheme.end()
  if (iv.length !== cipher.ivBytes) scheme.fail(`an IV of ${iv.length} octets`)
  const kdfOid = kdf.oid('keyDerivationFunc')
  const derive = kdfOid === PBKDF2 ? pbkdf2Key : kdfOid === SCRYPT ? scryptKey : undefined
  const key = derive?.(kdf.sequence('keyDerivationFunc'), passphrase, cipher.keyBytes)
  kdf.end()
  return key === undefined ? unsupported(`key derivation ${kdfOid} of this kind`) : decipher(cipher.name, key, iv, data)
}

/** Scrypt-params. RFC 7914 §7.1. */
function scryptKey(parameters: DerReader, passphrase: Passphrase, keyBytes: number): Uint8Array | undefined {
  const salt = parameters.element(DerTag.OCTET_STRING, 'salt')
  const N = parameters.smallInteger('costParameter')
  const r = parameters.smallInteger('blockSize')
  const p = parameters.smallInteger('parallelizationParameter')
  if (parameters.tag === DerTag.INTEGER && parameters.smallInteger('keyLength') !== keyBytes) return undefined
  parameters.end()
  const isPowerOf2 = N > 1 && (N & (N - 1)) === 0
  if (!isPowerOf2 || r < 1 || p < 1 || p > 1024 || 128 * N * r > MOST_MEMORY || 128 * r * p > MOST_MEMORY)
    return undefined
  return Uint8Array.from(scryptSync(passphrase.utf8, salt, keyBytes, { N, r, p, maxmem: 2 * MOST_MEMORY }))
}

function hmacHash(parameters: DerReader): HashName | undefined {
  const prf = parameters.sequence('prf')
  const oid = prf.oid('prf')
  if (prf.tag === DerTag.NULL) prf.element(DerTag.NULL, 'prf')
  prf.end()
  return (Object.keys(hmacOids) as HashName[]).find((hash) => hmacOids[hash] === oid)
}

/** Without the padding of RFC 8018 §6.1.1. */
function unpadded(octets: Uint8Array, block: number): Decrypted {
  const fill = octets.at(-1) ?? 0
  const isPadding = fill >= 1 && fill <= block && octets.subarray(-fill).every((octet) => octet === fill)
  if (!isPadding || octets.length % block !== 0) return { ok: false, unsupported: undefined }
  return { ok: true, octets: octets.subarray(0, octets.length - fill) }
}

const countOctets = (count: number): Uint8Array =>
  Uint8Array.of((count >>> 24) & 0xff, (count >>> 16) & 0xff, (count >>> 8) & 0xff, count & 0xff)
