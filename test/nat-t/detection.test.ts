import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { parseIp } from '../../src/ip/address.ts'
import { NAT_DETECTION_BYTES, natDetectionHash } from '../../src/nat-t/detection.ts'
import { sharedVectors } from '../support/vectors.ts'

interface Case {
  readonly id: string
  readonly spiI: string
  readonly spiR: string
  readonly address: string
  readonly port: number
  readonly hash: string
  readonly matches: boolean
}

const sha1 = (data: Uint8Array) => new Uint8Array(createHash('sha1').update(data).digest())
const hashOf = (test: Case) =>
  toHex(natDetectionHash(sha1, fromHex(test.spiI), fromHex(test.spiR), parseIp(test.address), test.port))

const recorded = sharedVectors<{ cases: readonly Case[] }>('packets/nat-detection.json')

describe('natDetectionHash', () => {
  it('hashes SPIi, SPIr, address and port in network order', () => {
    const hash = natDetectionHash(
      sha1,
      fromHex('0102030405060708'),
      fromHex('1112131415161718'),
      parseIp('192.0.2.1'),
      4500,
    )
    expect(toHex(hash)).toBe(toHex(sha1(fromHex('01020304050607081112131415161718c00002011194'))))
    expect(hash).toHaveLength(NAT_DETECTION_BYTES)
  })

  it('hashes all 16 octets of an IPv6 address', () => {
    const hash = natDetectionHash(sha1, new Uint8Array(8), new Uint8Array(8), parseIp('2001:db8::1'), 500)
    expect(toHex(hash)).toBe(toHex(sha1(fromHex(`${'00'.repeat(16)}20010db800000000000000000000000101f4`))))
  })

  it.skipIf(recorded === undefined)(
    'gives the hashes of recorded handshakes, and others where a NAT was between',
    () => {
      const { cases } = recorded!
      expect(cases.length).toBeGreaterThan(100)
      for (const test of cases) expect(hashOf(test) === test.hash, test.id).toBe(test.matches)
    },
  )
})
