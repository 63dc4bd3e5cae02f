import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/address.ts'
import {
  type DatagramFate,
  type NetworkOptions,
  VirtualClock,
  type VirtualDatagram,
  VirtualNetwork,
} from '../../src/testing/index.ts'

const a = { address: parseIp('192.0.2.1'), port: 4500 }
const b = { address: parseIp('198.51.100.2'), port: 4500 }

function makeNetwork(options: NetworkOptions | number = {}) {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock, options)
  const arrived: { number: number; at: number }[] = []
  const fates: DatagramFate[] = []
  network.bind(b, ({ payload }, now) => arrived.push({ number: payload[0]! * 256 + payload[1]!, at: now }))
  network.observe((fate) => fates.push(fate))
  const send = (number: number, bytes = 40) => {
    const payload = new Uint8Array(bytes)
    payload[0] = number >> 8
    payload[1] = number
    network.send({ from: a, to: b, payload })
  }
  const lost = () => fates.flatMap((fate) => (fate.kind === 'lost' ? [fate.reason] : []))
  return { clock, network, arrived, fates, send, lost }
}

describe('a link', () => {
  it('carries everything once, in order, after its latency', () => {
    const { clock, send, arrived, fates } = makeNetwork({ latencyMs: 7 })
    for (let i = 0; i < 5; i++) send(i)
    clock.advance(6)
    expect(arrived).toEqual([])
    clock.advance(1)
    expect(arrived).toEqual([0, 1, 2, 3, 4].map((number) => ({ number, at: 7 })))
    expect(fates.map(({ kind }) => kind)).toEqual([...Array(5).fill('sent'), ...Array(5).fill('arrived')])
  })

  it('loses, doubles and delays by the chances it was given, and by the same ones for the same seed', () => {
    const run = (seed: string) => {
      const world = makeNetwork({ seed, loss: 0.1, duplicate: 0.2, reorder: 0.05, reorderMs: 30, jitterMs: 10 })
      for (let i = 0; i < 4000; i++) world.clock.schedule(i, () => world.send(i))
      world.clock.advance(5000)
      return world
    }
    const { arrived, lost, fates } = run('one')
    expect(lost()).toHaveLength(4000 - new Set(arrived.map(({ number }) => number)).size)
    expect(lost().length).toBeGreaterThan(340)
    expect(lost().length).toBeLessThan(460)
    const copies = fates.filter(({ kind }) => kind === 'copied').length
    expect(arrived).toHaveLength(4000 + copies - lost().length)
    expect(copies).toBeGreaterThan(600)
    expect(copies).toBeLessThan(850)
    expect(run('one').arrived).toEqual(arrived)
    expect(run('two').arrived).not.toEqual(arrived)
  })

  it('keeps the order under jitter alone, and changes it when told to reorder', () => {
    const order = (options: NetworkOptions) => {
      const { clock, send, arrived } = makeNetwork(options)
      for (let i = 0; i < 300; i++) clock.schedule(i, () => send(i))
      clock.advance(1000)
      expect(arrived).toHaveLength(300)
      return arrived.map(({ number }) => number)
    }
    const inOrder = Array.from({ length: 300 }, (_, i) => i)
    expect(order({ jitterMs: 40 })).toEqual(inOrder)
    expect(order({ reorder: 0.1 })).not.toEqual(inOrder)
  })

  it('does not carry what would need fragments, when it drops them', () => {
    const { clock, network, send, arrived, lost } = makeNetwork({ mtu: 1400, fragments: 'drop' })
    send(1, 1400 - 28)
    send(2, 1400 - 27)
    network.configure({ fragments: 'pass' })
    send(3, 1400 - 27)
    clock.advance(100)
    expect(arrived.map(({ number }) => number)).toEqual([1, 3])
    expect(lost()).toEqual(['mtu'])
  })

  it('has conditions of its own for each direction', () => {
    const { clock, network, send, arrived, lost } = makeNetwork()
    const back: number[] = []
    network.bind(a, (_datagram, now) => back.push(now))
    network.configureLink('192.0.2.1', '*', { loss: 1 })
    network.configureLink('198.51.100.2', '192.0.2.1', { latencyMs: 80 })
    send(1)
    network.send({ from: b, to: a, payload: new Uint8Array(1) })
    clock.advance(100)
    expect([arrived, lost(), back]).toEqual([[], ['loss'], [80]])
    network.configureLink('192.0.2.1', '198.51.100.2', { loss: 0 })
    send(2)
    clock.advance(100)
    expect(arrived).toHaveLength(1)
  })

  it('tells what goes to nobody', () => {
    const { clock, network, lost } = makeNetwork()
    network.send({ from: b, to: a, payload: new Uint8Array(1) })
    clock.advance(100)
    expect(lost()).toEqual(['unreachable'])
  })
})

