import { readU32 } from '../bytes/index.ts'
import type { RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'

/**
 * A number from `first` to `last`, both included, that is free: the next free one from a place that is chosen by chance. Throws
 * `UsageError` when there is none, or for a range that is none.
 */
export function freeSpi(random: RandomSource, first: number, last: number, isFree: (spi: number) => boolean): number {
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 1 || last > 0xffffffff || first > last) {
    throw new UsageError('spi', 'the range must be within 1 to 2^32-1')
  }
  const count = last - first + 1
  const start = readU32(random(4), 0) % count
  for (let step = 0; step < count; step++) {
    const spi = first + ((start + step) % count)
    if (isFree(spi)) return spi
  }
  throw new UsageError('spi', `all from ${first} to ${last} are in use`)
}
