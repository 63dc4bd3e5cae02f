import { ecdsa, weierstrass } from '@noble/curves/abstract/weierstrass.js'
import { x448 } from '@noble/curves/ed448.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
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
  if (group.kind === 'x25519') return new NobleMontgomeryKey(x25519, privateValue)
  if (group.kind === 'x448') return new NobleMontgomeryKey(x448, privateValue)
  const curve = curves.get(group.id)
  if (curve === undefined) throw new UsageError('group', `${group.id} is not implemented by the noble provider`)
  return new NobleEcpKey(curve, privateValue)
}

type Curve = typeof p256

/** RFC 5639 §3.3, which the library leaves out. The hash is for signatures, which nobody makes with it. */
const brainpoolP224r1: Curve = /* @__PURE__ */ (() =>
  ecdsa(
    weierstrass({
      p: 0xd7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ffn,
      a: 0x68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43n,
      b: 0x2580f63ccfe44138870713b1a92369e33e2135d266dbb372386c400bn,
      n: 0xd7c134aa264366862a18302575d0fb98d116bc4b6ddebca3a5a7939fn,
      Gx: 0x0d9029ad2c7e5cf4340823b2a87dc68c9e4ce3174c1e6efdee12c07dn,
      Gy: 0x58aa56f772c0726f24c6b89e4ecdac24354b9e99caa3f6d3761402cdn,
      h: 1n,
    }),
    sha256,
  ))()

const curves: ReadonlyMap<number, Curve> = new Map([
  [KeGroup.ECP_256, p256],
  [KeGroup.ECP_384, p384],
  [KeGroup.ECP_521, p521],
  [KeGroup.BRAINPOOL_P224R1, brainpoolP224r1],
  [KeGroup.BRAINPOOL_P256R1, brainpoolP256r1],
  [KeGroup.BRAINPOOL_P384R1, brainpoolP384r1],
  [KeGroup.BRAINPOOL_P512R1, brainpoolP512r1],
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

class NobleMontgomeryKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #curve: typeof x25519
  readonly #scalar: Uint8Array

  constructor(curve: typeof x25519, scalar: Uint8Array) {
    this.#curve = curve
    this.#scalar = scalar
    this.publicValue = curve.getPublicKey(scalar)
  }

  agree(peerPublic: Uint8Array): Uint8Array | undefined {
    try {
      return this.#curve.getSharedSecret(this.#scalar, peerPublic)
    } catch {
      return undefined // The lengths are right, so it can only be a point of low order.
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
