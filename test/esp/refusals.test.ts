import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Encr, Integ } from '../../src/crypto/transforms.ts'
import { UsageError } from '../../src/errors.ts'
import {
  createEspCipher,
  DecapStatus,
  EncapStatus,
  EspDecapsulator,
  EspEncapsulator,
  newDecapResult,
} from '../../src/esp/index.ts'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { countingRandom, everySuite, Pair, parametersOf, patterned, suites } from './suites.ts'

const inner = buildUdp({
  source: parseIp('10.1.0.1'),
  destination: parseIp('10.2.0.9'),
  sourcePort: 7,
  destinationPort: 9,
  data: patterned(21, 8),
})

const gcm = suites[0]!
const cbc = suites[5]!
const [gcmParameters, cbcParameters] = [parametersOf(gcm, false), parametersOf(cbc, false)]

/** A packet with an ICV that is good and a text of the test's choice. */
function sealText(text: Uint8Array, sequence: number): Uint8Array {
  const cipher = createEspCipher(nodeProvider, gcmParameters)
  const packet = concat(new Uint8Array(16), text, new Uint8Array(16))
  packet[7] = sequence
  packet[15] = sequence
  cipher.seal(packet, 0, text.length, 0)
  return packet
}

describe.each(everySuite)('a damaged packet of $title', ({ suite, crypto, esn }) => {
  it('is refused whichever octet changed, without moving the window', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    pair.out.startAfter(500, 0)
    pair.open(pair.seal(inner))
    const sealed = pair.seal(inner)
    const before = pair.windowState()
    for (let at = 0; at < sealed.length; at++) {
      const damaged = sealed.slice()
      damaged[at] = damaged[at]! ^ (1 << (at % 8))
      const { status } = pair.open(damaged)
      // In the sequence number a change may also look like a replay.
      const allowed: number[] = [DecapStatus.BAD_ICV]
      if (at >= 4 && at < 8) allowed.push(DecapStatus.REPLAY_OLD, DecapStatus.REPLAY_DUPLICATE)
      expect(allowed).toContain(status)
    }
    expect(pair.windowState()).toEqual(before)
    expect(pair.open(sealed)).toEqual({ status: DecapStatus.OK, inner, nextHeader: 4 })
  })

  it('is refused at every shorter length', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    const sealed = pair.seal(inner)
    const before = pair.windowState()
    for (let length = 0; length < sealed.length; length++) {
      const { status } = pair.open(sealed.subarray(0, length))
      expect([DecapStatus.TOO_SHORT, DecapStatus.BAD_LENGTH, DecapStatus.BAD_ICV]).toContain(status)
    }
    expect(pair.windowState()).toEqual(before)
    expect(pair.open(sealed).status).toBe(DecapStatus.OK)
  })

  it('or arbitrary octets, never throws', () => {
    const pair = new Pair(crypto, parametersOf(suite, esn))
    const result = newDecapResult()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 150 }), fc.integer({ min: -5, max: 160 }), fc.nat(160), (bytes, at, n) => {
        expect(pair.in.decapsulate(bytes, at, n, result)).not.toBe(DecapStatus.OK)
      }),
      { numRuns: 60 },
    )
    expect(pair.windowState().low).toBe(0)
  })
})

