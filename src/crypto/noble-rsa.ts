import { concat, equalBytes, fromHex } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { bigintToBytes, bytesToBigint } from './modp-groups.ts'
import { modPow } from './modpow.ts'
import { nobleHash } from './noble-hash.ts'
import type { RsaPrivateKeyParts } from './private-key-parts.ts'
import type { PublicKeyParts } from './public-key.ts'
import type { SignatureScheme } from './signature.ts'
import type { HashName } from './transforms.ts'

export type RsaScheme = Extract<SignatureScheme, { readonly kind: 'rsa-pkcs1' | 'rsa-pss' }>

type RsaPublicKeyParts = Extract<PublicKeyParts, { readonly kind: 'rsa' }>

/** RSASSA-PKCS1-v1_5 and RSASSA-PSS with MGF1 of the same hash. RFC 8017 §§8.1.2, 8.2.2. */
export function verifyRsa(key: RsaPublicKeyParts, scheme: RsaScheme, data: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== key.modulus.length) return false
  if (scheme.kind === 'rsa-pkcs1' && key.isPssOnly) return false
  const value = bytesToBigint(signature)
  const modulus = bytesToBigint(key.modulus)
  if (value >= modulus) return false
  const message = bigintToBytes(modPow(value, key.exponent, modulus), signature.length)
  const digest = nobleHash(scheme.hash, data)
  if (scheme.kind === 'rsa-pss') return isPssEncoding(message, key.bits - 1, scheme, digest)
  // What was signed is made anew and compared whole: reading it has let forgeries pass wherever a reader was lenient.
  const expected = pkcs1Encoding(scheme.hash, digest, signature.length)
  return expected !== undefined && equalBytes(message, expected)
}

/**
 * The same, made. By the two primes and with the value blinded; but BigInt arithmetic is not constant time in any
 * engine, so where somebody can measure the time of many signatures closely, use another provider. `random` gives
 * unpredictable octets. RFC 8017 §§8.1.1, 8.2.1.
 */
export function signRsa(
  key: RsaPrivateKeyParts,
  scheme: RsaScheme,
  data: Uint8Array,
  random: (length: number) => Uint8Array,
): Uint8Array {
  if (scheme.kind === 'rsa-pkcs1' && key.isPssOnly) throw new UsageError('scheme', 'the key is for RSASSA-PSS alone')
  const digest = nobleHash(scheme.hash, data)
  const length = key.modulus.length
  const message =
    scheme.kind === 'rsa-pss'
      ? pssEncoding(key.bits - 1, scheme, digest, random(scheme.saltBytes))
      : pkcs1Encoding(scheme.hash, digest, length)
  if (message === undefined) throw new UsageError('key', `${key.bits} bits are too few for ${scheme.hash}`)
  return bigintToBytes(signValue(key, bytesToBigint(message), random), length)
}

/** value^d mod n, blinded with r^e for a random r, by the Chinese remainder theorem. RFC 8017 §5.1.2. */
function signValue(key: RsaPrivateKeyParts, value: bigint, random: (length: number) => Uint8Array): bigint {
  const modulus = bytesToBigint(key.modulus)
  const { factor, inverse } = blinding(modulus, () => bytesToBigint(random(key.modulus.length + 8)) % modulus)
  const blinded = (value * modPow(factor, key.exponent, modulus)) % modulus
  const p = bytesToBigint(key.prime1)
  const q = bytesToBigint(key.prime2)
  const m1 = modPow(blinded % p, padded(key.exponent1, key.prime1.length), p)
  const m2 = modPow(blinded % q, padded(key.exponent2, key.prime2.length), q)
  const h = (bytesToBigint(key.coefficient) * (((m1 - m2) % p) + p)) % p
  const result = ((m2 + q * h) * inverse) % modulus
  // A signature that one prime got wrong gives the other away.
  if (modPow(result, key.exponent, modulus) !== value) throw new UsageError('key', 'its numbers contradict each other')
  return result
}

function blinding(modulus: bigint, draw: () => bigint): { readonly factor: bigint; readonly inverse: bigint } {
  for (;;) {
    const factor = draw()
    const inverse = invert(factor, modulus)
    if (inverse !== undefined) return { factor, inverse }
  }
}

