import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto'
import { type AsnType, Integer, Null, OctetString } from 'asn1js'
import { AlgorithmIdentifier, PBES2Params, PBKDF2Params } from 'pkijs'
import { wipe } from '../bytes/index.ts'
import { rc2CbcDecrypt } from '../crypto/rc2.ts'
import type { HashName } from '../crypto/transforms.ts'
import { malformed, octetsOf, readAs, type Subject, sequenceOf } from './asn1.ts'
import { type Passphrase, pkcs12Key } from './pkcs12-kdf.ts'

export type Decrypted =
  | { readonly ok: true; readonly octets: Uint8Array }
  /** `unsupported`: what is not implemented; undefined when the passphrase is wrong, or the data damaged. */
  | { readonly ok: false; readonly unsupported: string | undefined }

/**
 * Decrypts what a passphrase protects: PBES2 (PBKDF2 or scrypt; AES-CBC or 3DES-CBC), and the algorithms of PKCS #12. Throws
 * `DecodeError` for malformed parameters. RFC 8018 §6.2, RFC 7914 §7, RFC 7292 appendix C.
 */
export function decryptWithPassphrase(
  { algorithmId: oid, algorithmParams: parameters }: AlgorithmIdentifier,
  data: Uint8Array,
  passphrase: Passphrase,
  subject: Subject,
): Decrypted {
  if (parameters !== undefined && oid === PBES2)
    return decryptPbes2(readAs(PBES2Params, parameters, subject), data, passphrase, subject)
  const old = pkcs12Ciphers[oid]
  if (old === undefined || parameters === undefined) return unsupported(`encryption ${oid}`)
  const [saltBlock, count, ...more] = sequenceOf(parameters, subject)
  if (saltBlock === undefined || more.length > 0)
    throw malformed(subject, 'parameters that are not salt and iterations')
  const salt = octetsOf(saltBlock, subject)
  const iterations = iterationCount(smallInteger(count, subject), subject)
  const { cipher, keyBytes } = old
  const key = pkcs12Key('sha1', 'encryption', passphrase, salt, iterations, keyBytes)
  const iv = pkcs12Key('sha1', 'iv', passphrase, salt, iterations, 8)
  if (cipher === 'rc2') return unpadded(rc2CbcDecrypt(key, 8 * keyBytes, iv, data), 8)
  // 3DES with two keys has the first again as the third.
  const whole = keyBytes === 24 ? key : Uint8Array.of(...key, ...key.subarray(0, 8))
  return decipher('des-ede3-cbc', whole, iv, data)
}