describe('rules', () => {
  const every = { kind: 'esp' } as const

  it('drop the nth, and a span', () => {
    const { clock, network, send, arrived, lost } = makeNetwork()
    const rule = network.drop(every, { nth: 2 })
    network.drop(every, { nth: 4, times: 2 })
    for (let i = 1; i <= 7; i++) send(0x100 + i)
    clock.advance(10)
    // The second rule does not see what the first one dropped.
    expect(arrived.map(({ number }) => number - 0x100)).toEqual([1, 3, 4, 7])
    expect(lost()).toEqual(['rule', 'rule', 'rule'])
    expect([rule.seen, rule.hits]).toEqual([7, 1])
    rule.remove()
    send(0x108)
    expect(rule.seen).toBe(7)
  })

  it('duplicate, delay and mutate', () => {
    const { clock, network, send, arrived } = makeNetwork({ latencyMs: 0 })
    network.duplicate(every, { nth: 1, copies: 2, delayMs: 5 })
    network.delay(every, 100, { nth: 4 })
    network.mutate(
      every,
      (payload) => {
        payload[1] = 99
      },
      { nth: 5 },
    )
    for (let i = 1; i <= 4; i++) send(0x100 + i)
    clock.advance(200)
    // The first three that the second and third rule see are copies of the first.
    expect(arrived.map(({ number, at }) => [number & 0xff, at])).toEqual([
      [1, 0],
      [99, 0],
      [4, 0],
      [1, 5],
      [1, 10],
      [2, 100],
    ])
  })
})

describe('held mail', () => {
  const payloadsOf = (datagrams: readonly VirtualDatagram[]) => datagrams.map(({ payload }) => payload[1])

  it('waits until it is delivered, in any order', () => {
    const { clock, network, send, arrived, lost } = makeNetwork()
    const mail = network.hold({ kind: 'esp' })
    for (let i = 1; i <= 4; i++) send(0x100 + i)
    clock.advance(1000)
    expect(arrived).toEqual([])
    expect(payloadsOf(mail.waiting)).toEqual([1, 2, 3, 4])
    mail.deliver(mail.waiting[2])
    mail.deliver()
    mail.drop(({ payload }) => payload[1] === 4)
    expect(arrived.map(({ number }) => number - 0x100)).toEqual([3, 1])
    expect(lost()).toEqual(['held'])
    mail.mutate(undefined, (payload) => {
      payload[1] = 77
    })
    mail.duplicate()
    mail.replay(({ payload }) => payload[1] === 3)
    expect(arrived.slice(2).map(({ number }) => number - 0x100)).toEqual([77, 3])
    expect(payloadsOf(mail.waiting)).toEqual([77])
  })

  it('goes on its way when it is released, and nothing is held any more', () => {
    const { clock, network, send, arrived } = makeNetwork()
    const mail = network.hold({ kind: 'esp' })
    send(0x101)
    mail.release()
    send(0x102)
    expect(arrived).toEqual([])
    clock.advance(5)
    expect(arrived.map(({ number }) => number - 0x100)).toEqual([1, 2])
  })

  it('says what is there when what is asked for is not', () => {
    const { network } = makeNetwork()
    const mail = network.hold()
    expect(() => mail.deliver({ exchange: 'IKE_AUTH' })).toThrow('no such message waits; there are: none')
    expect(() => mail.replay({ exchange: 'IKE_AUTH' })).toThrow('no such message was here')
    expect(mail.has({ exchange: 'IKE_AUTH' })).toBe(false)
  })
})
