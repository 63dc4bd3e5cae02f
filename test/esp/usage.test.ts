import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Encr } from '../../src/crypto/transforms.ts'
import { DecapStatus, EncapStatus } from '../../src/esp/index.ts'
import { usageLimits } from '../../src/esp/usage-limits.ts'
import { Pair, parametersOf, suites } from './suites.ts'

const ciphers = [...new Set(suites.map(({ encr }) => encr))]

describe.each(ciphers)('the limits of cipher %i', (encr) => {
  it('leave time to replace the key, and sequence numbers of 32 bits do not cycle', () => {
    for (const esn of [false, true]) {
      const { packets, octets, forgeries, soft } = usageLimits(encr, esn)
      expect(soft).toBeGreaterThan(0)
      expect(soft).toBeLessThan(1)
      expect(Math.min(packets, octets, forgeries)).toBeGreaterThan(0)
      if (!esn) expect(packets).toBeLessThanOrEqual(0xffff_ffff)
    }
  })
})

/** Calls of the block cipher under one key: those that the octets fill, and those of each packet beside. */
const blocks = (encr: number, blockBytes: number, calls: number, beside: number) => {
  const { packets, octets } = usageLimits(encr, true)
  return (octets / blockBytes) * calls + packets * beside
}

describe('the blocks under one key', () => {
  it('stay where collisions give an attacker less than 2^-57 (RFC 9001 §6.6)', () => {
    for (const encr of [Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_16_IIV, Encr.ENCR_AES_CTR]) {
      expect(blocks(encr, 16, 1, 3) ** 2 / 2 ** 129).toBeLessThan(2 ** -57)
    }
    expect(blocks(Encr.ENCR_AES_CBC, 16, 1, 3) ** 2 / 2 ** 128).toBeLessThan(2 ** -57)
    expect(blocks(Encr.ENCR_AES_CCM_16, 16, 2, 7) ** 2 / 2 ** 128).toBeLessThan(2 ** -57)
  })

  it('of 3DES are 2^20 (SP 800-67r2 §3.3)', () => {
    expect(usageLimits(Encr.ENCR_3DES, true).octets).toBe(8 * 2 ** 20)
  })
})

const title = (suite: (typeof suites)[number]) => ({ suite, title: suite.name })

describe.each(suites.map(title))('an SA of $title', ({ suite }) => {
  const { octets, packets, forgeries, soft } = usageLimits(suite.encr, true)

  it('sends its last packet at the limit of octets, and none above', () => {
    const pair = new Pair(nodeProvider, parametersOf(suite, true))
    const text = pair.out.sealedLength(40) - pair.out.sealedLength(0) + 4
    if (!Number.isFinite(octets)) return expect(pair.out.usage.isNearLimit).toBe(false)
    pair.out.usage.octets = Math.floor(octets * soft) - 1
    expect(pair.out.usage.isNearLimit).toBe(false)
    pair.seal(new Uint8Array(40))
    expect(pair.out.usage.isNearLimit).toBe(true)
    pair.out.usage.octets = octets - text + 1 - 16
    const before = pair.out.sequenceLow
    const buffer = new Uint8Array(400)
    expect(pair.out.encapsulate(buffer, 100, 200, 4)).toBe(EncapStatus.USAGE_LIMIT)
    expect(pair.out.sequenceLow).toBe(before)
    return expect(buffer.every((octet) => octet === 0)).toBe(true)
  })

  it('sends and takes no packet above the limit of packets', () => {
    if (!Number.isFinite(packets)) return
    const pair = new Pair(nodeProvider, parametersOf(suite, true))
    pair.out.usage.packets = packets - 1
    pair.in.usage.packets = packets - 1
    const last = pair.seal(new Uint8Array(40))
    expect(() => pair.seal(new Uint8Array(40))).toThrow(`encapsulate: ${EncapStatus.USAGE_LIMIT}`)
    expect(pair.open(last).status).toBe(DecapStatus.OK)
    expect(pair.open(last).status).toBe(DecapStatus.USAGE_LIMIT)
  })

  it('ends when too many packets were forged', () => {
    const pair = new Pair(nodeProvider, parametersOf(suite, true))
    const good = pair.seal(new Uint8Array(40))
    const forged = good.slice()
    forged[forged.length - 1] = forged[forged.length - 1]! ^ 1
    pair.in.usage.forgeries = forgeries - 2
    expect(pair.in.usage.isNearLimit).toBe(true)
    expect(pair.open(forged).status).toBe(DecapStatus.BAD_ICV)
    expect(pair.open(good).status).toBe(DecapStatus.OK)
    expect(pair.open(forged).status).toBe(DecapStatus.REPLAY_DUPLICATE)
    pair.in.usage.forgeries = forgeries
    expect(pair.open(pair.seal(new Uint8Array(40))).status).toBe(DecapStatus.USAGE_LIMIT)
  })
})