/** Encrypts by PBES2 with PBKDF2 (HMAC-SHA-256) and AES-256-CBC, with a salt and IV from OpenSSL's generator. RFC 8018 §6.2. */
export function encryptWithPassphrase(
  octets: Uint8Array,
  passphrase: string,
): { readonly algorithm: AlgorithmIdentifier; readonly data: Uint8Array } {
  const [salt, iv] = [Uint8Array.from(randomBytes(16)), Uint8Array.from(randomBytes(16))]
  const key = pbkdf2Sync(passphrase, salt, ownIterations, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const data = Uint8Array.from([...cipher.update(octets), ...cipher.final()])
  wipe(key)
  const kdf = new PBKDF2Params({
    salt: new OctetString({ valueHex: salt }),
    iterationCount: ownIterations,
    prf: new AlgorithmIdentifier({ algorithmId: hmacOids.sha256, algorithmParams: new Null() }),
  })
  const parameters = new PBES2Params({
    keyDerivationFunc: new AlgorithmIdentifier({ algorithmId: PBKDF2, algorithmParams: kdf.toSchema() }),
    encryptionScheme: new AlgorithmIdentifier({
      algorithmId: AES_256_CBC,
      algorithmParams: new OctetString({ valueHex: iv }),
    }),
  })
  return { algorithm: new AlgorithmIdentifier({ algorithmId: PBES2, algorithmParams: parameters.toSchema() }), data }
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
export function iterationCount(count: number, subject: Subject): number {
  if (!Number.isInteger(count) || count < 1 || count > MOST_ITERATIONS)
    throw malformed(subject, `an iterationCount of ${count}`)
  return count
}

/** The key of PBKDF2-params; `keyBytes` where they do not name its length. RFC 8018 appendix A.2. */
export function pbkdf2Key(
  block: AsnType,
  passphrase: Passphrase,
  keyBytes: number,
  subject: Subject,
): Uint8Array | undefined {
  const { salt, iterationCount: count, keyLength, prf } = readAs(PBKDF2Params, block, subject)
  if (!(salt instanceof OctetString)) throw malformed(subject, 'a salt that is no OCTET STRING')
  const iterations = iterationCount(count, subject)
  const hash = prf === undefined ? 'sha1' : hmacHash(prf)
  if (hash === undefined || (keyLength ?? keyBytes) !== keyBytes) return undefined
  return Uint8Array.from(pbkdf2Sync(passphrase.utf8, octetsOf(salt, subject), iterations, keyBytes, hash))
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

function decryptPbes2(
  { keyDerivationFunc: kdf, encryptionScheme: scheme }: PBES2Params,
  data: Uint8Array,
  passphrase: Passphrase,
  subject: Subject,
): Decrypted {
  const cipher = ciphers[scheme.algorithmId]
  if (cipher === undefined) return unsupported(`encryption ${scheme.algorithmId}`)
  if (!(scheme.algorithmParams instanceof OctetString)) throw malformed(subject, 'an IV that is no OCTET STRING')
  const iv = octetsOf(scheme.algorithmParams, subject)
  if (iv.length !== cipher.ivBytes) throw malformed(subject, `an IV of ${iv.length} octets`)
  const derive = { [PBKDF2]: pbkdf2Key, [SCRYPT]: scryptKey }[kdf.algorithmId]
  const key = kdf.algorithmParams && derive?.(kdf.algorithmParams, passphrase, cipher.keyBytes, subject)
  return key === undefined
    ? unsupported(`key derivation ${kdf.algorithmId} of this kind`)
    : decipher(cipher.name, key, iv, data)
}

/** Scrypt-params, which the library does not have. RFC 7914 §7.1. */
function scryptKey(block: AsnType, passphrase: Passphrase, keyBytes: number, subject: Subject): Uint8Array | undefined {
  const [salt, ...numbers] = sequenceOf(block, subject)
  const [N = 0, r = 0, p = 0, length = keyBytes] = numbers.map((number) => smallInteger(number, subject))
  if (salt === undefined || numbers.length > 4) throw malformed(subject, 'parameters that are not those of scrypt')
  const isPowerOf2 = N > 1 && (N & (N - 1)) === 0
  if (length !== keyBytes || !isPowerOf2 || r < 1 || p < 1 || p > 1024) return undefined
  if (128 * N * r > MOST_MEMORY || 128 * r * p > MOST_MEMORY) return undefined
  const options = { N, r, p, maxmem: 2 * MOST_MEMORY }
  return Uint8Array.from(scryptSync(passphrase.utf8, octetsOf(salt, subject), keyBytes, options))
}

const hmacHash = ({ algorithmId }: AlgorithmIdentifier): HashName | undefined =>
  (Object.keys(hmacOids) as HashName[]).find((hash) => hmacOids[hash] === algorithmId)

/** An INTEGER from 0 to 2^31 - 1. */
function smallInteger(block: AsnType | undefined, subject: Subject): number {
  const value = block instanceof Integer && !block.valueBlock.isHexOnly ? block.valueBlock.valueDec : -1
  if (value < 0) throw malformed(subject, 'a number that is none, or too large')
  return value
}

/** Without the padding of RFC 8018 §6.1.1. */
function unpadded(octets: Uint8Array, block: number): Decrypted {
  const fill = octets.at(-1) ?? 0
  const isPadding = fill >= 1 && fill <= block && octets.subarray(-fill).every((octet) => octet === fill)
  if (!isPadding || octets.length % block !== 0) return { ok: false, unsupported: undefined }
  return { ok: true, octets: octets.subarray(0, octets.length - fill) }
}
