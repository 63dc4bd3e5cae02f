import { createECDH, createPrivateKey, createPublicKey, diffieHellman, type ECDH, type KeyObject } from 'node:crypto'
import { concat, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { PrivateKey } from './key-exchange.ts'
import { type ModpGroup, modpGenerator, modpGroup } from './modp-groups.ts'
import { asBuffer, nodeModPow } from './node-modpow.ts'
import { requireLive } from './require.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

/** Takes ownership of a private value that `private-value.ts` made or checked. */
export function loadNodePrivateKey(group: KeGroupInfo, privateValue: Uint8Array): PrivateKey {
  const modp = modpGroup(group.id)
  if (modp !== undefined) return new NodeModpKey(modp, privateValue)
  if (group.id === KeGroup.CURVE25519) return new NodeX25519Key(privateValue)
  const curve = curveNames.get(group.id)
  if (curve === undefined) throw new UsageError('group', `${group.id} is not implemented by the node provider`)
  return new NodeEcpKey(curve, privateValue)
}

const curveNames: ReadonlyMap<number, string> = new Map([
  [KeGroup.ECP_256, 'prime256v1'],
  [KeGroup.ECP_384, 'secp384r1'],
  [KeGroup.ECP_521, 'secp521r1'],
])

/** Before x|y: the "uncompressed" form of SEC 1 §2.3.3, which the KE payload leaves out (RFC 5903 §7). */
const uncompressed = Uint8Array.of(4)

class NodeEcpKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #ecdh: ECDH
  readonly #scalar: Uint8Array

  constructor(curve: string, scalar: Uint8Array) {
    this.#ecdh = createECDH(curve)
    this.#ecdh.setPrivateKey(scalar)
    this.#scalar = scalar
    this.publicValue = Uint8Array.from(this.#ecdh.getPublicKey().subarray(1))
  }

  agree(peerPublic: Uint8Array): Uint8Array | undefined {
    try {
      return moved(this.#ecdh.computeSecret(concat(uncompressed, peerPublic)))
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY') throw error
      return undefined // Not on the curve.
    }
  }

  destroy(): void {
    wipe(this.#scalar)
    // Replaces, and so cleanses, the scalar inside OpenSSL.
    this.#ecdh.setPrivateKey(Uint8Array.of(1))
  }
}

/** PKCS #8 and SubjectPublicKeyInfo of X25519 up to the 32 octets of key (RFC 8410 §§4, 7): node:crypto imports no raw keys. */
const pkcs8Prefix = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20)
const spkiPrefix = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0)

class NodeX25519Key implements PrivateKey {
  readonly publicValue: Uint8Array
  #privateKey: KeyObject | undefined

  constructor(scalar: Uint8Array) {
    const der = concat(pkcs8Prefix, scalar)
    this.#privateKey = createPrivateKey({ key: asBuffer(der), format: 'der', type: 'pkcs8' })
    wipe(der, scalar)
    const spki = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' })
    this.publicValue = Uint8Array.from(spki.subarray(spkiPrefix.length))
  }

  agree(peerPublic: Uint8Array): Uint8Array | undefined {
    const privateKey = requireLive('keyExchange', this.#privateKey)
    const spki = asBuffer(concat(spkiPrefix, peerPublic))
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    try {
      return moved(diffieHellman({ privateKey, publicKey }))
    } catch {
      return undefined // Any 32 octets are a public key: OpenSSL refuses only a result of zero.
    }
  }

  /** OpenSSL's copy of the key is cleansed when the key object is collected; there is no call that does it at once. */
  destroy(): void {
    this.#privateKey = undefined
  }
}

class NodeModpKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #group: ModpGroup
  readonly #exponent: Uint8Array

  constructor(group: ModpGroup, exponent: Uint8Array) {
    this.#group = group
    this.#exponent = exponent
    this.publicValue = nodeModPow(Uint8Array.of(modpGenerator), exponent, group)
  }

  agree(peerPublic: Uint8Array): Uint8Array {
    return nodeModPow(peerPublic, this.#exponent, this.#group)
  }

  destroy(): void {
    wipe(this.#exponent)
  }
}

/** A copy as a plain array of its own; the original is wiped. */
function moved(secret: Buffer): Uint8Array {
  const copy = Uint8Array.from(secret)
  wipe(secret)
  return copy
}
