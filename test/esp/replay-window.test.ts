import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import { ReplayStatus, ReplayWindow } from '../../src/esp/index.ts'

const low = (n: bigint) => Number(n & 0xffffffffn)
const high = (n: bigint) => Number(n >> 32n)

/** The slow twin: remembers every number. */
class SetWindow {
  readonly seen = new Set<bigint>()
  readonly size: bigint
  top = 0n

  constructor(size: number) {
    this.size = BigInt(size)
  }

  check(n: bigint): number {
    if (n === 0n || n + this.size <= this.top) return ReplayStatus.OLD
    return this.seen.has(n) ? ReplayStatus.DUPLICATE : ReplayStatus.OK
  }

  advance(n: bigint): number {
    const status = this.check(n)
    if (status !== ReplayStatus.OK) return status
    this.seen.add(n)
    if (n > this.top) this.top = n
    return status
  }
}

/** Steps relative to the top: dense ones that fill blocks and reuse them, or also far jumps in both directions. */
const dense = fc.bigInt({ min: -40n, max: 12n })
const steps = fc.oneof(
  fc.array(dense, { minLength: 60, maxLength: 200 }),
  fc.array(fc.oneof(dense, fc.bigInt({ min: -1100n, max: 1100n }), fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n })), {
    minLength: 1,
    maxLength: 60,
  }),
)

const starts = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: 0n, max: 5000n }),
  fc.bigInt({ min: 2n ** 32n - 2000n, max: 2n ** 32n + 2000n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: 2n ** 64n - 3000n, max: 2n ** 64n - 1n }),
)

describe('ReplayWindow', () => {
  it.each([32, 64, 96, 1000, 1024])('decides as a set of all numbers would, %i packets', (size) => {
    const statuses = new Set<number>()
    fc.assert(
      fc.property(starts, steps, (start, offsets) => {
        const ring = new ReplayWindow(size)
        const model = new SetWindow(ring.size)
        for (const offset of [0n, ...offsets]) {
          const n = BigInt.asUintN(64, (model.top === 0n ? start : model.top) + offset)
          const expected = model.check(n)
          expect(ring.check(low(n), high(n))).toBe(expected)
          expect(ring.advance(low(n), high(n))).toBe(expected)
          model.advance(n)
          expect([ring.low, ring.high]).toEqual([low(model.top), high(model.top)])
          statuses.add(expected)
        }
      }),
      { numRuns: 150 },
    )
    expect([...statuses].sort()).toEqual([ReplayStatus.OK, ReplayStatus.OLD, ReplayStatus.DUPLICATE])
  })

  it.each([2 ** 16, 2 ** 20])('decides so with a window of %i packets, over jumps within it and far beyond', (size) => {
    const jump = BigInt(size)
    const jumps = fc.array(
      fc.oneof(
        dense,
        fc.bigInt({ min: -jump - 40n, max: -jump + 40n }),
        fc.bigInt({ min: -jump, max: 2n * jump }),
        fc.bigInt({ min: 0n, max: 2n ** 33n }),
      ),
      { minLength: 20, maxLength: 80 },
    )
    fc.assert(
      fc.property(starts, jumps, (start, offsets) => {
        const ring = new ReplayWindow(size)
        const model = new SetWindow(ring.size)
        for (const offset of [0n, ...offsets]) {
          const n = BigInt.asUintN(64, (model.top === 0n ? start : model.top) + offset)
          const expected = model.advance(n)
          expect(ring.advance(low(n), high(n))).toBe(expected)
        }
        for (const n of model.seen) expect(ring.check(low(n), high(n))).toBe(model.check(n))
      }),
      { numRuns: 25 },
    )
  })

  it('takes memory in proportion to its size: at most two bits a packet, and those of one block', () => {
    for (const size of [32, 64, 1024, 4096, 2 ** 20]) {
      expect(new ReplayWindow(size).bitmap.byteLength).toBeLessThanOrEqual((2 * size) / 8 + 8)
    }
  })

  it('rounds the size up to whole blocks', () => {
    expect([32, 33, 1024, 1025].map((size) => new ReplayWindow(size).size)).toEqual([32, 64, 1024, 1056])
  })

  it.each([0, 31, -1, 1.5, Number.NaN, 2 ** 20 + 1])('refuses a size of %s', (size) => {
    expect(() => new ReplayWindow(size)).toThrow(UsageError)
  })

  it('takes each number of the window once, in any order', () => {
    const ring = new ReplayWindow(64)
    expect(ring.advance(64, 0)).toBe(ReplayStatus.OK)
    for (let n = 63; n >= 1; n--) expect(ring.advance(n, 0)).toBe(ReplayStatus.OK)
    for (let n = 1; n <= 64; n++) expect(ring.advance(n, 0)).toBe(ReplayStatus.DUPLICATE)
    expect(ring.advance(0, 0)).toBe(ReplayStatus.OLD)
    expect(ring.advance(65, 0)).toBe(ReplayStatus.OK)
    expect(ring.check(1, 0)).toBe(ReplayStatus.OLD)
    expect(ring.check(2, 0)).toBe(ReplayStatus.DUPLICATE)
  })

  it('goes on across the end of a 32-bit subspace', () => {
    const ring = new ReplayWindow(32)
    ring.advance(0xffffffff, 6)
    expect(ring.advance(0, 7)).toBe(ReplayStatus.OK)
    expect(ring.advance(0xfffffffe, 6)).toBe(ReplayStatus.OK)
    expect(ring.advance(0xffffffff, 6)).toBe(ReplayStatus.DUPLICATE)
    expect(ring.check(0xffffffe0, 6)).toBe(ReplayStatus.OLD)
    expect(ring.check(0xffffffe1, 6)).toBe(ReplayStatus.OK)
    expect([ring.low, ring.high]).toEqual([0, 7])
  })

  it('shows its bits for display: number n at bit n % 32 of block n / 32', () => {
    const ring = new ReplayWindow(32)
    for (const n of [1, 3, 33]) ring.advance(n, 0)
    expect([...ring.bitmap]).toEqual([0b1010, 0b10])
  })
})