describe('a replayed packet', () => {
  it.each([false, true])('is a duplicate inside the window and old behind it, ESN %s', (esn) => {
    const pair = new Pair(nodeProvider, parametersOf(gcm, esn, 32))
    const packets = Array.from({ length: 40 }, () => pair.seal(inner))
    for (const packet of packets) expect(pair.open(packet).status).toBe(DecapStatus.OK)
    expect(pair.open(packets[39]!).status).toBe(DecapStatus.REPLAY_DUPLICATE)
    expect(pair.open(packets[8]!).status).toBe(DecapStatus.REPLAY_DUPLICATE)
    // With ESN a number below the window can only be one of the next subspace, and its ICV says that it is not.
    expect(pair.open(packets[7]!).status).toBe(esn ? DecapStatus.BAD_ICV : DecapStatus.REPLAY_OLD)
    expect(pair.windowState().low).toBe(40)
  })

  it('is refused before any cryptography is spent on it', () => {
    let opened = 0
    const counting = {
      ...nodeProvider,
      aead: (id: number, key: Uint8Array) => {
        const aead = nodeProvider.aead(id, key)
        return {
          nonceBytes: aead.nonceBytes,
          tagBytes: aead.tagBytes,
          seal: aead.seal.bind(aead),
          destroy: () => aead.destroy(),
          open: (...call: Parameters<typeof aead.open>) => {
            opened++
            return aead.open(...call)
          },
        }
      },
    }
    const pair = new Pair(counting, gcmParameters)
    const sealed = pair.seal(inner)
    pair.open(sealed)
    expect(pair.open(sealed).status).toBe(DecapStatus.REPLAY_DUPLICATE)
    expect(opened).toBe(1)
  })

  it('of sequence number zero is refused', () => {
    const pair = new Pair(nodeProvider, gcmParameters)
    expect(pair.open(sealText(Uint8Array.of(1, 2, 2, 4), 0)).status).toBe(DecapStatus.REPLAY_OLD)
  })
})

describe('an authentic packet', () => {
  const open = (text: Uint8Array) => new Pair(nodeProvider, gcmParameters).open(sealText(text, 1))

  it.each([
    ['of the wrong order', [9, 9, 2, 1, 2, 4]],
    ['that starts at zero', [9, 9, 0, 1, 2, 4]],
    // The IV ends in 1, so that the padding would be right if it reached into the IV.
    ['longer than the text', [2, 3, 3, 4]],
  ])('with padding %s is refused', (_, text) => {
    expect(open(Uint8Array.from(text)).status).toBe(DecapStatus.BAD_PADDING)
  })

  it('without even a trailer is too short', () => {
    expect(open(new Uint8Array(0)).status).toBe(DecapStatus.TOO_SHORT)
  })

  it('may carry 255 octets of padding', () => {
    const padding = Uint8Array.from({ length: 255 }, (_, i) => i + 1)
    expect(open(concat(Uint8Array.of(7), padding, Uint8Array.of(255, 99)))).toEqual({
      status: DecapStatus.OK,
      inner: Uint8Array.of(7),
      nextHeader: 99,
    })
  })

  it('with next header 59 is a dummy, and moves the window', () => {
    const pair = new Pair(nodeProvider, gcmParameters)
    const dummy = pair.seal(patterned(50, 1), 59)
    expect(pair.open(dummy).status).toBe(DecapStatus.DUMMY)
    expect(pair.open(dummy).status).toBe(DecapStatus.REPLAY_DUPLICATE)
  })

  it('loses its traffic flow confidentiality padding', () => {
    const pair = new Pair(nodeProvider, gcmParameters)
    const padded = concat(inner, new Uint8Array(100))
    expect(pair.open(pair.seal(padded, 4)).inner).toEqual(inner)
    expect(pair.open(pair.seal(padded, 17)).inner).toEqual(padded)
  })

  it.each([4, 41])('with a malformed inside of type %i is passed on whole', (nextHeader) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        bytes[0] = 0x1f
        const pair = new Pair(nodeProvider, gcmParameters)
        expect(pair.open(pair.seal(bytes, nextHeader))).toEqual({ status: DecapStatus.OK, inner: bytes, nextHeader })
      }),
    )
  })

  it('of another SA with the same SPI is refused', () => {
    const theirs = { ...gcmParameters, encr: { ...gcmParameters.encr, salt: patterned(4, 77) } }
    const sealed = new Pair(nodeProvider, theirs).seal(inner)
    expect(new Pair(nodeProvider, gcmParameters).open(sealed).status).toBe(DecapStatus.BAD_ICV)
  })
})