/** value^-1 mod modulus by Euclid's algorithm; undefined when they share a factor. */
function invert(value: bigint, modulus: bigint): bigint | undefined {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n]
  while (a !== 0n && a !== 1n) {
    const quotient = b / a
    ;[a, b, x, y] = [b - quotient * a, a, y - quotient * x, x]
  }
  return a === 0n ? undefined : ((x % modulus) + modulus) % modulus
}

/** DER of DigestInfo up to the digest. RFC 8017 §9.2 note 1. */
const digestInfo: Readonly<Record<HashName, Uint8Array>> = {
  sha1: fromHex('3021300906052b0e03021a05000414'),
  sha256: fromHex('3031300d060960864801650304020105000420'),
  sha384: fromHex('3041300d060960864801650304020205000430'),
  sha512: fromHex('3051300d060960864801650304020305000440'),
}

/** EMSA-PKCS1-v1_5; undefined when the modulus is too short for it. RFC 8017 §9.2. */
function pkcs1Encoding(hash: HashName, digest: Uint8Array, length: number): Uint8Array | undefined {
  const content = concat(digestInfo[hash], digest)
  const fill = length - content.length - 3
  if (fill < 8) return undefined
  return concat(Uint8Array.of(0, 1), new Uint8Array(fill).fill(0xff), Uint8Array.of(0), content)
}

type PssScheme = Extract<SignatureScheme, { readonly kind: 'rsa-pss' }>

/** EMSA-PSS in `bits` bits; undefined when they are too few. RFC 8017 §9.1.1. */
function pssEncoding(bits: number, scheme: PssScheme, digest: Uint8Array, salt: Uint8Array): Uint8Array | undefined {
  const length = Math.ceil(bits / 8)
  const zeros = length - digest.length - salt.length - 2
  if (zeros < 0) return undefined
  const h = pssHash(scheme.hash, digest, salt)
  const masked = concat(new Uint8Array(zeros), Uint8Array.of(1), salt)
  applyMask(masked, scheme.hash, h)
  masked[0]! &= 0xff >>> (8 * length - bits)
  return concat(masked, h, Uint8Array.of(0xbc))
}

/** EMSA-PSS-VERIFY of `message`, which may have one octet more than `bits` need. RFC 8017 §9.1.2. */
function isPssEncoding(message: Uint8Array, bits: number, scheme: PssScheme, digest: Uint8Array): boolean {
  const length = Math.ceil(bits / 8)
  const zeros = length - digest.length - scheme.saltBytes - 2
  if (zeros < 0 || (message.length > length && message[0] !== 0)) return false
  const encoded = message.slice(message.length - length)
  const spare = 0xff >>> (8 * length - bits)
  if (encoded[length - 1] !== 0xbc || (encoded[0]! & ~spare) !== 0) return false
  const h = encoded.subarray(length - 1 - digest.length, length - 1)
  const block = encoded.subarray(0, length - 1 - digest.length)
  applyMask(block, scheme.hash, h)
  block[0]! &= spare
  if (block.subarray(0, zeros).some((octet) => octet !== 0) || block[zeros] !== 1) return false
  return equalBytes(pssHash(scheme.hash, digest, block.subarray(zeros + 1)), h)
}

const pssHash = (hash: HashName, digest: Uint8Array, salt: Uint8Array): Uint8Array =>
  nobleHash(hash, concat(new Uint8Array(8), digest, salt))

/** XORs MGF1 of `seed` onto `block`. RFC 8017 appendix B.2.1. */
function applyMask(block: Uint8Array, hash: HashName, seed: Uint8Array): void {
  let at = 0
  for (let counter = 0; at < block.length; counter++) {
    const mask = nobleHash(hash, concat(seed, bigintToBytes(BigInt(counter), 4)))
    for (let i = 0; i < mask.length && at < block.length; i++, at++) block[at]! ^= mask[i]!
  }
}

/** With zeros in front, so that the number of steps tells nothing of the exponent. */
const padded = (octets: Uint8Array, length: number): Uint8Array =>
  concat(new Uint8Array(Math.max(0, length - octets.length)), octets)
