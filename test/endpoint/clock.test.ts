import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { systemRandom } from '../../src/endpoint/clock.ts'

describe("the system's entropy", () => {
  it('has as many octets as were asked for, more than are drawn ahead too', () => {
    for (const length of [0, 1, 8, 32, 1023, 1024, 1025, 5000, 8]) expect(systemRandom(length)).toHaveLength(length)
  })

  it('never gives out the same octets twice, nor octets that are wiped', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) {
      const octets = systemRandom(i % 3 === 0 ? 32 : 17)
      seen.add(toHex(octets.subarray(0, 16)))
      expect(octets.slice(-16).every((octet) => octet === 0)).toBe(false)
    }
    expect(seen.size).toBe(2000)
  })

  it('belongs to the caller: what is given out next does not depend on it', () => {
    const first = systemRandom(16)
    const copy = first.slice()
    systemRandom(1024)
    expect(first).toEqual(copy)
  })
})