describe('sequence numbers', () => {
  const encapsulate = (out: EspEncapsulator) => out.encapsulate(new Uint8Array(200), 40, 20, 4)

  it('end at 2^32-1 without ESN', () => {
    const out = new EspEncapsulator(nodeProvider, gcmParameters, countingRandom())
    out.startAfter(0xfffffffe, 0)
    expect(encapsulate(out)).toBeGreaterThan(0)
    expect(encapsulate(out)).toBe(EncapStatus.SEQUENCE_EXHAUSTED)
    expect(encapsulate(out)).toBe(EncapStatus.SEQUENCE_EXHAUSTED)
    expect([out.sequenceLow, out.sequenceHigh]).toEqual([0xffffffff, 0])
  })

  it.each([
    [false, 10, 5, [15, 0]],
    [false, 10, 0xffff_ffff, [0xffff_ffff, 0]],
    [false, 10, 2 ** 40, [0xffff_ffff, 0]],
    [true, 10, 0xffff_ffff, [9, 1]],
    [true, 10, 3 * 2 ** 32 + 1, [11, 3]],
    [true, 10, 2 ** 65, [0xffff_ffff, 0xffff_ffff]],
  ])('are left out as many as are asked for, or all (ESN %s, %i and %i more)', (esn, low, count, expected) => {
    const out = new EspEncapsulator(nodeProvider, { ...gcmParameters, esn }, countingRandom())
    out.startAfter(low, 0)
    out.skip(count)
    expect([out.sequenceLow, out.sequenceHigh]).toEqual(expected)
  })

  it('carry into the high half with ESN and end at 2^64-1', () => {
    const out = new EspEncapsulator(nodeProvider, { ...gcmParameters, esn: true }, countingRandom())
    out.startAfter(0xffffffff, 3)
    encapsulate(out)
    expect([out.sequenceLow, out.sequenceHigh]).toEqual([0, 4])
    out.startAfter(0xfffffffe, 0xffffffff)
    expect(encapsulate(out)).toBeGreaterThan(0)
    expect(encapsulate(out)).toBe(EncapStatus.SEQUENCE_EXHAUSTED)
  })

  it.each(suites.filter((suite) => suite === gcm || suite === cbc))(
    'of ESN are followed into the next subspace, $name',
    (suite) => {
      const pair = new Pair(nodeProvider, parametersOf(suite, true))
      pair.out.startAfter(0xffffffd0, 0)
      const packets = Array.from({ length: 100 }, () => pair.seal(inner))
      // The first number that the receiver sees must be within its reach: 0xffffffd1 is below 2^32 - 64.
      const early = packets.map((packet) => pair.open(packet).status)
      expect(early).not.toContain(DecapStatus.OK)
      // As the last numbers of a subspace before the first one, which does not exist: no cryptography is spent on them.
      expect(new Set(early.slice(0, 47))).toEqual(new Set([DecapStatus.REPLAY_OLD]))
      pair.in.replay.advance(0xffffff00, 0)
      expect(packets.every((packet) => pair.open(packet).status === DecapStatus.OK)).toBe(true)
      expect(packets.every((packet) => pair.open(packet).status !== DecapStatus.OK)).toBe(true)
      expect(pair.windowState()).toMatchObject({ high: 1, low: 52 })
    },
  )

  it('only go forward', () => {
    const out = new EspEncapsulator(nodeProvider, gcmParameters, countingRandom())
    out.startAfter(10, 0)
    expect(() => out.startAfter(9, 0)).toThrow(UsageError)
    expect(() => out.startAfter(11, 1)).toThrow(UsageError)
    expect(() => out.startAfter(2 ** 32, 0)).toThrow(UsageError)
    expect(out.sequenceLow).toBe(10)
    const esn = new EspEncapsulator(nodeProvider, { ...gcmParameters, esn: true }, countingRandom())
    esn.startAfter(10, 2)
    expect(() => esn.startAfter(11, 1)).toThrow(UsageError)
  })
})

