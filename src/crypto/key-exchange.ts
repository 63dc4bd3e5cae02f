import { compareBytes, wipe } from '../bytes/index.ts'
import { PeerError } from '../errors.ts'
import { modpGroup } from './modp-groups.ts'
import { drawPrivateValue, fitPrivateValue } from './private-value.ts'
import type { CryptoProvider, KeyExchange, KeyExchangeAnswer, RandomSource } from './provider.ts'
import { requireGroup, requireLive } from './require.ts'
import { type KeGroupInfo, TransformType, transformName } from './transforms.ts'

/** A private key of one group as a provider holds it. */
export interface PrivateKey {
  /** As it stands in the KE payload. */
  readonly publicValue: Uint8Array
  /**
   * The shared secret with a public value whose length and MODP range are checked already. Returns undefined when the
   * value is not a point of the curve, or for X25519 and X448 when the result is zero (RFC 7748 §6.1). A point of an ECP group may
   * well have the x coordinate zero.
   */
  agree(peerPublic: Uint8Array): Uint8Array | undefined
  /** Wipes what the provider holds. */
  destroy(): void
}

/** A pair of ML-KEM keys as a provider holds it. */
export interface DecapsulationKey {
  /** The encapsulation key. */
  readonly publicValue: Uint8Array
  /** Any ciphertext of the right length gives a secret; a forged one gives one that nobody else has. FIPS 203 §6.3. */
  decapsulate(ciphertext: Uint8Array): Uint8Array
  destroy(): void
}

/** ML-KEM of a provider. Lengths are checked already; what it is given is borrowed. */
export interface KemMethods {
  /** The key pair of the seed d | z, 64 octets. FIPS 203 §6.1. */
  keysOf(group: KeGroupInfo, seed: Uint8Array): DecapsulationKey
  /** With `m`, 32 unpredictable octets. Undefined when the key fails the modulus check. FIPS 203 §§6.2, 7.2. */
  encapsulate(group: KeGroupInfo, encapsulationKey: Uint8Array, m: Uint8Array): KeyExchangeAnswer | undefined
}

/** Takes ownership of a private value in the form of `fitPrivateValue`. The group is one of `keGroupInfo`. */
export type LoadPrivateKey = (group: KeGroupInfo, privateValue: Uint8Array) => PrivateKey

type KeyExchangeMethods = Pick<CryptoProvider, 'keyExchange' | 'keyExchangeFromPrivate' | 'respondKeyExchange'>

/** The key exchange half of a provider: the same private values and the same checks for all, the arithmetic from `load` and `kem`. */
export function keyExchangeMethods(load: LoadPrivateKey, kem: KemMethods): KeyExchangeMethods {
  const begin = (info: KeGroupInfo, privateValue: Uint8Array) =>
    info.kind === 'ml-kem'
      ? new PendingKeyExchange(info, privateKeyOfKem(kem, info, privateValue))
      : new PendingKeyExchange(info, load(info, privateValue))
  return {
    keyExchange(group, random) {
      const info = requireGroup(group)
      return begin(info, drawPrivateValue(info, random))
    },
    keyExchangeFromPrivate(group, privateValue) {
      const info = requireGroup(group)
      return begin(info, fitPrivateValue(info, privateValue))
    },
    respondKeyExchange(group, peerPublic, random) {
      const info = requireGroup(group)
      checkPublicValue(info, peerPublic, info.publicBytes)
      if (info.kind === 'ml-kem') return encapsulate(kem, info, peerPublic, random)
      return answer(info, load(info, drawPrivateValue(info, random)), peerPublic)
    },
  }
}

/** Set by RFC 7296 §3.10.1; the class would otherwise depend on the codec for one number. */
const INVALID_SYNTAX = 7

function answer(group: KeGroupInfo, key: PrivateKey, peerPublic: Uint8Array): KeyExchangeAnswer {
  try {
    return { publicValue: key.publicValue, sharedSecret: agreeOrRefuse(group, key, peerPublic) }
  } finally {
    key.destroy()
  }
}

function encapsulate(
  kem: KemMethods,
  group: KeGroupInfo,
  peerPublic: Uint8Array,
  random: RandomSource,
): KeyExchangeAnswer {
  const m = random(group.sharedBytes, 'private-value')
  const made = kem.encapsulate(group, peerPublic, m)
  wipe(m)
  if (made === undefined) throw refusal(group, 'has a coefficient that is not below q')
  return made
}

/** ML-KEM's key pair in the shape of the others. Wipes `seed`. */
function privateKeyOfKem(kem: KemMethods, group: KeGroupInfo, seed: Uint8Array): PrivateKey {
  const keys = kem.keysOf(group, seed)
  wipe(seed)
  return {
    publicValue: keys.publicValue,
    agree: (ciphertext) => keys.decapsulate(ciphertext),
    destroy: () => keys.destroy(),
  }
}

class PendingKeyExchange implements KeyExchange {
  readonly group: number
  readonly publicValue: Uint8Array
  readonly #info: KeGroupInfo
  #key: PrivateKey | undefined

  constructor(info: KeGroupInfo, key: PrivateKey) {
    this.group = info.id
    this.publicValue = key.publicValue
    this.#info = info
    this.#key = key
  }

  finish(peerPublic: Uint8Array): Uint8Array {
    const key = requireLive('keyExchange', this.#key)
    checkPublicValue(this.#info, peerPublic, this.#info.answerBytes)
    return agreeOrRefuse(this.#info, key, peerPublic)
  }

  destroy(): void {
    this.#key?.destroy()
    this.#key = undefined
  }
}

function agreeOrRefuse(group: KeGroupInfo, key: PrivateKey, peerPublic: Uint8Array): Uint8Array {
  const shared = key.agree(peerPublic)
  if (shared !== undefined) return shared
  throw refusal(group, group.kind === 'ecp' ? 'is not a point of the curve' : 'is of low order')
}

/** The checks of RFC 6989 that need no arithmetic: the length (RFC 7296 §3.4), and for MODP 1 < y < p-1 (§2.1). */
function checkPublicValue(group: KeGroupInfo, value: Uint8Array, bytes: number): void {
  if (value.length !== bytes) throw refusal(group, `has ${value.length} octets, not ${bytes}`)
  const modp = modpGroup(group.id)
  if (modp === undefined) return
  const last = value.length - 1
  const isTiny = value[last]! <= 1 && value.subarray(0, last).every((octet) => octet === 0)
  // p is odd, so p-1 differs from p in the lowest bit only.
  const largest = modp.primeBytes.slice()
  largest[last] = largest[last]! & 0xfe
  if (isTiny || compareBytes(value, largest) >= 0) throw refusal(group, 'is not between 1 and p-1')
}

function refusal(group: KeGroupInfo, problem: string): PeerError {
  const name = transformName(TransformType.KE, group.id)
  return new PeerError('INVALID_KE_VALUE', `the peer's ${name} public value ${problem}`, { notify: INVALID_SYNTAX })
}
