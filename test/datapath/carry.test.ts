import { describe, expect, it } from 'vitest'
import { DatapathStatus } from '../../src/datapath/index.ts'
import { everySuite } from '../esp/suites.ts'
import { inner, twoSides } from './support.ts'

describe('two datapaths back to back', () => {
  it.each(everySuite)('carry IPv4 and IPv6 both ways: $title', ({ suite, crypto, esn }) => {
    const v4 = twoSides({ suite, esn }, crypto)
    const v6 = twoSides({ suite, esn, left: 'fd00:1::/64', right: 'fd00:2::/64' }, crypto)
    for (const bytes of [0, 1, 2, 3, 15, 16, 17, 1400]) {
      for (const [{ left, right }, a, b] of [
        [v4, '10.1.0.1', '10.2.0.1'],
        [v6, 'fd00:1::1', 'fd00:2::1'],
      ] as const) {
        const request = inner(a, b, bytes)
        const reply = inner(b, a, bytes)
        expect(right.receive(left.seal(request), left.socket)).toBe(DatapathStatus.DONE)
        expect(left.receive(right.seal(reply), right.socket)).toBe(DatapathStatus.DONE)
        expect(right.delivered.at(-1)).toEqual(request)
        expect(left.delivered.at(-1)).toEqual(reply)
      }
    }
  })
})
