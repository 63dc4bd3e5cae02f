import { describe, expect, it } from 'vitest'
import { formatSocketAddress, parseIp } from '../../src/ip/address.ts'
import { type NatOptions, VirtualClock, VirtualNat, VirtualNetwork } from '../../src/testing/index.ts'

const socket = (text: string, port = 4500) => ({ address: parseIp(text), port })
const inside = socket('10.0.0.5')
const peer = socket('198.51.100.2')

function makeNat(options: Partial<NatOptions> = {}) {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock, { latencyMs: 0 })
  const nat = new VirtualNat(network, { outside: '203.0.113.7', ...options })
  const seen: string[] = []
  const inner: string[] = []
  const lost: string[] = []
  network.observe((fate) => fate.kind === 'lost' && lost.push(fate.reason))
  const listen = (at: typeof peer) =>
    network.bind(at, ({ from, to }) => seen.push(`${formatSocketAddress(from)} > ${formatSocketAddress(to)}`))
  for (const at of [peer, socket('198.51.100.2', 500), socket('198.51.100.3')]) listen(at)
  nat.bind(inside, ({ from, to }) => inner.push(`${formatSocketAddress(from)} > ${formatSocketAddress(to)}`))
  const out = (to = peer, from = inside) => {
    nat.send({ from, to, payload: new Uint8Array(1) })
    clock.advance(0)
    const [, port] = /:(\d+) >/.exec(seen.at(-1) ?? '') ?? []
    return Number(port)
  }
  const back = (port: number, from = peer, to = '203.0.113.7') => {
    network.send({ from, to: socket(to, port), payload: new Uint8Array(1) })
    clock.advance(0)
  }
  return { clock, network, nat, seen, inner, lost, out, back }
}

describe('a NAT', () => {
  it('translates both ways', () => {
    const { seen, inner, out, back, nat } = makeNat()
    const port = out()
    back(port)
    expect(seen).toEqual([`203.0.113.7:${port} > 198.51.100.2:4500`])
    expect(inner).toEqual(['198.51.100.2:4500 > 10.0.0.5:4500'])
    expect(nat.mappings).toEqual([`10.0.0.5:4500 -> ${port}`])
  })

  it.each([
    ['endpoint-independent', [], 3],
    ['address-dependent', ['nat-filtered'], 2],
    ['address-and-port-dependent', ['nat-filtered', 'nat-filtered'], 1],
  ] as const)('with %s filtering lets in whom RFC 4787 says', (filtering, drops, arrivals) => {
    const { inner, lost, out, back } = makeNat({ filtering })
    const port = out()
    back(port)
    back(port, socket('198.51.100.2', 500))
    back(port, socket('198.51.100.3'))
    expect(lost).toEqual(drops)
    expect(inner).toHaveLength(arrivals)
  })

  it('uses one port for all destinations, or one for each, as its mapping says', () => {
    const same = makeNat()
    expect(same.out(peer)).toBe(same.out(socket('198.51.100.3')))
    const other = makeNat({ mapping: 'address-and-port-dependent' })
    expect(other.out(peer)).not.toBe(other.out(socket('198.51.100.3')))
  })

  it('forgets a mapping that nothing from the inside has used in time', () => {
    const { clock, inner, lost, out, back } = makeNat({ timeoutMs: 60_000 })
    const port = out()
    clock.advance(59_999)
    back(port)
    out()
    clock.advance(59_999)
    back(port)
    expect(inner).toHaveLength(2)
    // What comes from the outside does not keep it alive.
    clock.advance(1)
    back(port)
    expect(lost).toEqual(['nat-no-mapping'])
    expect(out()).not.toBe(port)
  })

  it('closes its filter for a destination that was not sent to in time', () => {
    const { clock, lost, inner, out, back } = makeNat({ timeoutMs: 60_000 })
    const port = out(socket('198.51.100.3'))
    clock.advance(40_000)
    out(peer)
    clock.advance(40_000)
    back(port, socket('198.51.100.3'))
    expect(lost).toEqual(['nat-filtered'])
    back(port, peer)
    expect(inner).toHaveLength(1)
  })

  it('gives other ports after a rebinding, also when it preserves ports', () => {
    for (const ports of ['preserving', 'sequential', 'random'] as const) {
      const { nat, lost, out, back } = makeNat({ ports })
      const before = out()
      if (ports === 'preserving') expect(before).toBe(4500)
      nat.rebind()
      expect(out()).not.toBe(before)
      back(before)
      expect(lost).toEqual(['nat-no-mapping'])
    }
  })

  it('moves to another outer address', () => {
    const { nat, seen, lost, inner, out, back } = makeNat()
    const before = out()
    nat.rebind({ outside: '203.0.113.8' })
    const after = out()
    expect(seen.at(-1)).toBe(`203.0.113.8:${after} > 198.51.100.2:4500`)
    back(before)
    back(after, peer, '203.0.113.8')
    expect(lost).toEqual(['unreachable'])
    expect(inner).toHaveLength(1)
  })

  it('rebinds at an interval until it is told to stop', () => {
    const { clock, nat, out } = makeNat()
    const ports = new Set<number>()
    const stop = nat.rebindEvery(1000)
    for (let i = 0; i < 5; i++) {
      ports.add(out())
      clock.advance(1000)
    }
    expect(ports.size).toBe(5)
    stop()
    const last = out()
    clock.advance(5000)
    expect(out()).toBe(last)
  })

  it('may stand behind another one', () => {
    const { nat, seen, clock, inner } = makeNat()
    const second = new VirtualNat(nat, { outside: '10.0.0.9' })
    const own: string[] = []
    second.bind(socket('192.168.1.2'), ({ from }) => own.push(formatSocketAddress(from)))
    second.send({ from: socket('192.168.1.2'), to: peer, payload: new Uint8Array(1) })
    clock.advance(0)
    expect(seen[0]).toMatch(/^203\.0\.113\.7:/)
    // To its neighbour inside, without leaving the outer NAT.
    second.send({ from: socket('192.168.1.2'), to: inside, payload: new Uint8Array(1) })
    expect(inner[0]).toMatch(/^10\.0\.0\.9:/)
  })

  it('has no way for ESP without UDP', () => {
    const { nat, lost, seen } = makeNat()
    nat.send({ from: socket('10.0.0.5', 0), to: socket('198.51.100.2', 0), payload: new Uint8Array(40) })
    expect([lost, seen]).toEqual([['nat-no-mapping'], []])
  })

  it('forwards a port to a host inside', () => {
    const { nat, inner, back } = makeNat()
    nat.forward(4500, '10.0.0.5')
    back(4500, socket('198.51.100.3'))
    expect(inner).toHaveLength(1)
  })
})
