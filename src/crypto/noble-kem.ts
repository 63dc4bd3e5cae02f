import { ml_kem512, ml_kem768, ml_kem1024 } from '@noble/post-quantum/ml-kem.js'
import { wipe } from '../bytes/index.ts'
import type { DecapsulationKey, KemMethods } from './key-exchange.ts'
import { requireLive } from './require.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

type MlKem = typeof ml_kem768

const parameterSets: ReadonlyMap<number, MlKem> = new Map([
  [KeGroup.ML_KEM_512, ml_kem512],
  [KeGroup.ML_KEM_768, ml_kem768],
  [KeGroup.ML_KEM_1024, ml_kem1024],
])

/** ML-KEM in JavaScript. */
export const nobleKem: KemMethods = {
  keysOf: (group, seed) => new NobleDecapsulationKey(parameterSet(group), seed),
  encapsulate(group, encapsulationKey, m) {
    const mlKem = parameterSet(group)
    try {
      const { cipherText, sharedSecret } = mlKem.encapsulate(encapsulationKey, m)
      return { publicValue: cipherText, sharedSecret }
    } catch {
      return undefined // The lengths are right, so only the modulus check is left to fail.
    }
  },
}

const parameterSet = (group: KeGroupInfo): MlKem => parameterSets.get(group.id)!

class NobleDecapsulationKey implements DecapsulationKey {
  readonly publicValue: Uint8Array
  readonly #mlKem: MlKem
  #secretKey: Uint8Array | undefined

  constructor(mlKem: MlKem, seed: Uint8Array) {
    const { publicKey, secretKey } = mlKem.keygen(seed)
    this.#mlKem = mlKem
    this.publicValue = publicKey
    this.#secretKey = secretKey
  }

  decapsulate(ciphertext: Uint8Array): Uint8Array {
    return this.#mlKem.decapsulate(ciphertext, requireLive('keyExchange', this.#secretKey))
  }

  destroy(): void {
    wipe(this.#secretKey)
    this.#secretKey = undefined
  }
}
