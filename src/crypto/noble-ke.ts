import { x25519 } from '@noble/curves/ed25519.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { concat, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { PrivateKey } from './key-exchange.ts'
import { bigintToBytes, bytesToBigint, type ModpGroup, modpGenerator, modpGroup } from './modp-groups.ts'
import { modPow } from './modpow.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

/** Takes ownership of a private value that `private-value.ts` made or checked. */
export function loadNoblePrivateKey(group: KeGroupInfo, privateValue: Uint8Array): PrivateKey {
  const modp = modpGroup(group.id)
  if (modp !== undefined) return new NobleModpKey(modp, privateValue)
  if (group.id === KeGroup.CURVE25519) return new NobleX25519Key(privateValue)
  const curve = curves.get(group.id)
  if (curve === undefined) throw new UsageError('group', `${group.id} is not implemented by the noble provider`)
  return new NobleEcpKey(curve, privateValue)
}

type Curve = typeof p256

const curves: ReadonlyMap<number, Curve> = new Map([
  [KeGroup.ECP_256, p256],
  [KeGroup.ECP_384, p384],
  [KeGroup.ECP_521, p521],
])

/** Before x|y: the "uncompressed" form of SEC 1 §2.3.3, which the KE payload leaves out (RFC 5903 §7). */
const uncompressed = Uint8Array.of(4)

class NobleEcpKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #curve: Curve
  readonly #scalar: Uint8Array

  constructor(curve: Curve, scalar: Uint8Array) {
    this.#curve = curve
    this.#scalar = scalar
    this.publicValue = curve.getPublicKey(scalar, false).slice(1)
  }

  agree(peerPublic: Uint8Array): Uint8Array | undefined {
    const encoded = concat(uncompressed, peerPublic)
    if (!this.#curve.utils.isValidPublicKey(encoded, false)) return undefined
    const point = this.#curve.getSharedSecret(this.#scalar, encoded, false)
    // RFC 5903 §9: the shared secret is the x coordinate alone.
    const shared = point.slice(1, 1 + peerPublic.length / 2)
    wipe(point)
    return shared
  }

  destroy(): void {
    wipe(this.#scalar)
  }
}

class NobleX25519Key implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #scalar: Uint8Array

  constructor(scalar: Uint8Array) {
    this.#scalar = scalar
    this.publicValue = x25519.getPublicKey(scalar)
  }

  agree(peerPublic: Uint8Array): Uint8Array | undefined {
    try {
      return x25519.getSharedSecret(this.#scalar, peerPublic)
    } catch {
      return undefined // Both lengths are 32, so it can only be a point of low order.
    }
  }

  destroy(): void {
    wipe(this.#scalar)
  }
}

class NobleModpKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #group: ModpGroup
  readonly #exponent: Uint8Array

  constructor(group: ModpGroup, exponent: Uint8Array) {
    this.#group = group
    this.#exponent = exponent
    this.publicValue = this.#raise(BigInt(modpGenerator))
  }

  agree(peerPublic: Uint8Array): Uint8Array {
    return this.#raise(bytesToBigint(peerPublic))
  }

  destroy(): void {
    wipe(this.#exponent)
  }

  #raise(base: bigint): Uint8Array {
    return bigintToBytes(modPow(base, this.#exponent, this.#group.prime), this.#group.primeBytes.length)
  }
}
