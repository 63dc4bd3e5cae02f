import { hmac } from '@noble/hashes/hmac.js'
import { md5, sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { equalConstantTime } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { Mac } from './provider.ts'
import type { AnyHashName, HashName } from './transforms.ts'

const hashes = { md5, sha1, sha256, sha384, sha512 } as const

export const nobleHash = (hash: AnyHashName, data: Uint8Array): Uint8Array => hashes[hash](data)

export const nobleHmac = (hash: AnyHashName, key: Uint8Array, data: Uint8Array): Uint8Array =>
  hmac(hashes[hash], key, data)

/** What is used of noble's HMAC object, whose own type names its hash as `any`. */
interface HmacState {
  update(data: Uint8Array): unknown
  digestInto(out: Uint8Array): void
  /** A copy of the state, into `to` when it is given. */
  _cloneInto(to?: HmacState): HmacState
  destroy(): void
}

/** A truncated HMAC that absorbs its key once and starts each packet from that state. */
export class NobleMac implements Mac {
  readonly icvBytes: number
  readonly #full: Uint8Array
  readonly #keyed: HmacState
  readonly #running: HmacState
  #destroyed = false

  constructor(hash: HashName, icvBytes: number, key: Uint8Array) {
    this.icvBytes = icvBytes
    this.#full = new Uint8Array(hashes[hash].outputLen)
    this.#keyed = hmac.create(hashes[hash], key)
    this.#running = this.#keyed._cloneInto()
  }

  compute(buffer: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): void {
    this.#run(buffer, offset, length)
    for (let i = 0; i < this.icvBytes; i++) out[outOffset + i] = this.#full[i]!
  }

  verify(buffer: Uint8Array, offset: number, length: number, icv: Uint8Array, icvOffset: number): boolean {
    this.#run(buffer, offset, length)
    return equalConstantTime(this.#full.subarray(0, this.icvBytes), icv.subarray(icvOffset, icvOffset + this.icvBytes))
  }

  destroy(): void {
    this.#destroyed = true
    this.#keyed.destroy()
    this.#running.destroy()
    this.#full.fill(0)
  }

  #run(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#destroyed) throw new UsageError('mac', 'was destroyed')
    this.#keyed._cloneInto(this.#running)
    this.#running.update(buffer.subarray(offset, offset + length))
    this.#running.digestInto(this.#full)
  }
}
