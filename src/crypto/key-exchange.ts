import { compareBytes } from '../bytes/index.ts'
import { PeerError } from '../errors.ts'
import { modpGroup } from './modp-groups.ts'
import { drawPrivateValue, fitPrivateValue } from './private-value.ts'
import type { CryptoProvider, KeyExchange, KeyExchangeAnswer } from './provider.ts'
import { requireGroup, requireLive } from './require.ts'
import { type KeGroupInfo, TransformType, transformName } from './transforms.ts'

/** A private key of one group as a provider holds it. */
export interface PrivateKey {
  /** As it stands in the KE payload. */
  readonly publicValue: Uint8Array
  /**
   * The shared secret with a public value whose length and MODP range are checked already. Returns undefined when the
   * value is not a point of the curve, or for X25519 when the result is zero (RFC 7748 §6.1). A point of an ECP group may
   * well have the x coordinate zero.
   */
  agree(peerPublic: Uint8Array): Uint8Array | undefined
  /** Wipes what the provider holds. */
  destroy(): void
}

/** Takes ownership of a private value in the form of `fitPrivateValue`. The group is one of `keGroupInfo`. */
export type LoadPrivateKey = (group: KeGroupInfo, privateValue: Uint8Array) => PrivateKey

type KeyExchangeMethods = Pick<CryptoProvider, 'keyExchange' | 'keyExchangeFromPrivate' | 'respondKeyExchange'>

/** The key exchange half of a provider: the same private values and the same checks for all, the arithmetic from `load`. */
export function keyExchangeMethods(load: LoadPrivateKey): KeyExchangeMethods {
  return {
    keyExchange(group, random) {
      const info = requireGroup(group)
      return new PendingKeyExchange(info, load(info, drawPrivateValue(info, random)))
    },
    keyExchangeFromPrivate(group, privateValue) {
      const info = requireGroup(group)
      return new PendingKeyExchange(info, load(info, fitPrivateValue(info, privateValue)))
    },
    respondKeyExchange(group, peerPublic, random) {
      const info = requireGroup(group)
      checkPublicValue(info, peerPublic)
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
    checkPublicValue(this.#info, peerPublic)
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
function checkPublicValue(group: KeGroupInfo, value: Uint8Array): void {
  if (value.length !== group.publicBytes) {
    throw refusal(group, `has ${value.length} octets, not ${group.publicBytes}`)
  }
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
