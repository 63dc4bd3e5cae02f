import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newPacketFlow, type PacketFlow, rangeOfPrefix } from '../../src/ip/index.ts'
import { XfrmPolicy } from '../../src/xfrm/policy.ts'
import { PolicyTable } from '../../src/xfrm/policy-table.ts'
import type { AddressRange } from '../../src/xfrm/port.ts'
import { matchesSelector } from '../../src/xfrm/selector.ts'
import { SharedParts } from '../../src/xfrm/shared-parts.ts'
import { policyConfig } from './support.ts'

// Bits at both ends of each octet: prefixes of any length, nested and beside each other.
const octet = fc.constantFrom(0, 1, 0x80, 0x81, 0xff)
const address = (bytes: number) =>
  fc.array(octet, { minLength: bytes, maxLength: bytes }).map((all) => Uint8Array.from(all))
const order = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b)
const range = (bytes: number): fc.Arbitrary<AddressRange> =>
  fc.oneof(
    fc.tuple(address(bytes), fc.nat(bytes * 8)).map(([one, bits]) => rangeOfPrefix(one, bits)),
    fc.tuple(address(bytes), address(bytes)).map((both) => {
      const [start, end] = both.sort(order)
      return { start: start!, end: end! }
    }),
  )
const policies = (bytes: number) =>
  fc.array(fc.record({ source: range(bytes), destination: range(bytes), priority: fc.nat(2) }), { maxLength: 60 })
const any = { first: 0, last: 65535 }

function flowOf(source: Uint8Array, destination: Uint8Array): PacketFlow {
  const flow = newPacketFlow()
  // What was there before is not to be looked at.
  flow.source.fill(0x55)
  flow.destination.fill(0xaa)
  flow.source.set(source)
  flow.destination.set(destination)
  return Object.assign(flow, { addressBytes: source.length, family: source.length === 4 ? 4 : 6, protocol: 17 })
}

describe('PolicyTable', () => {
  it.each([4, 16])('finds what a scan finds, addresses of %i octets, and is empty when all are removed', (bytes) => {
    const flows = fc.array(fc.tuple(address(bytes), address(bytes)), { minLength: 10, maxLength: 10 })
    fc.assert(
      fc.property(policies(bytes), flows, fc.infiniteStream(fc.nat(59)), (rules, packets, removed) => {
        const table = new PolicyTable()
        const parts = new SharedParts()
        let list = rules.map(({ source, destination, priority }, at) => {
          const selector = { source, destination, protocol: 0, sourcePort: any, destinationPort: any }
          return new XfrmPolicy(policyConfig({ index: at, direction: 'in', selector, priority }), at, parts)
        })
        for (const policy of list) table.add(policy)
        for (;;) {
          for (const [source, destination] of packets) {
            const flow = flowOf(source, destination)
            const met = list.filter(({ selector }) => matchesSelector(selector, flow))
            const best = met.reduce<XfrmPolicy | undefined>(
              (a, b) => (a && a.priority <= b.priority ? a : b),
              undefined,
            )
            expect(table.lookup(flow, 0)).toBe(best)
          }
          expect(table.size).toBe(list.length)
          if (list.length === 0) break
          const leaving = new Set(Array.from({ length: 20 }, () => list[removed.next().value! % list.length]!))
          for (const policy of leaving) table.remove(policy)
          list = list.filter((policy) => !leaving.has(policy))
        }
      }),
      { numRuns: 60 },
    )
  })
})
