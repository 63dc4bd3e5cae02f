import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { leftConnection, makePair, type Pair, rightConnection } from '../ike/support.ts'

const second = { name: 'second', espProposals: ['aes128gcm16'] }
const bothChildren = {
  a: { children: [...leftConnection.children, { ...second, localTs: ['10.3.0.0/16'], remoteTs: ['10.4.0.0/16'] }] },
  b: { children: [...rightConnection.children, { ...second, localTs: ['10.4.0.0/16'], remoteTs: ['10.3.0.0/16'] }] },
  crypto: nodeProvider,
}

/** What one side asks for, at a time in ms. */
const step = fc.record({
  at: fc.integer({ min: 0, max: 20_000 }),
  side: fc.constantFrom('a', 'b' as const),
  what: fc.constantFrom('initiate net', 'initiate second', 'delete child', 'delete ike'),
})

function perform(pair: Pair, side: 'a' | 'b', what: string): void {
  const peer = pair[side]
  const [sa] = peer.ike.status().filter(({ state }) => state === 'established')
  const child = sa?.children.find(({ state }) => state === 'installed')
  if (what.startsWith('initiate')) peer.initiate(side === 'a' ? 'office' : 'branch', what.split(' ')[1])
  else if (what === 'delete child' && child !== undefined)
    peer.perform(peer.ike.deleteChild(sa!.sa.id, child.spiIn, peer.now))
  else if (what === 'delete ike' && sa !== undefined) peer.perform(peer.ike.deleteIke(sa.sa.id, peer.now))
}

/** The CHILD_SAs of one side as "in/out", to be compared crosswise. */
const spisOf = (pair: Pair, side: 'a' | 'b'): string[] =>
  pair[side].ike
    .status()
    .flatMap(({ children }) =>
      children.map(({ spiIn, spiOut }) => (side === 'a' ? `${spiIn}/${spiOut}` : `${spiOut}/${spiIn}`)),
    )
    .sort()

describe('two peers on a network that loses, doubles and delays', () => {
  it('end with the same SAs, and xfrm holds exactly those', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), fc.infiniteStream(fc.nat(99)), (steps, fates) => {
        const pair = makePair(bothChildren)
        pair.network.path = (datagram) => {
          const fate = fates.next().value!
          if (fate < 15) return []
          return fate < 25 ? [datagram, datagram] : [datagram]
        }
        for (const { at, side, what } of steps) pair.clock.schedule(at, () => perform(pair, side, what))
        pair.clock.advance(21_000)
        pair.network.path = (datagram) => [datagram]
        // Retransmission, and liveness for what only one side believes in, need some minutes to settle.
        pair.clock.advance(600_000)
        expect(spisOf(pair, 'a')).toEqual(spisOf(pair, 'b'))
        for (const [peer, xfrm] of [
          [pair.a, pair.xfrmA],
          [pair.b, pair.xfrmB],
        ] as const) {
          const children = peer.ike.status().flatMap((sa) => sa.children)
          expect([...xfrm.states.values()].map(({ spi }) => spi).sort()).toEqual(
            children.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]).sort(),
          )
          expect(xfrm.larval.size).toBe(0)
          const reqids = new Set(children.map(({ reqid }) => reqid))
          expect(xfrm.policies.size).toBe(3 * reqids.size)
          expect(peer.ike.status().every(({ state }) => state === 'established')).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('leave nothing behind when both have shut down in the middle of it', () => {
    const settings = fc.record({ cookies: fc.boolean(), otherGroup: fc.boolean(), shutdownAt: fc.nat(25_000) })
    fc.assert(
      fc.property(
        settings,
        fc.array(step, { maxLength: 6 }),
        fc.infiniteStream(fc.nat(99)),
        ({ cookies, otherGroup, shutdownAt }, steps, fates) => {
          const pair = makePair({
            ...bothChildren,
            ...(cookies ? { limits: { cookieThreshold: 0 } } : {}),
            a: { ...bothChildren.a, ...(otherGroup ? { proposals: ['aes128gcm16-prfsha256-x25519-ecp256'] } : {}) },
            b: { ...bothChildren.b, ...(otherGroup ? { proposals: ['aes128gcm16-prfsha256-ecp256'] } : {}) },
          })
          pair.network.path = (datagram) => {
            const fate = fates.next().value!
            if (fate < 10) return []
            if (fate < 20) return [datagram, { ...datagram, delayMs: 7 * fate }]
            return fate < 40 ? [{ ...datagram, delayMs: 100 * (fate - 20) }] : [datagram]
          }
          for (const { at, side, what } of steps) pair.clock.schedule(at, () => perform(pair, side, what))
          for (const peer of [pair.a, pair.b]) {
            pair.clock.schedule(shutdownAt, () => peer.perform(peer.ike.shutdown(peer.now)))
            // What the other side begins after the first shutdown is taken down by the second.
            pair.clock.schedule(60_000, () => peer.perform(peer.ike.shutdown(peer.now)))
          }
          pair.clock.advance(600_000)
          for (const [peer, xfrm] of [
            [pair.a, pair.xfrmA],
            [pair.b, pair.xfrmB],
          ] as const) {
            expect(peer.ike.status()).toEqual([])
            expect(peer.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
            expect([xfrm.larval.size, xfrm.states.size, xfrm.policies.size]).toEqual([0, 0, 0])
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})
