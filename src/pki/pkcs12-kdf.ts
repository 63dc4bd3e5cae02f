import { concat } from '../bytes/index.ts'
import { nodeHash } from '../crypto/node-hash.ts'
import type { HashName } from '../crypto/transforms.ts'

/** A passphrase as the two kinds of key derivation take it. */
export interface Passphrase {
  readonly utf8: Uint8Array
  /** UTF-16 with two zero octets at the end. RFC 7292 appendix B.1. */
  readonly bmp: Uint8Array
}

export function passphraseOctets(text: string): Passphrase {
  const bmp = new Uint8Array(2 * text.length + 2)
  for (let i = 0; i < text.length; i++) {
    bmp[2 * i] = text.charCodeAt(i) >>> 8
    bmp[2 * i + 1] = text.charCodeAt(i) & 0xff
  }
  return { utf8: new TextEncoder().encode(text), bmp }
}

const purposes = { encryption: 1, iv: 2, mac: 3 } as const

/** Octets of key for one purpose. RFC 7292 appendix B.2. */
export function pkcs12Key(
  hash: HashName,
  purpose: keyof typeof purposes,
  passphrase: Passphrase,
  salt: Uint8Array,
  iterations: number,
  keyBytes: number,
): Uint8Array {
  const block = hash === 'sha1' || hash === 'sha256' ? 64 : 128
  const diversifier = new Uint8Array(block).fill(purposes[purpose])
  const input = concat(repeated(salt, block), repeated(passphrase.bmp, block))
  const key = new Uint8Array(keyBytes)
  for (let at = 0; at < keyBytes; ) {
    let a = nodeHash(hash, concat(diversifier, input))
    for (let i = 1; i < iterations; i++) a = nodeHash(hash, a)
    key.set(a.subarray(0, keyBytes - at), at)
    at += a.length
    const b = repeated(a, block, block)
    for (let i = 0; i < input.length; i += block) addOne(input.subarray(i, i + block), b)
  }
  return key
}

/** `octets` over and over up to the next multiple of `block`, or up to `length`. */
function repeated(octets: Uint8Array, block: number, length = block * Math.ceil(octets.length / block)): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => octets[i % octets.length]!)
}

/** number + addend + 1, big-endian, modulo its size. */
function addOne(number: Uint8Array, addend: Uint8Array): void {
  let carry = 1
  for (let i = number.length - 1; i >= 0; i--) {
    carry += number[i]! + addend[i]!
    number[i] = carry & 0xff
    carry >>>= 8
  }
}
