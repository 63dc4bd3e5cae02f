import { nodeProvider } from '../../src/crypto/node.ts'
import type { Aead, CryptoProvider, KeyExchange, KeyExchangeAnswer, RandomSource } from '../../src/crypto/provider.ts'
import { requireAead, requireGroup } from '../../src/crypto/require.ts'
import { type AnyHashName, type KeGroupInfo, prfInfo } from '../../src/crypto/transforms.ts'
import { PeerError } from '../../src/errors.ts'

/** A message or packet as it was sealed: who has the world's crypto opens and seals everything. */
export interface Sealed {
  readonly aead: FastAead
  readonly nonce: Uint8Array
  readonly plaintext: Uint8Array
}

/**
 * Cryptography for fuzzing: sizes and failures as they should be, secrecy none. A handshake takes a tenth of the time, so that an
 * input comes ten times as often. It remembers what was sealed under which key, for a man in the middle who holds all keys. What
 * is not here is real.
 */
export function fastCrypto(): CryptoProvider & { readonly sealed: Map<string, Sealed> } {
  const sealed = new Map<string, Sealed>()
  return {
    ...nodeProvider,
    name: 'fuzz',
    sealed,
    hash: (name, data) => digest(hashBytes[name], 0x9e3779b9, data, none),
    hmac: (name, key, data) => digest(hashBytes[name], 0x85ebca6b, data, key),
    prf: (prf, key, data) => digest(prfInfo(prf)!.bytes, 0xc2b2ae35, data, key),
    aead: (encr, key) => new FastAead(requireAead(encr, key).tagBytes, key, sealed),
    keyExchange: (group, random) => new FastKeyExchange(requireGroup(group), random),
    keyExchangeFromPrivate: (group, octets) => new FastKeyExchange(requireGroup(group), () => octets),
    respondKeyExchange: (group, peerPublic, random) => respond(requireGroup(group), peerPublic, random),
  }
}

const none = new Uint8Array(0)
const hashBytes: Readonly<Record<AnyHashName, number>> = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

/** `bytes` octets that depend on every octet of `key` and `data`, and on their lengths. */
function digest(bytes: number, seed: number, data: Uint8Array, key: Uint8Array): Uint8Array {
  let a = mix(seed ^ key.length, data.length)
  let b = mix(a, bytes)
  for (let i = 0; i < key.length; i++) {
    a = Math.imul(a ^ key[i]!, 0x01000193)
    b = Math.imul((b << 7) ^ (b >>> 25) ^ key[i]! ^ a, 0x85ebca6b)
  }
  a = mix(a, b)
  for (let i = 0; i < data.length; i++) {
    a = Math.imul(a ^ data[i]!, 0x01000193)
    b = Math.imul((b << 7) ^ (b >>> 25) ^ data[i]! ^ a, 0x85ebca6b)
  }
  const result = new Uint8Array(bytes)
  for (let i = 0; i < bytes; i++) {
    if ((i & 3) === 0) {
      a = mix(a, b)
      b = mix(b, a)
    }
    result[i] = a >>> (8 * (i & 3))
  }
  return result
}

function mix(a: number, b: number): number {
  let t = Math.imul(a ^ (b >>> 15), 0x2c1b3c6d) ^ b
  t = Math.imul(t ^ (t >>> 12), 0x297a2d39)
  return (t ^ (t >>> 15)) >>> 0
}

/** Adds a stream of octets, and has a tag over everything. */
export class FastAead implements Aead {
  readonly nonceBytes = 12
  readonly tagBytes: number
  readonly #key: Uint8Array
  readonly #sealed: Map<string, Sealed>

  constructor(tagBytes: number, key: Uint8Array, sealed: Map<string, Sealed>) {
    this.tagBytes = tagBytes
    this.#key = key.slice()
    this.#sealed = sealed
  }

  seal(
    nonce: Uint8Array,
    aad: Uint8Array,
    aadOffset: number,
    aadLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const plaintext = buffer.slice(offset, offset + length)
    this.#cover(nonce, buffer, offset, length)
    const tag = this.#tag(
      nonce,
      aad.subarray(aadOffset, aadOffset + aadLength),
      buffer.subarray(offset, offset + length),
    )
    buffer.set(tag, offset + length)
    this.#sealed.set(tagKey(tag), { aead: this, nonce: nonce.slice(), plaintext })
  }

  open(
    nonce: Uint8Array,
    aad: Uint8Array,
    aadOffset: number,
    aadLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const tag = this.#tag(
      nonce,
      aad.subarray(aadOffset, aadOffset + aadLength),
      buffer.subarray(offset, offset + length),
    )
    for (let i = 0; i < tag.length; i++) if (tag[i] !== buffer[offset + length + i]) return false
    this.#cover(nonce, buffer, offset, length)
    return true
  }

  /** The key stays: the man in the middle may use it after its owner is gone. */
  destroy(): void {}

  #cover(nonce: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    const [first, second] = [this.#key[0]! ^ nonce[4]!, this.#key[1]! ^ nonce[nonce.length - 1]!]
    for (let i = 0; i < length; i++) buffer[offset + i] = buffer[offset + i]! ^ (i & 1 ? first : second)
  }

  #tag(nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array {
    const covered = new Uint8Array(nonce.length + aad.length + text.length)
    covered.set(nonce)
    covered.set(aad, nonce.length)
    covered.set(text, nonce.length + aad.length)
    return digest(this.tagBytes, aad.length, covered, this.#key)
  }
}

/** The name of a sealed message in `sealed`: the tag that ends it. */
export const tagKey = (tag: Uint8Array): string => String.fromCharCode(...tag)

/** Multiplication modulo a prime stands for a group: it commutes, and nothing else is asked of it. */
const PRIME = 67_108_859

class FastKeyExchange implements KeyExchange {
  readonly group: number
  readonly publicValue: Uint8Array
  readonly #info: KeGroupInfo
  readonly #private: number

  constructor(info: KeGroupInfo, random: RandomSource) {
    this.group = info.id
    this.#info = info
    this.#private = 2 + (readNumber(random(32)) % (PRIME - 3))
    this.publicValue = element(info.publicBytes, this.#private)
  }

  finish(peerPublic: Uint8Array, bytes = this.#info.answerBytes): Uint8Array {
    if (peerPublic.length !== bytes) throw refusal(`has ${peerPublic.length} octets`)
    const value = readNumber(peerPublic) % PRIME
    if (value <= 1) throw refusal('is of low order')
    return element(this.#info.sharedBytes, (value * this.#private) % PRIME)
  }

  destroy(): void {}
}

function respond(info: KeGroupInfo, peerPublic: Uint8Array, random: RandomSource): KeyExchangeAnswer {
  const pair = new FastKeyExchange(info, random)
  const sharedSecret = pair.finish(peerPublic, info.publicBytes)
  const publicValue = new Uint8Array(info.answerBytes)
  publicValue.set(pair.publicValue.subarray(0, 4))
  return { publicValue, sharedSecret }
}

const refusal = (problem: string): PeerError =>
  new PeerError('INVALID_KE_VALUE', `the peer's public value ${problem}`, { notify: 7 })

const readNumber = (octets: Uint8Array): number => new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0)

function element(bytes: number, value: number): Uint8Array {
  const octets = new Uint8Array(bytes)
  new DataView(octets.buffer).setUint32(0, value)
  return octets
}
