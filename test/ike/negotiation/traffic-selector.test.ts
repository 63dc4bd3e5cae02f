import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import type { TrafficSelector } from '../../../src/ike/codec/index.ts'
import type { TrafficSelectorConfig } from '../../../src/ike/config.ts'
import { isSubset, narrow, toTrafficSelector, toXfrmSelectors } from '../../../src/ike/negotiation/traffic-selector.ts'
import { formatTrafficSelector, parseTrafficSelector } from '../../../src/ike/negotiation/traffic-selector-text.ts'
import type { XfrmSelector } from '../../../src/xfrm/port.ts'

const ts = (...texts: string[]) => texts.map(parseTrafficSelector)
const offer = (...texts: string[]) => ts(...texts).map(toTrafficSelector)
const text = (selectors: readonly TrafficSelectorConfig[]) => selectors.map(formatTrafficSelector)

/** A packet's end; `port` undefined when it cannot be seen. */
interface Sample {
  readonly address: readonly number[]
  readonly protocol: number
  readonly port: number | undefined
}

/** The plain reading of RFC 7296 §3.13.1, on one packet. */
function selects(selector: TrafficSelectorConfig, sample: Sample): boolean {
  const { startAddress, endAddress, protocol, startPort, endPort } = selector
  const number = (octets: ArrayLike<number>) =>
    Array.from(octets).reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
  if (startAddress.length !== sample.address.length) return false
  const address = number(sample.address)
  if (address < number(startAddress) || address > number(endAddress)) return false
  if (protocol !== 0 && protocol !== sample.protocol) return false
  if (startPort === 0 && endPort === 65535) return true
  if (startPort === 65535 && endPort === 0) return sample.port === undefined
  return sample.port !== undefined && sample.port >= startPort && sample.port <= endPort
}

// A small world, so that ranges meet often: last octets 0 to 7, ports 0 to 3, protocols 1, 6, 17.
const address = fc
  .tuple(fc.constantFrom(4, 16), fc.nat(7))
  .map(([length, last]) => Uint8Array.from({ length }, (_, at) => (at === length - 1 ? last : 0)))
const ports = fc.oneof(
  fc.constant([0, 65535]),
  fc.constant([65535, 0]),
  fc.tuple(fc.nat(3), fc.nat(3)).map((pair) => pair.toSorted((a, b) => a - b)),
)
const selector = fc
  .tuple(address, fc.nat(7), fc.constantFrom(0, 1, 6, 17), ports)
  .map(([startAddress, span, protocol, [startPort, endPort]]): TrafficSelectorConfig => {
    const endAddress = startAddress.slice()
    endAddress[endAddress.length - 1] = Math.min(7, endAddress.at(-1)! + span)
    return { startAddress, endAddress, protocol, startPort: startPort!, endPort: endPort! }
  })
const selectors = fc.array(selector, { minLength: 1, maxLength: 4 })
const samples: Sample[] = [4, 16].flatMap((length) =>
  [0, 1, 2, 3, 4, 5, 6, 7].flatMap((last) =>
    [1, 6, 17, 50].flatMap((protocol) =>
      [undefined, 0, 1, 2, 3, 4].map((port) => ({
        address: Array.from({ length }, (_, at) => (at === length - 1 ? last : 0)),
        protocol,
        port,
      })),
    ),
  ),
)
const any = (list: readonly TrafficSelectorConfig[], sample: Sample) => list.some((one) => selects(one, sample))

