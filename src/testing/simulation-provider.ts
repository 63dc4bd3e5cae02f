import { keyExchangeMethods, type PrivateKey } from '../crypto/key-exchange.ts'
import type { Aead, Cipher, CryptoProvider, Mac } from '../crypto/provider.ts'
import {
  requireAead,
  requireCipher,
  requireGroup,
  requireInteg,
  requireLive,
  requireNonce,
  requirePrf,
} from '../crypto/require.ts'
import type { AnyHashName, EncrInfo, KeGroupInfo } from '../crypto/transforms.ts'
import { ToyMixer } from './toy-mixer.ts'

/**
 * **Not cryptography.** Every transform under its own name and with its own sizes, made of a few additions: whoever sees a
 * public value knows the secret. It is for simulations of months, where real key exchanges would take most of the time;
 * both ends must have it, and `Endpoint` refuses it.
 */
export const simulationProvider: CryptoProvider = {
  name: 'simulation',
  insecure: true,
  hash: (hash, data) => mixerFor(hash).absorb(data).draw(hashBytes[hash]),
  hmac: (hash, key, data) => mixerFor(hash).absorb(key).absorb(data).draw(hashBytes[hash]),
  prf: (prf, key, data) => new ToyMixer().absorbNumber(prf).absorb(key).absorb(data).draw(requirePrf(prf).bytes),
  aead: (encr, key) => new ToyAead(requireAead(encr, key), key),
  cipher: (encr, key) => new ToyCipher(requireCipher(encr, key), key),
  mac: (integ, key) => new ToyMac(requireInteg(integ, key).icvBytes, key),
  ...keyExchangeMethods((group, privateValue) => new ToyPrivateKey(group, privateValue), {
    keysOf(group, seed) {
      const key = new ToyPrivateKey(group, seed)
      const decapsulate = (ciphertext: Uint8Array) => key.agree(ciphertext)
      return { publicValue: key.publicValue, decapsulate, destroy: () => key.destroy() }
    },
    encapsulate(group, encapsulationKey, m) {
      const publicValue = publicOf(m, requireGroup(group.id).answerBytes)
      return { publicValue, sharedSecret: sharedOf(group, m, encapsulationKey) }
    },
  }),
}

const hashBytes: Readonly<Record<AnyHashName, number>> = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

const mixerFor = (hash: AnyHashName): ToyMixer => new ToyMixer().absorbNumber(hashBytes[hash])

/** Octets of a private value that count: they stand in the public value as they are. */
const TOY_KEY_BYTES = 16

class ToyPrivateKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #group: KeGroupInfo
  readonly #key: Uint8Array

  constructor(group: KeGroupInfo, privateValue: Uint8Array) {
    this.#group = group
    this.#key = privateValue.slice(-TOY_KEY_BYTES)
    this.publicValue = publicOf(this.#key, group.publicBytes)
  }

  agree(peerPublic: Uint8Array): Uint8Array {
    return sharedOf(this.#group, this.#key, peerPublic)
  }

  destroy(): void {
    this.#key.fill(0)
  }
}

/** Begins with zero, so that it is below every modulus, and ends with the key. */
function publicOf(key: Uint8Array, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes)
  value.set(key.subarray(-TOY_KEY_BYTES), bytes - TOY_KEY_BYTES)
  value[1] = 2
  return value
}

/** The same for both sides. */
function sharedOf({ id, sharedBytes }: KeGroupInfo, key: Uint8Array, peerPublic: Uint8Array): Uint8Array {
  const both = key.slice(-TOY_KEY_BYTES)
  const start = peerPublic.length - TOY_KEY_BYTES
  for (let i = 0; i < TOY_KEY_BYTES; i++) both[i] = both[i]! ^ peerPublic[start + i]!
  return new ToyMixer().absorbNumber(id).absorb(both).draw(sharedBytes)
}

class ToyAead implements Aead {
  readonly nonceBytes: number
  readonly tagBytes: number
  #key: ToyMixer | undefined

  constructor(info: EncrInfo, key: Uint8Array) {
    this.nonceBytes = info.nonceBytes
    this.tagBytes = info.tagBytes
    this.#key = new ToyMixer().absorb(key)
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
    const tag = this.#begin(nonce)
    tag.copy().mask(buffer, offset, length)
    const octets = tag.absorb(aad, aadOffset, aadLength).absorb(buffer, offset, length).draw(this.tagBytes)
    buffer.set(octets, offset + length)
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
    const tag = this.#begin(nonce)
    if (offset + length + this.tagBytes > buffer.length) return false
    const stream = tag.copy()
    const octets = tag.absorb(aad, aadOffset, aadLength).absorb(buffer, offset, length).draw(this.tagBytes)
    if (!equals(octets, buffer, offset + length)) return false
    stream.mask(buffer, offset, length)
    return true
  }

  destroy(): void {
    this.#key = undefined
  }

  #begin(nonce: Uint8Array): ToyMixer {
    requireNonce(this, nonce)
    return requireLive('cipher', this.#key).copy().absorb(nonce)
  }
}

class ToyCipher implements Cipher {
  #key: ToyMixer | undefined

  constructor({ id }: EncrInfo, key: Uint8Array) {
    this.#key = new ToyMixer().absorbNumber(id).absorb(key)
  }

  encrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    requireLive('cipher', this.#key).copy().absorb(iv).mask(buffer, offset, length)
  }

  decrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void {
    this.encrypt(iv, buffer, offset, length)
  }

  destroy(): void {
    this.#key = undefined
  }
}

class ToyMac implements Mac {
  readonly icvBytes: number
  #key: ToyMixer | undefined

  constructor(icvBytes: number, key: Uint8Array) {
    this.icvBytes = icvBytes
    this.#key = new ToyMixer().absorb(key)
  }

  compute(buffer: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): void {
    out.set(this.#icvOf(buffer, offset, length), outOffset)
  }

  verify(buffer: Uint8Array, offset: number, length: number, icv: Uint8Array, icvOffset: number): boolean {
    return equals(this.#icvOf(buffer, offset, length), icv, icvOffset)
  }

  destroy(): void {
    this.#key = undefined
  }

  #icvOf(buffer: Uint8Array, offset: number, length: number): Uint8Array {
    return requireLive('mac', this.#key).copy().absorb(buffer, offset, length).draw(this.icvBytes)
  }
}

function equals(octets: Uint8Array, buffer: Uint8Array, offset: number): boolean {
  for (let i = 0; i < octets.length; i++) if (octets[i] !== buffer[offset + i]) return false
  return true
}
