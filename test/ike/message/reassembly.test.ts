import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OpenedFragment } from '../../../src/ike/message/message-crypto.ts'
import {
  type Assembled,
  MOST_OCTETS,
  REASSEMBLY_MS,
  Reassembly,
  ReassemblyPool,
} from '../../../src/ike/message/reassembly.ts'

const fragment = (fragmentNumber: number, totalFragments: number, plaintext = Uint8Array.of(fragmentNumber)) =>
  ({
    ok: true,
    firstPayload: fragmentNumber === 1 ? 35 : 0,
    fragmentNumber,
    totalFragments,
    plaintext,
  }) satisfies OpenedFragment

const datagramOf = (octets: number) => new Uint8Array(octets)

/** What comes of it as the core does it: what is not wanted is not opened. */
function take(store: Reassembly, one: OpenedFragment, { key = 7, now = 0, octets = 100 } = {}) {
  if (!store.wants(key, one.fragmentNumber, one.totalFragments)) return 'unwanted'
  return store.add(key, one, datagramOf(octets), now)
}

const textOf = (result: unknown) => [...((result as Assembled).plaintext ?? [])]

describe('fragments', () => {
  it('give the message in whatever order and however often they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 12 }).chain((texts) =>
          fc.tuple(
            fc.constant(texts),
            fc.shuffledSubarray(
              [...texts.keys(), ...texts.keys()].map((i, at) => ({ i, at })),
              { minLength: 2 * texts.length },
            ),
          ),
        ),
        ([texts, order]) => {
          const pool = new ReassemblyPool()
          const store = new Reassembly(pool)
          const whole = order
            .map(({ i }) => take(store, fragment(i + 1, texts.length, texts[i])))
            .find((result) => typeof result === 'object')
          expect(whole).toMatchObject({ firstPayload: 35 })
          expect(textOf(whole)).toEqual(texts.flatMap((text) => [...text]))
          store.forgetAll()
          expect(pool.octets).toBe(0)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('of a finer cut take the place of those before, and coarser ones are not wanted any more', () => {
    const store = new Reassembly(new ReassemblyPool())
    take(store, fragment(1, 2))
    expect(take(store, fragment(1, 3, Uint8Array.of(11)))).toBeUndefined()
    expect(take(store, fragment(2, 2))).toBe('unwanted')
    take(store, fragment(2, 3, Uint8Array.of(12)))
    expect(textOf(take(store, fragment(3, 3, Uint8Array.of(13))))).toEqual([11, 12, 13])
  })

  it('that are there are not wanted again: the first one counts', () => {
    const store = new Reassembly(new ReassemblyPool())
    take(store, fragment(1, 2))
    expect(take(store, fragment(1, 2, Uint8Array.of(99)))).toBe('unwanted')
    expect(textOf(take(store, fragment(2, 2)))).toEqual([1, 2])
  })

  it('of different messages do not mix', () => {
    const store = new Reassembly(new ReassemblyPool())
    take(store, fragment(1, 2), { key: 1 })
    expect(take(store, fragment(2, 2), { key: 2 })).toBeUndefined()
  })

  it('tell how long the datagrams were, all together and the longest', () => {
    const store = new Reassembly(new ReassemblyPool())
    take(store, fragment(1, 2), { octets: 300 })
    expect(take(store, fragment(2, 2), { octets: 200 })).toMatchObject({ bytes: 500, largest: 300 })
  })
})

describe('the limits', () => {
  it('a message that takes too long is given up', () => {
    const pool = new ReassemblyPool()
    const store = new Reassembly(pool)
    take(store, fragment(1, 2), { now: 5 })
    expect(store.expiresAt).toBe(5 + REASSEMBLY_MS)
    store.expire(4 + REASSEMBLY_MS)
    expect(store.wants(7, 1, 2)).toBe(false)
    store.expire(5 + REASSEMBLY_MS)
    expect([store.wants(7, 1, 2), store.expiresAt, pool.octets]).toEqual([true, Number.POSITIVE_INFINITY, 0])
  })

  it('an IKE_SA that sends too much loses the message', () => {
    const pool = new ReassemblyPool()
    const store = new Reassembly(pool)
    const results = Array.from({ length: 5 }, (_, i) => take(store, fragment(i + 1, 6), { octets: 30_000 }))
    expect(results).toContain('too-long')
    expect(pool.octets).toBeLessThan(0x20000)
  })

  it('an endpoint with too much gives up the oldest messages', () => {
    const pool = new ReassemblyPool()
    const stores = Array.from({ length: 300 }, () => new Reassembly(pool))
    for (const store of stores) take(store, fragment(2, 9), { octets: 65_000 })
    expect(pool.octets).toBeLessThanOrEqual(MOST_OCTETS)
    const isKept = (store: Reassembly) => !store.wants(7, 2, 9)
    expect([isKept(stores[0]!), isKept(stores[299]!)]).toEqual([false, true])
    expect(stores.filter(isKept)).toHaveLength(Math.floor(MOST_OCTETS / 65_100))
  })

  it('strangers make room first, however late they came, and hold a quarter of what a peer may', () => {
    const pool = new ReassemblyPool()
    const peer = new Reassembly(pool)
    take(peer, fragment(2, 9), { octets: 65_000 })
    const strangers = Array.from({ length: 2_000 }, () => new Reassembly(pool, () => true))
    for (const store of strangers) take(store, fragment(2, 9), { octets: 30_000 })
    expect(pool.octets).toBeLessThanOrEqual(MOST_OCTETS)
    expect(peer.wants(7, 2, 9)).toBe(false)
    expect(strangers.filter((store) => !store.wants(7, 2, 9)).length).toBeGreaterThan(500)
    expect(take(strangers[0]!, fragment(3, 9), { octets: 33_000 })).toBe('too-long')
  })
})
