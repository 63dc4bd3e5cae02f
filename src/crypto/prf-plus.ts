import { concat, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { CryptoProvider } from './provider.ts'

/**
 * prf+ (K, S) of the PRF with the number `prf` = T1 | T2 | ..., Tn = prf(K, Tn-1 | S | n). Returns exactly `length` octets, which the caller wipes.
 * Throws `UsageError` when that takes more than 255 blocks. RFC 7296 §2.13.
 */
export function prfPlus(
  crypto: CryptoProvider,
  prf: number,
  key: Uint8Array,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const output = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array(0)
  for (let filled = 0, counter = 1; filled < length; counter++) {
    if (counter > 255) throw new UsageError('length', `${length} octets are more than 255 blocks of prf+`)
    const input = concat(block, seed, Uint8Array.of(counter))
    wipe(block)
    block = crypto.prf(prf, key, input)
    wipe(input)
    output.set(block.subarray(0, length - filled), filled)
    filled += block.length
  }
  wipe(block)
  return output
}
