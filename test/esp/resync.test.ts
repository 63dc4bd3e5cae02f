import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { Encr, Integ } from '../../src/crypto/transforms.ts'
import { DecapStatus } from '../../src/esp/index.ts'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { Pair, parametersOf, patterned, suites } from './suites.ts'

const inner = buildUdp({
  ...{ source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9'), sourcePort: 7, destinationPort: 9 },
  data: patterned(21, 8),
})
const gcm = suites.find(({ encr }) => encr === Encr.ENCR_AES_GCM_16)!
const chosen = [
  gcm,
  suites.find(({ encr, integ }) => encr === Encr.ENCR_AES_CBC && integ === Integ.AUTH_HMAC_SHA2_256_128)!,
  suites.find(({ encr }) => encr === Encr.ENCR_NULL_AUTH_AES_GMAC)!,
  suites.find(({ encr }) => encr === Encr.ENCR_AES_GCM_16_IIV)!,
]

/** Opens packets of the sender until one is good; how many were refused before. */
function refusedUntilGood(pair: Pair, most: number): number {
  for (let refused = 0; refused < most; refused++) {
    const { status, inner: opened } = pair.open(pair.seal(inner))
    if (status !== DecapStatus.OK) expect(status).toBe(DecapStatus.BAD_ICV)
    else {
      expect(opened).toEqual(inner)
      return refused
    }
  }
  return most
}

/** Counts how often a packet is opened. */
function counted(crypto: CryptoProvider): { crypto: CryptoProvider; opens: number } {
  const counter = { crypto, opens: 0 }
  counter.crypto = {
    ...crypto,
    aead(encr, key) {
      const aead = crypto.aead(encr, key)
      return {
        ...{ nonceBytes: aead.nonceBytes, tagBytes: aead.tagBytes },
        seal: (...all) => aead.seal(...all),
        open(...all) {
          counter.opens++
          return aead.open(...all)
        },
        destroy: () => aead.destroy(),
      }
    },
  }
  return counter
}

describe('after more than 2^32 packets in a row were lost', () => {
  const cases = chosen.flatMap((suite) => [nobleProvider, nodeProvider].map((crypto) => ({ suite, crypto })))
  it.each(cases)('$suite.name over $crypto.name finds the high half again', ({ suite, crypto }) => {
    const pair = new Pair(crypto, parametersOf(suite, true))
    pair.out.startAfter(1000, 5)
    pair.in.replay.low = 1000
    pair.in.replay.high = 5
    expect(pair.open(pair.seal(inner)).status).toBe(DecapStatus.OK)
    pair.out.startAfter(2000, 9)
    expect(refusedUntilGood(pair, 200)).toBe(127)
    expect([pair.in.replay.high, pair.in.replay.low]).toEqual([9, 2128])
    expect(refusedUntilGood(pair, 1)).toBe(0)
  })

  it('comes back from any loss of up to sixteen times 2^32, from any number on', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.nat(0xffff_ff00),
        fc.integer({ min: 1, max: 16 }),
        fc.nat(0xffff_fe00),
        (topLow, topHigh, halves, low) => {
          const pair = new Pair(nodeProvider, parametersOf(gcm, true))
          pair.in.replay.low = topLow
          pair.in.replay.high = topHigh
          pair.out.startAfter(low, topHigh + halves)
          // The number is at most 16 halves ahead of the inferred one, which may be the next half itself.
          expect(refusedUntilGood(pair, 200)).toBeLessThan(128)
          expect(pair.in.replay.high).toBe(topHigh + halves)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('does not come back from a loss that is larger', () => {
    const pair = new Pair(nodeProvider, parametersOf(gcm, true))
    pair.out.startAfter(1000, 40)
    expect(refusedUntilGood(pair, 300)).toBe(300)
  })
})

describe('forged packets', () => {
  it('cost at most an eighth more, and move no window', () => {
    const counting = counted(nodeProvider)
    const pair = new Pair(counting.crypto, parametersOf(gcm, true))
    const forged = pair.seal(inner)
    forged[forged.length - 1] = forged[forged.length - 1]! ^ 1
    const before = pair.windowState()
    for (let i = 0; i < 1280; i++) expect(pair.open(forged).status).toBe(DecapStatus.BAD_ICV)
    expect(counting.opens).toBe(1280 + (1280 / 128) * 16)
    expect(pair.windowState()).toEqual(before)
  })

  it('cost nothing more without ESN', () => {
    const counting = counted(nodeProvider)
    const pair = new Pair(counting.crypto, parametersOf(gcm, false))
    const forged = pair.seal(inner)
    forged[20] = forged[20]! ^ 1
    for (let i = 0; i < 300; i++) pair.open(forged)
    expect(counting.opens).toBe(300)
  })

  it('between good ones never lead to a trial', () => {
    const counting = counted(nodeProvider)
    const pair = new Pair(counting.crypto, parametersOf(gcm, true))
    for (let i = 0; i < 300; i++) {
      const good = pair.seal(inner)
      const forged = good.slice()
      forged[20] = forged[20]! ^ 1
      expect(pair.open(forged).status).toBe(DecapStatus.BAD_ICV)
      expect(pair.open(good).status).toBe(DecapStatus.OK)
    }
    expect(counting.opens).toBe(600)
  })
})
