import { createECDH, type ECDH } from 'node:crypto'
import { concat, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { PrivateKey } from './key-exchange.ts'
import { type ModpGroup, modpGenerator, modpGroup } from './modp-groups.ts'
import { nodeModPow } from './node-modpow.ts'
import { moved, NodeMontgomeryKey } from './node-montgomery.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

/** Takes ownership of a private value that `private-value.ts` made or checked. */
export function loadNodePrivateKey(group: KeGroupInfo, privateValue: Uint8Array): PrivateKey {
  const modp = modpGroup(group.id)
  if (modp !== undefined) return new NodeModpKey(modp, privateValue)
  if (group.kind === 'x25519' || group.kind === 'x448') return new NodeMontgomeryKey(group.kind, privateValue)
  const curve = curveNames.get(group.id)
  if (curve === undefined) throw new UsageError('group', `${group.id} is not implemented by the node provider`)
  return new NodeEcpKey(curve, privateValue)
}

const curveNames: ReadonlyMap<number, string> = new Map([
  [KeGroup.ECP_256, 'prime256v1'],
  [KeGroup.ECP_384, 'secp384r1'],
  [KeGroup.ECP_521, 'secp521r1'],
  [KeGroup.BRAINPOOL_P224R1, 'brainpoolP224r1'],
  [KeGroup.BRAINPOOL_P256R1, 'brainpoolP256r1'],
  [KeGroup.BRAINPOOL_P384R1, 'brainpoolP384r1'],
  [KeGroup.BRAINPOOL_P512R1, 'brainpoolP512r1'],
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
