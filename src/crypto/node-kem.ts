import crypto, { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { concat, fromHex, wipe } from '../bytes/index.ts'
import type { DecapsulationKey, KemMethods } from './key-exchange.ts'
import { nobleKem } from './noble-kem.ts'
import { asBuffer } from './node-modpow.ts'
import { moved } from './node-montgomery.ts'
import { requireLive } from './require.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

/** Node has it from 24.7 on; the type declarations are of an older one. */
const { decapsulate } = crypto as { decapsulate?: (key: KeyObject, ciphertext: Uint8Array) => Buffer }

/**
 * ML-KEM of OpenSSL where node:crypto offers it, else in JavaScript. Encapsulation is in JavaScript always: OpenSSL's draws its own
 * random octets, and a handshake could not be replayed.
 */
export const nodeKem: KemMethods = {
  keysOf: (group, seed) =>
    decapsulate === undefined ? nobleKem.keysOf(group, seed) : new NodeDecapsulationKey(group, seed, decapsulate),
  encapsulate: nobleKem.encapsulate,
}

/** PKCS #8 up to the seed: version 0, {id-alg-ml-kem-512, -768 or -1024}, the seed alone. draft-ietf-lamps-kyber-certificates §6. */
const pkcs8Prefixes: ReadonlyMap<number, Uint8Array> = new Map([
  [KeGroup.ML_KEM_512, fromHex('3054020100300b060960864801650304040104428040')],
  [KeGroup.ML_KEM_768, fromHex('3054020100300b060960864801650304040204428040')],
  [KeGroup.ML_KEM_1024, fromHex('3054020100300b060960864801650304040304428040')],
])

class NodeDecapsulationKey implements DecapsulationKey {
  readonly publicValue: Uint8Array
  readonly #decapsulate: (key: KeyObject, ciphertext: Uint8Array) => Buffer
  #privateKey: KeyObject | undefined

  constructor(group: KeGroupInfo, seed: Uint8Array, decapsulate: (key: KeyObject, ciphertext: Uint8Array) => Buffer) {
    const der = concat(pkcs8Prefixes.get(group.id)!, seed)
    this.#privateKey = createPrivateKey({ key: asBuffer(der), format: 'der', type: 'pkcs8' })
    wipe(der)
    this.#decapsulate = decapsulate
    const spki = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' })
    this.publicValue = Uint8Array.from(spki.subarray(spki.length - group.publicBytes))
  }

  decapsulate(ciphertext: Uint8Array): Uint8Array {
    return moved(this.#decapsulate(requireLive('keyExchange', this.#privateKey), ciphertext))
  }

  /** OpenSSL's copy of the key is cleansed when the key object is collected; there is no call that does it at once. */
  destroy(): void {
    this.#privateKey = undefined
  }
}