describe('narrow', () => {
  it('selects exactly the packets that both sides select', () => {
    fc.assert(
      fc.property(selectors, selectors, (offered, configured) => {
        const narrowed = narrow(offered.map(toTrafficSelector), configured)
        for (const sample of samples) {
          expect(any(narrowed, sample)).toBe(any(offered, sample) && any(configured, sample))
        }
        expect(isSubset(narrowed, offered)).toBe(true)
        expect(isSubset(narrowed, configured)).toBe(true)
      }),
    )
  })

  it('keeps none that another one contains', () => {
    fc.assert(
      fc.property(selectors, selectors, (offered, configured) => {
        const narrowed = narrow(offered.map(toTrafficSelector), configured)
        narrowed.forEach((one, at) => {
          expect(isSubset([one], narrowed.toSpliced(at, 1))).toBe(false)
        })
      }),
    )
  })

  it.each([
    ['the whole world to our subnet', ['0.0.0.0/0'], ['10.1.0.0/16'], ['10.1.0.0/16']],
    ['a range that overlaps', ['10.0.0.5-10.0.1.9'], ['10.0.0.0/24'], ['10.0.0.5-10.0.0.255']],
    ['protocol and port', ['10.1.0.0/16[tcp]'], ['10.1.0.0/24[tcp/80]', '10.1.0.0/24[udp]'], ['10.1.0.0/24[tcp/80]']],
    ['each family by itself', ['::/0', '0.0.0.0/0'], ['10.0.0.0/8', 'fd00::/8'], ['fd00::/8', '10.0.0.0/8']],
    ['ICMP type and code', ['0.0.0.0/0[icmp/8]'], ['10.0.0.0/8[icmp]'], ['10.0.0.0/8[icmp/8]']],
    ['OPAQUE out of any', ['10.0.0.1[udp/opaque]'], ['10.0.0.0/8'], ['10.0.0.1/32[udp/opaque]']],
    ['nothing out of OPAQUE and a port', ['10.0.0.1[udp/opaque]'], ['10.0.0.1[udp/53]'], []],
    ['the same offered twice', ['10.0.0.0/8', '10.0.0.0/8'], ['10.0.0.0/8'], ['10.0.0.0/8']],
    ['nothing in common', ['10.2.0.0/16'], ['10.1.0.0/16'], []],
  ])('narrows %s', (_, offered, configured, expected) => {
    expect(text(narrow(offer(...offered), ts(...configured)))).toEqual(expected)
  })

  it('passes over selectors of unknown type and with ends the wrong way round', () => {
    const [good] = offer('10.1.0.0/16')
    const unknown: TrafficSelector = { tsType: 9, unknown: true, protocol: 0, data: new Uint8Array(4) }
    const backward = { ...good!, startAddress: Uint8Array.of(10, 2, 0, 0), endAddress: Uint8Array.of(10, 1, 0, 0) }
    const backwardPorts = { ...good!, startPort: 90, endPort: 80 }
    expect(narrow([unknown, backward, backwardPorts], ts('10.0.0.0/8'))).toEqual([])
    expect(text(narrow([unknown, good!], ts('10.0.0.0/8')))).toEqual(['10.1.0.0/16'])
  })

  it('bounds what a peer can make of many selectors', () => {
    const offered = Array.from({ length: 255 }, (_, i) => toTrafficSelector(parseTrafficSelector(`10.0.${i}.0/24`)))
    expect(narrow(offered, ts('10.0.0.0/8', '10.0.0.0/9'))).toHaveLength(64)
  })
})

