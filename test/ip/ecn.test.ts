import { describe, expect, it } from 'vitest'
import {
  buildIpv4,
  buildIpv6,
  checksum,
  decapsulatedEcn,
  Ecn,
  EcnFate,
  ecnOf,
  encapsulatedEcn,
  fateOf,
  flowLabel,
  parseIp,
  trafficClass,
  writeTrafficClass,
} from '../../src/ip/index.ts'

const { NOT_ECT, ECT_0, ECT_1, CE } = Ecn
const { FINE, STRANGE, ALARM, DROP } = EcnFate

describe('the ECN field of a tunnel', () => {
  // RFC 6040 figure 4, row by row: inner, outer, what is forwarded, and whether that is told.
  it.each([
    [NOT_ECT, NOT_ECT, NOT_ECT, FINE],
    [NOT_ECT, ECT_0, NOT_ECT, ALARM],
    [NOT_ECT, ECT_1, NOT_ECT, ALARM],
    [NOT_ECT, CE, undefined, DROP],
    [ECT_0, NOT_ECT, ECT_0, FINE],
    [ECT_0, ECT_0, ECT_0, FINE],
    [ECT_0, ECT_1, ECT_1, FINE],
    [ECT_0, CE, CE, FINE],
    [ECT_1, NOT_ECT, ECT_1, FINE],
    [ECT_1, ECT_0, ECT_1, STRANGE],
    [ECT_1, ECT_1, ECT_1, FINE],
    [ECT_1, CE, CE, FINE],
    [CE, NOT_ECT, CE, FINE],
    [CE, ECT_0, CE, FINE],
    [CE, ECT_1, CE, ALARM],
    [CE, CE, CE, FINE],
  ])('behind it: inner %i, outer %i', (inner, outer, forwarded, fate) => {
    const combined = decapsulatedEcn(inner, outer)
    expect(fateOf(combined)).toBe(fate)
    if (forwarded !== undefined) expect(ecnOf(combined)).toBe(forwarded)
    // DSCP beside it is not looked at.
    expect(decapsulatedEcn(inner | 0xb8, outer | 0x40)).toBe(combined)
  })

  it.each([NOT_ECT, ECT_0, ECT_1, CE])('in front of it: %i is copied, and hidden in compatibility mode', (inner) => {
    expect(encapsulatedEcn(inner, true)).toBe(inner)
    expect(encapsulatedEcn(inner, false)).toBe(NOT_ECT)
  })
})

describe('writing a traffic class', () => {
  const payload = new Uint8Array(9)

  it('keeps the header checksum of IPv4 right, for all values', () => {
    const addresses = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9') }
    const packet = buildIpv4({ ...addresses, protocol: 17, payload, identification: 7, trafficClass: 0x2e })
    for (let value = 255; value >= 0; value--) {
      writeTrafficClass(packet, 0, value)
      expect(packet).toEqual(buildIpv4({ ...addresses, protocol: 17, payload, identification: 7, trafficClass: value }))
      expect(checksum(packet, 0, 20)).toBe(0)
    }
  })

  it('leaves the flow label of IPv6 as it is', () => {
    const addresses = { source: parseIp('fd00::1'), destination: parseIp('fd00::2') }
    const packet = buildIpv6({ ...addresses, protocol: 17, payload })
    packet[1] = 0x0a
    packet[2] = 0xbc
    packet[3] = 0xde
    for (let value = 0; value < 256; value++) {
      writeTrafficClass(packet, 0, value)
      expect([trafficClass(packet, 0), flowLabel(packet, 0), packet[0]! >>> 4]).toEqual([value, 0xabcde, 6])
    }
  })
})
