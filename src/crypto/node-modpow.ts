import { createPrivateKey, createPublicKey } from 'node:crypto'
import { wipe } from '../bytes/index.ts'
import { DerTag, derContents, derElement, derInteger } from './der.ts'
import type { ModpGroup } from './modp-groups.ts'

/**
 * base^exponent mod p by OpenSSL, as long as p, in constant time for the exponent. `base` is from 2 to p-2.
 *
 * node:crypto has no modular exponentiation. What does it is importing a Diffie-Hellman private key: OpenSSL computes
 * its public value. With g as the "generator" that is the public value, with the peer's value the shared secret. The
 * plain ways are worse: `createDiffieHellman` tests the prime first (5 s for MODP-4096 with OpenSSL 3.5), and
 * `diffieHellman` tests with OpenSSL 3.0, but not with 3.5, whether the peer's value is a square, which takes eight times
 * as long as the exponentiation and which RFC 6989 §2.1 does not ask for.
 */
export function nodeModPow(base: Uint8Array, exponent: Uint8Array, group: ModpGroup): Uint8Array {
  const pkcs8 = privateKeyInfo(group, base, exponent)
  const key = createPrivateKey({ key: asBuffer(pkcs8), format: 'der', type: 'pkcs8' })
  wipe(pkcs8)
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const value = publicInteger(spki)
  const padded = new Uint8Array(group.primeBytes.length)
  // The INTEGER has no leading zeros, or one for its sign.
  const digits = value.subarray(Math.max(0, value.length - padded.length))
  padded.set(digits, padded.length - digits.length)
  wipe(spki)
  return padded
}

/** 1.2.840.113549.1.3.1, dhKeyAgreement of PKCS #3. */
const dhKeyAgreement = Uint8Array.of(0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01)

/** PrivateKeyInfo of PKCS #8: version 0, {OID, {p, g}}, the exponent. */
function privateKeyInfo(group: ModpGroup, generator: Uint8Array, exponent: Uint8Array): Uint8Array {
  const parameters = derElement(DerTag.SEQUENCE, derInteger(group.primeBytes), derInteger(generator))
  const algorithm = derElement(DerTag.SEQUENCE, dhKeyAgreement, parameters)
  const integer = derInteger(exponent)
  const privateKey = derElement(DerTag.OCTET_STRING, integer)
  const info = derElement(DerTag.SEQUENCE, derInteger(Uint8Array.of(0)), algorithm, privateKey)
  wipe(integer, privateKey)
  return info
}

/** The INTEGER inside the BIT STRING behind the algorithm of a SubjectPublicKeyInfo (borrowed). */
function publicInteger(spki: Uint8Array): Uint8Array {
  const info = derContents(spki, 0).contents
  const bits = derContents(info, derContents(info, 0).next).contents
  // The first octet of a BIT STRING counts its unused bits.
  return derContents(bits, 1).contents
}

/** A view of the same octets; node's key import asks for a `Buffer`. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