describe('toXfrmSelectors', () => {
  it('turns source and destination round with the direction', () => {
    const [local, remote] = [ts('10.1.0.0/16[tcp/80]'), ts('10.2.0.0/16[tcp]')]
    const [out] = toXfrmSelectors(local, remote, 'out')
    const [incoming] = toXfrmSelectors(local, remote, 'in')
    expect(out).toEqual({
      source: { start: Uint8Array.of(10, 1, 0, 0), end: Uint8Array.of(10, 1, 255, 255) },
      destination: { start: Uint8Array.of(10, 2, 0, 0), end: Uint8Array.of(10, 2, 255, 255) },
      protocol: 6,
      sourcePort: { first: 80, last: 80 },
      destinationPort: { first: 0, last: 65535 },
    })
    expect(incoming).toEqual({
      ...out,
      source: out?.destination,
      destination: out?.source,
      sourcePort: out?.destinationPort,
      destinationPort: out?.sourcePort,
    })
  })

  it('pairs only families and protocols that agree', () => {
    const show = (selector: XfrmSelector) => [selector.source.start.length, selector.protocol]
    const pairs = toXfrmSelectors(
      ts('10.1.0.0/16[tcp]', 'fd00::/8'),
      ts('10.2.0.0/16[udp]', '10.3.0.0/16', 'fd01::/16[tcp]'),
      'out',
    )
    expect(pairs.map(show)).toEqual([
      [4, 6],
      [16, 6],
    ])
  })

  it('puts the common ICMP type and code into the source port in both directions', () => {
    for (const direction of ['in', 'out'] as const) {
      const [one] = toXfrmSelectors(ts('10.1.0.0/16[icmp/8]'), ts('10.2.0.0/16'), direction)
      expect(one).toMatchObject({ protocol: 1, sourcePort: { first: 0x800, last: 0x8ff } })
      expect(one?.destinationPort).toEqual({ first: 0, last: 65535 })
    }
    expect(toXfrmSelectors(ts('10.1.0.0/16[icmp/8]'), ts('10.2.0.0/16[icmp/0]'), 'out')).toEqual([])
  })
})

describe('parseTrafficSelector and formatTrafficSelector', () => {
  it.each([
    '10.1.0.0/16',
    '10.1.0.0/16[tcp/80]',
    '10.1.0.0/16[udp/1024-2048]',
    '10.0.0.5-10.0.0.9[icmp]',
    '10.0.0.0/8[icmp/8]',
    '10.0.0.0/8[icmp/3(4)]',
    '10.0.0.0/8[icmp/3(1)-3(4)]',
    '10.0.0.0/8[icmp/8-11]',
    'fd00::/8[icmpv6/128]',
    '10.0.0.0/8[47]',
    '10.0.0.0/8[any/53]',
    '10.0.0.0/8[udp/opaque]',
    '0.0.0.0/0',
    '::/0[sctp]',
  ])('writes %s as it was read', (written) => {
    expect(formatTrafficSelector(parseTrafficSelector(written))).toBe(written)
  })

  it('reads back every selector', () => {
    const port = fc.nat(65535)
    const any = fc.record({
      family: fc.constantFrom(4, 16),
      octets: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      protocol: fc.nat(255),
      pair: fc.oneof(fc.tuple(port, port), fc.constant([0, 65535]), fc.constant([65535, 0])),
    })
    fc.assert(
      fc.property(any, ({ family, octets, protocol, pair }) => {
        const ends = [octets.slice(0, family), octets.slice(16, 16 + family)].sort((a, b) =>
          text4(a) < text4(b) ? -1 : 1,
        )
        const opaque = pair[0] === 65535 && pair[1] === 0
        const [startPort, endPort] = opaque ? pair : pair.toSorted((a, b) => a! - b!)
        const selector = {
          startAddress: ends[0]!,
          endAddress: ends[1]!,
          protocol,
          startPort: startPort!,
          endPort: endPort!,
        }
        expect(parseTrafficSelector(formatTrafficSelector(selector))).toEqual(selector)
      }),
    )
  })

  it.each([
    ['10.1.0.0/33', 'prefix length'],
    ['10.1.0.0/16[tpc/80]', 'did you mean tcp'],
    ['10.1.0.0/16[tcp/70000]', '"70000" is not a port'],
    ['10.1.0.0/16[tcp/90-80]', 'is not a port'],
    ['10.1.0.0/16[icmp/300]', 'is not a type'],
    ['10.1.0.0/16[256]', 'number from 0 to 255'],
    ['10.1.0.0/16[tcp', 'is not like'],
    ['', 'is not like'],
    ['office', 'not an IP address'],
  ])('refuses "%s": %s', (written, problem) => {
    expect(() => parseTrafficSelector(written)).toThrow(UsageError)
    expect(() => parseTrafficSelector(written)).toThrow(problem)
  })
})

const text4 = (octets: Uint8Array) => Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('')
