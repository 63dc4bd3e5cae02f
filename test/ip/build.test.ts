import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, readU16, readU32, toHex, writeU16, writeU32 } from '../../src/bytes/index.ts'
import {
  answerIcmpEcho,
  buildIcmpEcho,
  buildIpv4,
  buildIpv6,
  buildPacketTooBig,
  buildUdp,
  checksum,
  hopLimit,
  ipv4DontFragment,
  ipv4FragmentOffset,
  ipv4MoreFragments,
  parseIp,
  trafficClass,
  transportChecksum,
  updateChecksum,
} from '../../src/ip/index.ts'

const v4 = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.9') }
const v6 = { source: parseIp('fd00:1::1'), destination: parseIp('fd00:2::9') }
const data = fromHex('0102030405')

describe('checksums', () => {
  it('of RFC 1071 §3', () => {
    expect(checksum(fromHex('0001f203f4f5f6f7'), 0, 8)).toBe(~0xddf2 & 0xffff)
  })

  it('agree with a slow twin that carries at each step', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        let sum = 0
        for (let i = 0; i < bytes.length; i += 2) {
          sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0)
          if (sum > 0xffff) sum -= 0xffff
        }
        expect(checksum(bytes, 0, bytes.length)).toBe(0xffff - sum)
      }),
    )
  })

  it('of RFC 1624 §4: an update gives what a full computation gives', () => {
    expect(updateChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0x0000)
    const words = fc.array(fc.nat(0xffff), { minLength: 2, maxLength: 20 })
    fc.assert(
      fc.property(words, fc.nat(0xffff), fc.nat(), (values, after, pick) => {
        const bytes = new Uint8Array(2 * values.length)
        for (const [i, value] of values.entries()) writeU16(bytes, 2 * i, value)
        // A header is never all zeros; over zeros alone the two differ in the sign of zero.
        writeU16(bytes, 0, values[0]! | 0x4000)
        const before = checksum(bytes, 0, bytes.length)
        const at = 2 + 2 * (pick % (values.length - 1))
        const changed = bytes.slice()
        writeU16(changed, at, after)
        expect(updateChecksum(before, readU16(bytes, at), after)).toBe(checksum(changed, 0, changed.length))
      }),
    )
  })
})

describe('big-endian fields', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffffffff), (a, b) => {
        const bytes = new Uint8Array(8).fill(0xee)
        writeU16(bytes, 1, a)
        writeU32(bytes, 3, b)
        expect([readU16(bytes, 1), readU32(bytes, 3), bytes[0], bytes[7]]).toEqual([a, b, 0xee, 0xee])
      }),
    )
  })
})

describe('builders', () => {
  it('fill every IPv4 field', () => {
    const packet = buildIpv4({
      ...v4,
      protocol: 17,
      payload: data,
      hopLimit: 3,
      trafficClass: 0xb8,
      identification: 0x1234,
      dontFragment: false,
      moreFragments: true,
      fragmentOffset: 1480,
    })
    expect(toHex(packet.subarray(0, 10))).toBe('45b80019123420b90311')
    expect(toHex(packet.subarray(12))).toBe('0a0100010a0200090102030405')
    expect(checksum(packet, 0, 20)).toBe(0)
    expect([ipv4DontFragment(packet, 0), ipv4MoreFragments(packet, 0), ipv4FragmentOffset(packet, 0)]).toEqual([
      false,
      true,
      1480,
    ])
    expect([trafficClass(packet, 0), hopLimit(packet, 0)]).toEqual([0xb8, 3])
    expect(ipv4DontFragment(buildIpv4({ ...v4, protocol: 17, payload: data }), 0)).toBe(true)
  })

  it('fill every IPv6 field', () => {
    const packet = buildIpv6({ ...v6, protocol: 58, payload: data, hopLimit: 3, trafficClass: 0xb8 })
    expect(toHex(packet)).toBe(
      '6b800000' + '00053a03' + 'fd000001000000000000000000000001' + 'fd000002000000000000000000000009' + '0102030405',
    )
    expect([trafficClass(packet, 0), hopLimit(packet, 0)]).toEqual([0xb8, 3])
  })

  it('give the header, checksum included, of a packet that ping(8) sent', () => {
    const recorded = '45000054fd124000400125f90a4e01010a4e0201'
    const packet = buildIpv4({
      source: parseIp('10.78.1.1'),
      destination: parseIp('10.78.2.1'),
      protocol: 1,
      identification: 0xfd12,
      payload: new Uint8Array(64),
    })
    expect(toHex(packet.subarray(0, 20))).toBe(recorded)
  })

  it.each([v4, v6])('set transport checksums that verify', (addresses) => {
    const head = addresses.source.length === 4 ? 20 : 40
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        const udp = buildUdp({ ...addresses, sourcePort: 1, destinationPort: 2, data: bytes })
        expect(verify(udp, head, 17)).toBe(0)
        expect(readU16(udp, head + 6)).not.toBe(0)
        const echo = buildIcmpEcho('request', { ...addresses, identifier: 9, sequence: 7, data: bytes })
        expect(head === 20 ? checksum(echo, 20, echo.length - 20) : verify(echo, 40, 58)).toBe(0)
      }),
    )
    function verify(packet: Uint8Array, at: number, protocol: number): number {
      return transportChecksum(addresses.source, addresses.destination, protocol, packet, at, packet.length - at)
    }
  })

  it('write a UDP checksum that comes out zero as all ones', () => {
    const found = Array.from({ length: 65536 }, (_, i) => i).find((i) => {
      const udp = buildUdp({ ...v4, sourcePort: 1, destinationPort: 2, data: Uint8Array.of(i >>> 8, i) })
      return readU16(udp, 26) === 0xffff
    })
    expect(found).toBeDefined()
  })
})

