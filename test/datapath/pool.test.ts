import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { HEADROOM, PacketPool, SLOT_BYTES, SLOT_PACKET_BYTES, TAILROOM } from '../../src/datapath/index.ts'
import { EspEncapsulator } from '../../src/esp/index.ts'
import { countingRandom, parametersOf, suites } from '../esp/suites.ts'

describe('PacketPool', () => {
  it('gives out each slot once until it comes back, like a set', () => {
    const slot = fc.nat(9)
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(-1), slot), { maxLength: 60 }), (steps) => {
        const pool = new PacketPool(8)
        const taken = new Set<number>()
        for (const step of steps) {
          if (step < 0) {
            const slot = pool.take()
            expect(slot >= 0).toBe(taken.size < 8)
            expect(taken.has(slot)).toBe(false)
            if (slot >= 0) taken.add(slot)
          } else expect(pool.release(step)).toBe(taken.delete(step))
          expect(pool.available).toBe(8 - taken.size)
        }
      }),
    )
  })

  it('keeps slots apart within its region', () => {
    const pool = new PacketPool(3)
    expect(pool.region).toHaveLength(3 * SLOT_BYTES)
    expect([0, 1, 2].map((slot) => pool.offsetOf(slot) - HEADROOM)).toEqual([0, SLOT_BYTES, 2 * SLOT_BYTES])
    expect(pool.offsetOf(2) + SLOT_PACKET_BYTES + TAILROOM).toBe(pool.region.length)
  })

  it.each(suites)('leaves room for $name', (suite) => {
    const esp = new EspEncapsulator(nodeProvider, parametersOf(suite, true), countingRandom())
    expect(esp.headerBytes).toBeLessThanOrEqual(HEADROOM)
    expect(esp.maxTrailerBytes).toBeLessThanOrEqual(TAILROOM)
    expect(esp.sealedLength(1500)).toBeLessThanOrEqual(SLOT_PACKET_BYTES)
  })
})
