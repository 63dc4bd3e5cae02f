import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { equalConstantTime } from '../bytes/index.ts'
import type { Mac } from './provider.ts'
import { requireLive } from './require.ts'
import type { AnyHashName, HashName } from './transforms.ts'

export const nodeHash = (hash: AnyHashName, data: Uint8Array): Uint8Array =>
  plain(createHash(hash).update(data).digest())

export const nodeHmac = (hash: AnyHashName, key: Uint8Array, data: Uint8Array): Uint8Array =>
  plain(createHmac(hash, key).update(data).digest())

/** The same memory as a plain `Uint8Array`, so that what callers hold does not depend on the provider. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

/** A truncated HMAC. */
export class NodeMac implements Mac {
  readonly icvBytes: number
  readonly #hash: HashName
  #key: KeyObject | undefined

  constructor(hash: HashName, icvBytes: number, key: Uint8Array) {
    this.icvBytes = icvBytes
    this.#hash = hash
    this.#key = createSecretKey(key)
  }

  compute(buffer: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): void {
    const full = this.#full(buffer, offset, length)
    for (let i = 0; i < this.icvBytes; i++) out[outOffset + i] = full[i]!
  }

  verify(buffer: Uint8Array, offset: number, length: number, icv: Uint8Array, icvOffset: number): boolean {
    const full = this.#full(buffer, offset, length)
    return equalConstantTime(full.subarray(0, this.icvBytes), icv.subarray(icvOffset, icvOffset + this.icvBytes))
  }

  /** OpenSSL's copy of the key is cleansed when the key object is collected; there is no call that does it at once. */
  destroy(): void {
    this.#key = undefined
  }

  #full(buffer: Uint8Array, offset: number, length: number): Uint8Array {
    return createHmac(this.#hash, requireLive('mac', this.#key))
      .update(buffer.subarray(offset, offset + length))
      .digest()
  }
}
