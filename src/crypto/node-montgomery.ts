import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import { versions } from 'node:process'
import { concat, fromHex, wipe } from '../bytes/index.ts'
import type { PrivateKey } from './key-exchange.ts'
import { asBuffer } from './node-modpow.ts'
import { requireLive } from './require.ts'

interface Curve {
  readonly crv: 'X25519' | 'X448'
  /** PKCS #8 up to the octets of key. RFC 8410 §7. */
  readonly pkcs8Prefix: Uint8Array
}

const curves: Readonly<Record<'x25519' | 'x448', Curve>> = {
  x25519: { crv: 'X25519', pkcs8Prefix: fromHex('302e020100300506032b656e04220420') },
  x448: { crv: 'X448', pkcs8Prefix: fromHex('3046020100300506032b656f043a0438') },
}

/** A private key of X25519 or X448. RFC 7748 §§5, 6. */
export class NodeMontgomeryKey implements PrivateKey {
  readonly publicValue: Uint8Array
  readonly #curve: Curve
  #privateKey: KeyObject | undefined

  /** Takes ownership of `scalar`. */
  constructor(kind: 'x25519' | 'x448', scalar: Uint8Array) {
    this.#curve = curves[kind]
    this.#privateKey = importScalar(this.#curve, scalar)
    wipe(scalar)
    this.publicValue = fromBase64Url(createPublicKey(this.#privateKey).export({ format: 'jwk' }).x!)
  }

  agree(peerPublic: Uint8Array): Uint8Array | undefined {
    const privateKey = requireLive('keyExchange', this.#privateKey)
    const jwk = { kty: 'OKP', crv: this.#curve.crv, x: asBuffer(peerPublic).toString('base64url') }
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
    try {
      return moved(diffieHellman({ privateKey, publicKey }))
    } catch {
      return undefined // Any octets of the right length are a public key: OpenSSL refuses only a result of zero.
    }
  }

  /** OpenSSL's copy of the key is cleansed when the key object is collected; there is no call that does it at once. */
  destroy(): void {
    this.#privateKey = undefined
  }
}

/** A copy as a plain array of its own; the original is wiped. */
export function moved(secret: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(secret)
  wipe(secret)
  return copy
}

/**
 * The decoders of OpenSSL 3.0 take 0.5 ms for a private key, twelve times as long as a multiplication; a JSON Web Key goes past them.
 * It leaves the scalar behind in a string that nobody can wipe, so where decoding is fast (0.05 ms) it is not used. It also
 * names the public value, which is what we want to know: up to version 24 Node never looks at that.
 */
const importsJwk = versions.openssl.startsWith('3.0.') && Number.parseInt(versions.node, 10) < 25

const importScalar = (curve: Curve, scalar: Uint8Array): KeyObject =>
  importsJwk ? importJwk(curve, scalar) : importDer(curve, scalar)

function importJwk(curve: Curve, scalar: Uint8Array): KeyObject {
  const d = asBuffer(scalar).toString('base64url')
  return createPrivateKey({ key: { kty: 'OKP', crv: curve.crv, d, x: 'AA' }, format: 'jwk' })
}

function importDer(curve: Curve, scalar: Uint8Array): KeyObject {
  const der = concat(curve.pkcs8Prefix, scalar)
  const key = createPrivateKey({ key: asBuffer(der), format: 'der', type: 'pkcs8' })
  wipe(der)
  return key
}

const fromBase64Url = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64url'))
