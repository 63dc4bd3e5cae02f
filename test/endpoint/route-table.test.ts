import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { formatPrefix, prefixesOfRange } from '../../src/endpoint/prefixes.ts'
import { RouteTable } from '../../src/endpoint/route-table.ts'
import { containsAddress, parseIp } from '../../src/ip/index.ts'

const range = (start: string, end: string) => ({ start: parseIp(start), end: parseIp(end) })
const everything = range('0.0.0.0', '255.255.255.255')

/** A table over an `ip` that answers from `answers`; an answer with `!` in front is a failure. */
function routes(answers: Record<string, string> = {}, local: string[] = []) {
  const calls: string[] = []
  const entries: LogEntry[] = []
  const ip = async (args: readonly string[]): Promise<string> => {
    const call = args.join(' ')
    calls.push(call)
    const answer = answers[call] ?? ''
    if (answer.startsWith('!')) throw new Error(answer.slice(1))
    return answer
  }
  const log = new Log((entry) => entries.push(entry))
  const table = new RouteTable({ device: 'tun0', log, ip, localAddresses: () => local.map(parseIp) })
  return { table, calls, entries }
}

const office = {
  destination: range('10.2.0.0', '10.2.255.255'),
  source: range('10.1.0.0', '10.1.0.255'),
  peer: parseIp('192.0.2.9'),
}

describe('routes into the TUN', () => {
  test('come with the first policy and go with the last', async () => {
    const { table, calls } = routes({}, ['192.0.2.1', '10.1.0.1'])
    table.add(office)
    table.add(office)
    table.remove(office)
    await table.settled()
    expect(calls).toEqual(['route add 10.2.0.0/16 dev tun0 src 10.1.0.1'])
    table.remove(office)
    await table.settled()
    expect(calls.slice(1)).toEqual(['route del 10.2.0.0/16 dev tun0 src 10.1.0.1'])
  })

  test('leave the default route alone and the peer reachable', async () => {
    const where = { '-o route get 192.0.2.9': '192.0.2.9 via 198.51.100.1 dev eth0 src 198.51.100.7 uid 0' }
    const { table, calls } = routes(where)
    table.add({ ...office, destination: everything })
    await table.settled()
    expect(calls.slice(1)).toEqual([
      'route add 192.0.2.9/32 via 198.51.100.1 dev eth0',
      'route add 0.0.0.0/1 dev tun0',
      'route add 128.0.0.0/1 dev tun0',
    ])
    table.clear()
    await table.settled()
    expect(calls.slice(4)).toEqual([
      'route del 128.0.0.0/1 dev tun0',
      'route del 0.0.0.0/1 dev tun0',
      'route del 192.0.2.9/32 via 198.51.100.1 dev eth0',
    ])
  })

  test("a route to the peer's own address that is there already serves as well, and stays", async () => {
    const { table, calls, entries } = routes({
      '-o route get 192.0.2.9': '192.0.2.9 via 198.51.100.1 dev eth0 src 198.51.100.7 uid 0',
      'route add 192.0.2.9/32 via 198.51.100.1 dev eth0': '!RTNETLINK answers: File exists',
    })
    table.add({ ...office, destination: range('192.0.2.0', '192.0.2.255') })
    await table.settled()
    expect(calls.at(-1)).toBe('route add 192.0.2.0/24 dev tun0')
    expect(entries.filter(({ level }) => level === 'error')).toEqual([])
    table.clear()
    await table.settled()
    expect(calls.filter((call) => call.startsWith('route del'))).toEqual(['route del 192.0.2.0/24 dev tun0'])
  })

  test('are refused when they would swallow a peer without a path of its own', async () => {
    const { table, calls, entries } = routes({ '-o route get 192.0.2.9': '192.0.2.9 dev tun0 src 10.1.0.1' })
    table.add({ ...office, destination: range('192.0.2.0', '192.0.2.255') })
    await table.settled()
    expect(calls.some((call) => call.startsWith('route add'))).toBe(false)
    expect(entries[0]).toMatchObject({ level: 'error' })
    expect(entries[0]!.text).toContain("Give the peer's address a route of its own")
  })

  test('a failure is logged with the words of the tool, and the next route is tried', async () => {
    const { table, calls, entries } = routes({ 'route add 10.2.0.0/16 dev tun0': '!RTNETLINK answers: File exists' })
    table.add(office)
    table.add({ ...office, destination: range('10.3.0.0', '10.3.0.255') })
    await table.settled()
    expect(entries[0]!.text).toContain('File exists')
    expect(calls.at(-1)).toBe('route add 10.3.0.0/24 dev tun0')
    table.clear()
    await table.settled()
    expect(calls.filter((call) => call.startsWith('route del'))).toEqual(['route del 10.3.0.0/24 dev tun0'])
  })

  test('IPv6 goes through the IPv6 table', async () => {
    const { table, calls } = routes()
    const destination = range('fd00::', 'fd00::ffff:ffff:ffff:ffff')
    table.add({ destination, source: range('::', '::1'), peer: parseIp('192.0.2.9') })
    await table.settled()
    expect(calls).toEqual(['-6 route add fd00::/64 dev tun0'])
  })
})

describe('prefixes of a range', () => {
  test.each([
    ['10.1.0.0', '10.1.255.255', ['10.1.0.0/16']],
    ['10.0.0.5', '10.0.0.9', ['10.0.0.5/32', '10.0.0.6/31', '10.0.0.8/31']],
    ['0.0.0.0', '255.255.255.255', ['0.0.0.0/0']],
    ['255.255.255.255', '255.255.255.255', ['255.255.255.255/32']],
    ['fd00::', 'fd00::ffff', ['fd00::/112']],
  ])('%s to %s', (start, end, expected) => {
    expect(prefixesOfRange(range(start, end)).map(formatPrefix)).toEqual(expected)
  })

  test('cover each address of the range once and nothing else', () => {
    const first = fc.integer({ min: 0, max: 0xffffffff })
    fc.assert(
      fc.property(first, fc.nat(70_000), fc.integer({ min: -3, max: 70_003 }), (base, size, offset) => {
        const last = Math.min(base + size, 0xffffffff)
        const probe = base + offset
        fc.pre(probe >= 0 && probe <= 0xffffffff)
        const tested = { start: ipv4(base), end: ipv4(last) }
        const covering = prefixesOfRange(tested).filter(({ address, bits }) => {
          const start = new DataView(address.buffer).getUint32(0)
          return probe >= start && probe < start + 2 ** (32 - bits)
        })
        expect(covering).toHaveLength(probe >= base && probe <= last ? 1 : 0)
        expect(containsAddress(tested, ipv4(probe))).toBe(covering.length === 1)
      }),
    )
  })
})

function ipv4(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}
