import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, writeU16, writeU32 } from '../../src/bytes/index.ts'
import { DatapathStatus, droppedAs, PATH_MTU_AGE_MS } from '../../src/datapath/index.ts'
import { buildIcmp, buildIp, buildUdp, type IpAddress, parseIp } from '../../src/ip/index.ts'
import { policyConfig, selector } from '../xfrm/support.ts'
import { modePair, type PairFields } from './mode-support.ts'
import { inner, type Sent } from './support.ts'

/** The outer packet around what was sent. */
function outerPacket({ packet, state }: Sent): Uint8Array {
  const addresses = { source: state.saddr, destination: state.daddr }
  if (state.encap === undefined) return buildIp({ ...addresses, protocol: 50, payload: packet })
  return buildUdp({ ...addresses, sourcePort: state.encap.sport, destinationPort: state.encap.dport, data: packet })
}

/** An ICMP "too big" about the packet, which it quotes up to `quoted` octets. */
function tooBig(about: Uint8Array, mtu: number, quoted = 548): Uint8Array {
  const head = new Uint8Array(8)
  if (about[0]! >>> 4 === 4) {
    head.set([3, 4])
    writeU16(head, 6, mtu)
  } else {
    head[0] = 2
    writeU32(head, 4, mtu)
  }
  return concat(head, about.subarray(0, quoted))
}

const tunnels = [
  ['UDP over IPv4', {}, 576, 28 + 8],
  ['UDP over IPv6', { left: '2001:db8::1', right: '2001:db8::2' }, 1280, 48 + 8],
  ['plain ESP over IPv4', { encap: 'none' }, 576, 28],
  ['plain ESP over IPv6', { encap: 'none', left: '2001:db8::1', right: '2001:db8::2' }, 1280, 48],
] as const satisfies readonly (readonly [string, PairFields, number, number])[]

describe.each(tunnels)('an ICMP error of the outer network about %s', (_, fields, least, quotedLeast) => {
  const protocol = 'left' in fields ? 58 : 1
  function scene() {
    const pair = modePair(fields)
    pair.left.seal(inner('10.1.0.1', '10.2.0.1', 1400))
    const about = outerPacket(pair.left.sent[0]!)
    const hear = (message: Uint8Array) =>
      pair.left.datapath.receiveIcmp(message, 0, message.length, protocol, pair.left.clock.now)
    return { ...pair, about, hear }
  }

  it('lowers what is believed of the path, for ten minutes, and never raises it', () => {
    const { left, out, about, hear } = scene()
    expect(hear(tooBig(about, 1400))).toBe(true)
    expect(out.pathMtu).toBe(1400)
    expect(hear(tooBig(about, 1450))).toBe(false)
    expect(out.pathMtu).toBe(1400)
    expect(droppedAs(left.send(inner('10.1.0.1', '10.2.0.1', 1372)))).toBe('XfrmOutStateModeError')
    expect(left.delivered).toHaveLength(1)
    left.clock.now += PATH_MTU_AGE_MS
    expect(left.send(inner('10.1.0.1', '10.2.0.1', 1372))).toBe(DatapathStatus.DONE)
    expect(out.pathMtu).toBe(Number.POSITIVE_INFINITY)
  })

  it('is heeded by the least that it must quote', () => {
    const { out, about, hear } = scene()
    expect(hear(tooBig(about, 1300, quotedLeast))).toBe(true)
    expect(out.pathMtu).toBe(1300)
  })

  it('cannot stop the traffic by a tiny size', () => {
    const { out, about, hear } = scene()
    expect(hear(tooBig(about, 68))).toBe(true)
    expect(out.pathMtu).toBe(least)
  })

  it('is not heeded when it quotes what we have not sent', () => {
    const { out, about, hear } = scene()
    const espAt = ('left' in fields ? 40 : 20) + ('encap' in fields ? 0 : 8)
    const changed = (at: number, value: number): Uint8Array => {
      const copy = about.slice()
      copy[at]! ^= value
      return tooBig(copy, 1300)
    }
    const cases = {
      'another SPI': changed(espAt + 3, 1),
      'a sequence number never used': changed(espAt + 7, 2),
      'another destination': changed(espAt - ('encap' in fields ? 1 : 9), 1),
      'a link that takes it': tooBig(about, about.length),
      'another protocol': changed('left' in fields ? 6 : 9, 1),
      'too little of it': tooBig(about, 1300, ('left' in fields ? 40 : 20) + 3),
      ...('encap' in fields ? {} : { 'another port': changed(espAt - 7, 1), IKE: tooBig(zeroSpi(about, espAt), 1300) }),
    }
    for (const [name, message] of Object.entries(cases)) expect([name, hear(message)]).toEqual([name, false])
    expect(out.pathMtu).toBe(Number.POSITIVE_INFINITY)
    const unreachable = tooBig(about, 1300)
    unreachable[protocol === 1 ? 1 : 0] = 1
    expect(hear(unreachable)).toBe(false)
  })

  it('is heeded in limited number, and told', () => {
    const { left, about, hear } = scene()
    let heard = 0
    for (let mtu = 1399; mtu > 1290; mtu--) if (hear(tooBig(about, mtu))) heard++
    expect(heard).toBe(20)
    left.clock.now += 1000
    expect(hear(tooBig(about, 1285))).toBe(true)
  })

  it('is heeded after any number of those that quote what we have not sent', () => {
    const { about, hear } = scene()
    const forged = about.slice()
    forged[('left' in fields ? 40 : 20) + ('encap' in fields ? 0 : 8) + 3]! ^= 1
    for (let i = 0; i < 100; i++) expect(hear(tooBig(forged, 1300))).toBe(false)
    expect(hear(tooBig(about, 1300))).toBe(true)
  })

  it('may be of any octets', () => {
    const { about, hear, out, left } = scene()
    const good = tooBig(about, 1300)
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.nat(600), fc.uint8Array({ maxLength: 100 }), (at, value, cut, octets) => {
        left.clock.now += 1000
        const changed = good.slice(0, cut)
        if (changed.length > 0) changed[at % changed.length] = value
        hear(changed)
        hear(octets)
        expect(out.pathMtu).toBeGreaterThanOrEqual(least)
      }),
      { numRuns: 500 },
    )
  })
})

