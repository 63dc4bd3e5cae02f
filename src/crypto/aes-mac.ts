import { equalConstantTime, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { Cipher, Mac } from './provider.ts'
import type { AesMacName, IntegInfo } from './transforms.ts'

/** AES-CBC under a key of 16 octets, from any provider. */
type NewCbc = (key: Uint8Array) => Cipher

const blockBytes = 16
const zeroBlock = new Uint8Array(blockBytes)

/**
 * AES-XCBC-MAC and AES-CMAC: both are the last block of AES-CBC from a zero IV over a message whose last block was masked
 * with a key of its own, one for a full block and one for a block that 10* fills up. RFC 3566 §4, RFC 4493 §2.
 */
export class AesMac {
  readonly #cbc: Cipher
  readonly #fullMask: Uint8Array
  readonly #filledMask: Uint8Array
  #scratch = new Uint8Array(16 * blockBytes)
  #isDestroyed = false

  /** `key` has 16 octets and is copied. */
  constructor(name: AesMacName, newCbc: NewCbc, key: Uint8Array) {
    if (name === 'aes-xcbc') {
      const own = newCbc(key)
      const K1 = encrypted(own, 1)
      this.#fullMask = encrypted(own, 2)
      this.#filledMask = encrypted(own, 3)
      own.destroy()
      this.#cbc = newCbc(K1)
      wipe(K1)
    } else {
      this.#cbc = newCbc(key)
      const L = encrypted(this.#cbc, 0)
      this.#fullMask = doubled(L)
      this.#filledMask = doubled(this.#fullMask)
      wipe(L)
    }
  }

  /** The MAC of `buffer[offset, offset + length)`, 16 octets; borrowed until the next call. */
  compute(buffer: Uint8Array, offset: number, length: number): Uint8Array {
    if (this.#isDestroyed) throw new UsageError('mac', 'was destroyed')
    const total = Math.max(1, Math.ceil(length / blockBytes)) * blockBytes
    if (this.#scratch.length < total) this.#scratch = new Uint8Array(2 * total)
    const scratch = this.#scratch
    scratch.set(buffer.subarray(offset, offset + length))
    const isFull = length === total
    if (!isFull) scratch.fill(0, length, total)[length] = 0x80
    const mask = isFull ? this.#fullMask : this.#filledMask
    const last = total - blockBytes
    for (let i = 0; i < blockBytes; i++) scratch[last + i] = scratch[last + i]! ^ mask[i]!
    this.#cbc.encrypt(zeroBlock, scratch, 0, total)
    return scratch.subarray(last, total)
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#cbc.destroy()
    wipe(this.#fullMask, this.#filledMask, this.#scratch)
  }
}

/** The integrity transforms AUTH_AES_XCBC_96 and AUTH_AES_CMAC_96. RFC 3566 §4, RFC 4494 §2. */
export class TruncatedAesMac implements Mac {
  readonly icvBytes: number
  readonly #mac: AesMac

  constructor(info: IntegInfo, mac: AesMac) {
    this.icvBytes = info.icvBytes
    this.#mac = mac
  }

  compute(buffer: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): void {
    const full = this.#mac.compute(buffer, offset, length)
    for (let i = 0; i < this.icvBytes; i++) out[outOffset + i] = full[i]!
  }

  verify(buffer: Uint8Array, offset: number, length: number, icv: Uint8Array, icvOffset: number): boolean {
    const full = this.#mac.compute(buffer, offset, length)
    return equalConstantTime(full.subarray(0, this.icvBytes), icv.subarray(icvOffset, icvOffset + this.icvBytes))
  }

  destroy(): void {
    this.#mac.destroy()
  }
}

/**
 * The PRF of the same MAC. It takes a key of any length: XCBC fills a shorter one up with zeros (RFC 4434 §2), CMAC (RFC 4615 §3)
 * hashes it under a zero key, and both do that with a longer one.
 */
export function aesMacPrf(name: AesMacName, newCbc: NewCbc, key: Uint8Array, data: Uint8Array): Uint8Array {
  const fitted = prfKey(name, newCbc, key)
  const result = once(name, newCbc, fitted, data)
  wipe(fitted)
  return result
}

function prfKey(name: AesMacName, newCbc: NewCbc, key: Uint8Array): Uint8Array {
  if (key.length === blockBytes) return key.slice()
  if (key.length > blockBytes || name === 'aes-cmac') return once(name, newCbc, zeroBlock, key)
  const filled = new Uint8Array(blockBytes)
  filled.set(key)
  return filled
}

function once(name: AesMacName, newCbc: NewCbc, key: Uint8Array, data: Uint8Array): Uint8Array {
  const mac = new AesMac(name, newCbc, key)
  const result = mac.compute(data, 0, data.length).slice()
  mac.destroy()
  return result
}

/** One block of which each octet is `octet`, encrypted. */
function encrypted(cbc: Cipher, octet: number): Uint8Array {
  const block = new Uint8Array(blockBytes).fill(octet)
  cbc.encrypt(zeroBlock, block, 0, blockBytes)
  return block
}

/** Multiplication by x in GF(2^128), without a branch on secret bits. RFC 4493 §2.3. */
function doubled(block: Uint8Array): Uint8Array {
  const result = new Uint8Array(blockBytes)
  for (let i = 0; i < blockBytes; i++) result[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >>> 7)
  result[blockBytes - 1] = result[blockBytes - 1]! ^ (-(block[0]! >>> 7) & 0x87)
  return result
}