describe('IVs', () => {
  it('of an AEAD are the 64-bit sequence number', () => {
    const pair = new Pair(nodeProvider, { ...gcmParameters, esn: true })
    pair.out.startAfter(0x01020303, 0x0a0b0c0d)
    expect([...pair.seal(inner).subarray(8, 16)]).toEqual([0x0a, 0x0b, 0x0c, 0x0d, 1, 2, 3, 4])
  })

  it('of CTR count as those of AEADs', () => {
    const ctr = suites.find(({ encr }) => encr === Encr.ENCR_AES_CTR)!
    const pair = new Pair(nodeProvider, parametersOf(ctr, true))
    pair.out.startAfter(0x01020303, 0x0a0b0c0d)
    expect([...pair.seal(inner).subarray(8, 16)]).toEqual([0x0a, 0x0b, 0x0c, 0x0d, 1, 2, 3, 4])
  })

  it('of CBC are taken from the random source, each octet once, across its refills', () => {
    const random = countingRandom()
    const expected = concat(random(4096), random(4096))
    const pair = new Pair(nodeProvider, cbcParameters)
    const used = concat(...Array.from({ length: 512 }, () => pair.seal(new Uint8Array(4)).slice(8, 24)))
    expect(used).toEqual(expected)
  })
})

describe('parameters that do not fit are refused', () => {
  const sha256 = { id: Integ.AUTH_HMAC_SHA2_256_128, key: new Uint8Array(32) }
  it.each([
    ['SPI zero', { ...gcmParameters, spi: 0 }],
    ['an SPI above 32 bits', { ...gcmParameters, spi: 2 ** 32 }],
    ['an unknown cipher', { ...gcmParameters, encr: { ...gcmParameters.encr, id: 99 } }],
    [
      'NULL encryption without integrity',
      { ...gcmParameters, encr: { id: Encr.ENCR_NULL, key: new Uint8Array(0), salt: new Uint8Array(0) } },
    ],
    [
      'NULL encryption with a key',
      { ...cbcParameters, encr: { id: Encr.ENCR_NULL, key: new Uint8Array(16), salt: new Uint8Array(0) } },
    ],
    ['a key of a wrong length', { ...gcmParameters, encr: { ...gcmParameters.encr, key: new Uint8Array(17) } }],
    ['a missing salt', { ...gcmParameters, encr: { ...gcmParameters.encr, salt: new Uint8Array(0) } }],
    ['an AEAD with integrity', { ...gcmParameters, integ: sha256 }],
    ['CBC without integrity', { ...gcmParameters, encr: cbcParameters.encr }],
    [
      'CTR without integrity',
      { ...gcmParameters, encr: { id: Encr.ENCR_AES_CTR, key: new Uint8Array(16), salt: new Uint8Array(4) } },
    ],
    ['a salt of a wrong length', { ...gcmParameters, encr: { ...gcmParameters.encr, id: Encr.ENCR_AES_CCM_16 } }],
    [
      'AES-GMAC with integrity',
      { ...gcmParameters, encr: { ...gcmParameters.encr, id: Encr.ENCR_NULL_AUTH_AES_GMAC }, integ: sha256 },
    ],
    ['an integrity key of a wrong length', { ...cbcParameters, integ: { ...sha256, key: new Uint8Array(31) } }],
  ])('%s', (_, parameters) => {
    expect(() => new EspEncapsulator(nodeProvider, parameters, countingRandom())).toThrow(UsageError)
    expect(() => new EspDecapsulator(nodeProvider, parameters)).toThrow(UsageError)
  })

  it('a window below 32 packets', () => {
    expect(() => new EspDecapsulator(nodeProvider, { ...gcmParameters, replayWindow: 31 })).toThrow(UsageError)
  })
})