it('an old router that names no MTU is understood by the next plateau', () => {
  const { left, out } = modePair()
  left.seal(inner('10.1.0.1', '10.2.0.1', 1380))
  const message = tooBig(outerPacket(left.sent[0]!), 0)
  expect(left.datapath.receiveIcmp(message, 0, message.length, 1, 0)).toBe(true)
  // 1,490 octets or so: 1,006 is the next below.
  expect(out.pathMtu).toBe(1006)
})

it('what a system reads from an error queue counts the same', () => {
  const { left, out } = modePair()
  left.seal(inner())
  const { saddr: source, daddr: destination } = out
  const told = { source, destination, sourcePort: 4500, destinationPort: 4500, spi: 0, sequence: -1, mtu: 1300 }
  expect(left.datapath.tooBigOutside({ ...told, destinationPort: 4501 }, 0)).toBe(false)
  left.xfrm.updSa(out, { encap: { type: 'tcp', sport: 4500, dport: 4500 } })
  expect(left.datapath.tooBigOutside(told, 0)).toBe(false)
  left.xfrm.updSa(out, { encap: { sport: 4500, dport: 4500 } })
  expect(left.datapath.tooBigOutside(told, 0)).toBe(true)
  expect(out.pathMtu).toBe(1300)
})

describe.each([
  ['IPv4', {}, '10.1.0.1', '10.2.0.1', '172.16.0.1'],
  ['IPv6', { leftTs: 'fd00:1::/64', rightTs: 'fd00:2::/64' }, 'fd00:1::1', 'fd00:2::1', 'fd00:ffff::1'],
] as const)('an ICMP error of a router behind the tunnel, %s', (_, nets, a, b, routerAddress) => {
  const router = parseIp(routerAddress)
  const ts = a.includes(':') ? (['fd00:1::/64', 'fd00:2::/64'] as const) : (['10.1.0.0/16', '10.2.0.0/16'] as const)
  /** "Time exceeded" for a packet from `from` to `to`, in the direction of `from`. */
  function exceeded(from: string, to: string, source: IpAddress = router, told: string = from): Uint8Array {
    const quoted = inner(from, to, 1000).subarray(0, 60)
    const message = concat(Uint8Array.of(source.length === 4 ? 11 : 3, 0, 0, 0, 0, 0, 0, 0), quoted)
    return buildIcmp({ source, destination: parseIp(told) }, message)
  }

  it('passes by the packet that it quotes, where the states say so', () => {
    const { left, right } = modePair({ ...nets, extra: { flags: { icmp: true } } })
    const error = exceeded(b, a)
    expect(right.receive(left.seal(error), left.socket)).toBe(DatapathStatus.DONE)
    expect(right.delivered).toEqual([error])
  })

  it('passes by a policy for the mark of its state', () => {
    const { left, right, in: state } = modePair({ ...nets, extra: { flags: { icmp: true } } })
    const mark = { value: 7, mask: 0xff }
    right.xfrm.updSa(state, { outputMark: mark })
    const fields = { index: 2, direction: 'in', selector: selector(ts[0], ts[1]) } as const
    const template = { saddr: state.saddr, daddr: state.daddr, proto: 50, mode: 'tunnel', reqid: 1 } as const
    right.xfrm.updPolicy({ ...policyConfig(fields), templates: [template], mark })
    expect(right.receive(left.seal(exceeded(b, a)), left.socket)).toBe(DatapathStatus.DONE)
  })

  it('does not pass otherwise, nor for a packet that is none of theirs', () => {
    const strict = modePair(nets)
    expect(droppedAs(strict.left.send(exceeded(b, a)))).toBe('XfrmOutPolBlock')
    const open = modePair({ ...nets, extra: { flags: { icmp: true } } })
    const elsewhere = a.includes(':') ? 'fd00:9::1' : '10.9.0.1'
    const toAnother = exceeded(b, a, router, elsewhere)
    for (const error of [exceeded(b, elsewhere), exceeded(elsewhere, a), exceeded(a, b), toAnother]) {
      expect(droppedAs(open.left.send(error))).toBe('XfrmOutPolBlock')
      const sealed = sealAnything(open, error)
      expect(droppedAs(open.right.receive(sealed, open.left.socket))).toBe('XfrmInNoPols')
      // The other end without the flag takes none of them.
      expect(droppedAs(strict.right.receive(sealAnything(strict, exceeded(b, a)), strict.left.socket))).toBe(
        'XfrmInNoPols',
      )
    }
    expect(open.right.delivered).toEqual([])
  })
})

function sealAnything({ out }: ReturnType<typeof modePair>, packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(64 + packet.length + 64)
  buffer.set(packet, 64)
  const esp = out.encapsulator!
  const length = esp.encapsulate(buffer, 64, packet.length, packet[0]! >>> 4 === 4 ? 4 : 41)
  return buffer.slice(64 - esp.headerBytes, 64 - esp.headerBytes + length)
}

function zeroSpi(about: Uint8Array, at: number): Uint8Array {
  const copy = about.slice()
  copy.fill(0, at, at + 4)
  return copy
}