describe('ICMP answers', () => {
  it.each([v4, v6])('a ping is answered by its destination, with the same contents', (addresses) => {
    const fields = { identifier: 0x1234, sequence: 5, data }
    const request = buildIcmpEcho('request', { ...addresses, ...fields })
    const back = { source: addresses.destination, destination: addresses.source }
    expect(answerIcmpEcho(request)).toEqual(buildIcmpEcho('reply', { ...back, ...fields }))
    expect(answerIcmpEcho(buildIcmpEcho('reply', { ...addresses, ...fields }))).toBeUndefined()
    expect(answerIcmpEcho(buildUdp({ ...addresses, sourcePort: 0x800, destinationPort: 1, data }))).toBeUndefined()
    expect(answerIcmpEcho(request.subarray(0, request.length - 1))).toBeUndefined()
  })

  it('tell an IPv4 sender the MTU, quoting at most 576 octets in all', () => {
    const packet = buildUdp({ ...v4, sourcePort: 1, destinationPort: 2, data: new Uint8Array(1400) })
    const answer = buildPacketTooBig(packet, 0, packet.length, 1380, parseIp('10.1.0.254'))!
    expect(answer.length).toBeLessThanOrEqual(576)
    expect(toHex(answer.subarray(12, 22))).toBe('0a0100fe0a0100010304')
    expect(readU16(answer, 26)).toBe(1380)
    expect(checksum(answer, 20, answer.length - 20)).toBe(0)
    expect(answer.slice(28)).toEqual(packet.slice(0, answer.length - 28))
  })

  it('tell an IPv6 sender the MTU, quoting up to the minimum MTU', () => {
    const packet = buildUdp({ ...v6, sourcePort: 1, destinationPort: 2, data: new Uint8Array(1400) })
    const from = parseIp('fd00:1::fe')
    const answer = buildPacketTooBig(packet, 0, packet.length, 1380, from)!
    expect(answer.length).toBe(1280)
    expect([answer[40], answer[41], readU32(answer, 44)]).toEqual([2, 0, 1380])
    expect(transportChecksum(from, v6.source, 58, answer, 40, answer.length - 40)).toBe(0)
    expect(answer.slice(48)).toEqual(packet.slice(0, 1280 - 48))
  })

  it('say nothing about errors, later fragments, multicast sources and malformed packets', () => {
    const about = (packet: Uint8Array, from = parseIp('10.1.0.254')) =>
      buildPacketTooBig(packet, 0, packet.length, 1000, from)
    const udp = { ...v4, sourcePort: 1, destinationPort: 2, data }
    expect(about(buildIpv4({ ...v4, protocol: 1, payload: Uint8Array.of(3, 4, 0, 0) }))).toBeUndefined()
    expect(about(buildIpv4({ ...v4, protocol: 17, payload: data, fragmentOffset: 8 }))).toBeUndefined()
    expect(about(buildUdp({ ...udp, source: parseIp('224.0.0.1') }))).toBeUndefined()
    expect(about(buildUdp({ ...udp, source: parseIp('0.0.0.0') }))).toBeUndefined()
    expect(about(buildUdp(udp).subarray(0, 19))).toBeUndefined()
    expect(about(buildUdp(udp), v6.source)).toBeUndefined()
    expect(about(buildIpv6({ ...v6, protocol: 58, payload: Uint8Array.of(1, 0, 0, 0) }), v6.source)).toBeUndefined()
    expect(about(buildUdp({ ...udp, ...v6, source: parseIp('ff02::1') }), v6.source)).toBeUndefined()
    for (const destination of ['224.0.0.251', '255.255.255.255']) {
      expect(about(buildUdp({ ...udp, destination: parseIp(destination) }))).toBeUndefined()
    }
    // The path to a group may have a least size too, but no router has its address.
    const toGroup = buildUdp({ ...udp, ...v6, destination: parseIp('ff0e::1') })
    expect(about(toGroup, v6.destination)).toBeDefined()
    expect(about(toGroup, parseIp('ff0e::1'))).toBeUndefined()
    expect(about(buildUdp(udp))).toBeDefined()
    expect(about(buildIcmpEcho('request', { ...v4, identifier: 1, sequence: 1, data }))).toBeDefined()
  })
})
