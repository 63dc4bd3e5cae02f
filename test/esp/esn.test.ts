import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inferSequenceHigh } from '../../src/esp/index.ts'
import { uint32 } from './suites.ts'

const SUBSPACE = 2n ** 32n

/**
 * The slow twin, from the purpose and not from the appendix: the one 64-bit number with this low half among the 2^32
 * numbers that begin at the bottom of the window. -1 when it lies outside 0 to 2^64-1.
 */
function slowHigh(topHigh: number, topLow: number, window: number, low: number): number {
  const bottom = BigInt(topHigh) * SUBSPACE + BigInt(topLow) - BigInt(window) + 1n
  const distance = BigInt.asUintN(32, BigInt(low) - bottom)
  const number = bottom + distance
  return number < 0n || number >= 2n ** 64n ? -1 : Number(number / SUBSPACE)
}

const nearEdge = fc.oneof(
  uint32,
  fc.nat(3000),
  fc.nat(3000).map((n) => 0xffffffff - n),
)
const windows = fc.constantFrom(32, 64, 1024, 1056, 2 ** 20)

describe('inferSequenceHigh', () => {
  it('finds the number that a search over the subspaces finds', () => {
    fc.assert(
      fc.property(
        fc.oneof(uint32, fc.constantFrom(0, 1, 0xfffffffe, 0xffffffff)),
        nearEdge,
        windows,
        nearEdge,
        (topHigh, topLow, window, low) => {
          expect(inferSequenceHigh(topHigh, topLow, window, low)).toBe(slowHigh(topHigh, topLow, window, low))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('gives back the high half of every number near the top', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), windows, fc.bigInt(), (top, window, jump) => {
        const ahead = BigInt.asUintN(32, jump) - BigInt(window) + 1n
        const number = top + (ahead > SUBSPACE - BigInt(window) ? 0n : ahead)
        fc.pre(number >= 0n && number < 2n ** 64n)
        const high = inferSequenceHigh(
          Number(top / SUBSPACE),
          Number(top % SUBSPACE),
          window,
          Number(number % SUBSPACE),
        )
        expect(high).toBe(Number(number / SUBSPACE))
      }),
      { numRuns: 1000 },
    )
  })

  it('knows no subspace before the first and none behind the last', () => {
    expect(inferSequenceHigh(0, 0, 64, 0xffffffff)).toBe(-1)
    expect(inferSequenceHigh(0xffffffff, 5000, 64, 1)).toBe(-1)
    expect(inferSequenceHigh(0, 0, 64, 1)).toBe(0)
    expect(inferSequenceHigh(1, 10, 64, 0xffffffff)).toBe(0)
    expect(inferSequenceHigh(1, 5000, 64, 1)).toBe(2)
  })
})
