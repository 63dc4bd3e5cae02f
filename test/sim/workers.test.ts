import { describe, expect, it } from 'vitest'
import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import { NotifyType } from '../../src/ike/codec/index.ts'
import type { WorkersConfig } from '../../src/ike/config.ts'
import type { ChildSaStatus } from '../../src/ike/events.ts'
import {
  simulationProvider,
  VirtualClock,
  VirtualGateway,
  VirtualNetwork,
  VirtualTraffic,
} from '../../src/testing/index.ts'
import { left, leftConnection, right, rightConnection } from '../ike/support.ts'

const four: WorkersConfig = { count: 4, max: 8, startAction: 'trap' }
const FIRST_PORT = 40_000

/** Flows are dealt out to workers by their UDP port. */
const workerOf = (buffer: Uint8Array, offset: number): number =>
  buffer[offset + 20]! * 256 + buffer[offset + 21]! - FIRST_PORT

interface Changes {
  readonly a?: WorkersConfig | 'none'
  readonly b?: WorkersConfig | 'none'
  /** The packets of `b` come from no worker, so that it asks for nothing. */
  readonly isOneSided?: true
}

/** Two gateways with workers, and one flow each way for each of four. */
class Pair {
  readonly clock = new VirtualClock()
  readonly network = new VirtualNetwork(this.clock, 1)
  readonly a: VirtualGateway
  readonly b: VirtualGateway
  readonly flows: VirtualTraffic[]

  constructor({ a = four, b = four, isOneSided }: Changes = {}) {
    this.a = this.#gateway(left, leftConnection, a, workerOf)
    this.b = this.#gateway(right, rightConnection, b, isOneSided === true ? () => -1 : workerOf)
    this.flows = [0, 1, 2, 3].map((w) => new VirtualTraffic(this.a, this.b, { everyMs: 50, port: FIRST_PORT + w }))
    this.a.initiate('office')
    this.clock.advance(300)
  }

  #gateway(address: string, base: PskConnection, workers: WorkersConfig | 'none', of: typeof workerOf): VirtualGateway {
    const [child] = base.children
    const children = [workers === 'none' ? child! : { ...child!, workers }]
    const quiet = { livenessDelayMs: 0, keepaliveMs: 0, retransmit: { baseMs: 400 } }
    const connections = [pskConnection({ ...base, ...quiet, children })]
    return new VirtualGateway(this.network, { address, connections, crypto: simulationProvider, workerOf: of })
  }

  /** All flows run for `ms`. */
  run(ms: number, flows = this.flows): void {
    for (const flow of flows) flow.start()
    this.clock.advance(ms)
    for (const flow of flows) flow.stop()
    this.clock.advance(100)
  }

  /** The same for a moment every half minute: unanswered acquires come again by then. */
  runOften(flows = this.flows): void {
    for (let times = 0; times < 3; times++) {
      this.run(200, flows)
      this.clock.advance(31_000)
    }
  }

  expectNoLoss(): void {
    for (const flow of this.flows) {
      const { aToB, bToA } = flow.report()
      for (const one of [aToB, bToA])
        expect(one).toMatchObject({ lostByVpn: 0, lostByNetwork: 0, reordered: 0, duplicated: 0, waiting: 0 })
    }
  }

  /** The workers whose CHILD_SAs stand, `-` for the one for all. */
  workers(side: 'a' | 'b' = 'a'): string[] {
    return childrenOf(this[side])
      .map(({ worker }) => String(worker ?? '-'))
      .sort()
  }

  child(side: 'a' | 'b', worker: number | undefined): ChildSaStatus {
    return childrenOf(this[side]).find((child) => child.worker === worker)!
  }
}

const childrenOf = (gateway: VirtualGateway): ChildSaStatus[] =>
  gateway.status().flatMap(({ children }) => [...children])

/** Requests of a gateway for CHILD_SAs that were not answered with one. */
const refusalsOf = (gateway: VirtualGateway): string[] =>
  gateway
    .eventsOf('refused')
    .flatMap(({ refusal, worker }) =>
      worker === undefined ? [] : ['detail' in refusal ? refusal.detail : refusal.kind],
    )

describe('CHILD_SAs of workers', () => {
  it('come up one by one with the first packet of each worker, which goes through the one for all', () => {
    const pair = new Pair({ isOneSided: true })
    expect(pair.workers()).toEqual(['-'])
    pair.run(200, [pair.flows[2]!])
    expect(pair.workers()).toEqual(['-', '2'])
    pair.run(2_500)
    expect(pair.workers()).toEqual(['-', '0', '1', '2', '3'])
    expect(pair.workers('b')).toEqual(['-', '0', '1', '2', '3'])
    pair.expectNoLoss()
    expect(new Set(childrenOf(pair.a).map(({ reqid }) => reqid)).size).toBe(1)
  })

  it('come up all at once after the one for all, where that is wanted, and one end is enough', () => {
    const pair = new Pair({ a: { ...four, startAction: 'start' } })
    pair.clock.advance(1_000)
    for (const side of ['a', 'b'] as const) expect(pair.workers(side)).toEqual(['-', '0', '1', '2', '3'])
    pair.run(2_500)
    pair.expectNoLoss()
  })

  it('carry the packets of their workers alone', () => {
    const pair = new Pair({ a: { ...four, startAction: 'start' } })
    pair.clock.advance(1_000)
    const packetsOf = () =>
      [...pair.a.databases.states()].filter(({ direction }) => direction === 'out').map((s) => [s.worker, s.packets])
    const [flow] = [pair.flows[3]!]
    for (let n = 0; n < 5; n++) flow.send()
    expect(packetsOf()).toEqual([
      [-1, 0],
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 5],
    ])
  })

  it('are as many as the two ends want, and no more, when both begin at once', () => {
    const all: WorkersConfig = { ...four, startAction: 'start' }
    const pair = new Pair({ a: all, b: all })
    pair.clock.advance(2_000)
    for (const side of ['a', 'b'] as const) expect(pair.workers(side)).toEqual(['-', '0', '1', '2', '3'])
    pair.run(2_500)
    pair.expectNoLoss()
  })

  it('serve each worker of either end, when both ask with their packets', () => {
    const pair = new Pair()
    pair.run(2_500)
    for (const side of ['a', 'b'] as const) {
      expect([...new Set(pair.workers(side))]).toEqual(['-', '0', '1', '2', '3'])
      expect(pair.workers(side).length).toBeLessThanOrEqual(1 + four.max)
    }
    pair.expectNoLoss()
  })

  it('stay with a peer that has fewer workers: each of its own serves several', () => {
    const pair = new Pair({ a: { ...four, startAction: 'start' }, b: { count: 2, max: 4, startAction: 'trap' } })
    pair.clock.advance(1_000)
    expect(pair.workers()).toEqual(['-', '0', '1', '2', '3'])
    expect(pair.workers('b')).toEqual(['-', '0', '0', '1', '1'])
    pair.run(2_500)
    pair.expectNoLoss()
  })

  it.each([
    ['the one for all', undefined],
    ['that of one worker', 1],
  ])('keep their worker when they are rekeyed: %s, by either end', (_, worker) => {
    const pair = new Pair({ a: { ...four, startAction: 'start' } })
    pair.run(1_000)
    for (const side of ['a', 'b'] as const) {
      const before = pair.child(side, worker)
      for (const flow of pair.flows) flow.start()
      const gateway = pair[side]
      gateway.perform(gateway.ike.rekeyChild(gateway.ikeSa.sa.id, before.spiIn, gateway.now))
      pair.run(2_000)
      expect(pair.child(side, worker).spiIn).not.toBe(before.spiIn)
      for (const end of ['a', 'b'] as const) expect(pair.workers(end)).toEqual(['-', '0', '1', '2', '3'])
    }
    pair.expectNoLoss()
  })

  it('outlast a rekeying of the IKE_SA, after which more are asked for on the new one', () => {
    const pair = new Pair({ isOneSided: true })
    pair.run(200, pair.flows.slice(0, 2))
    pair.a.perform(pair.a.ike.rekeyIke(pair.a.ikeSa.sa.id, pair.a.now))
    pair.run(2_500)
    expect(pair.workers()).toEqual(['-', '0', '1', '2', '3'])
    pair.expectNoLoss()
  })

  it.each([undefined, 1])('go on when one of them is deleted (worker %s)', (worker) => {
    const pair = new Pair({ a: { ...four, startAction: 'start' }, isOneSided: true })
    pair.run(1_000)
    const { spiIn } = pair.child('b', worker)
    pair.b.perform(pair.b.ike.deleteChild(pair.b.ikeSa.sa.id, spiIn, pair.b.now))
    pair.clock.advance(100)
    const names = ['-', '0', '1', '2', '3'].filter((one) => one !== String(worker ?? '-'))
    for (const side of ['a', 'b'] as const) expect(pair.workers(side)).toEqual(names)
    pair.run(2_500)
    pair.expectNoLoss()
    // The next packet that has none to go through asks for another.
    expect(pair.workers()).toEqual(['-', '0', '1', '2', '3'])
  })

  it('get a new one for all when a packet needs it', () => {
    const pair = new Pair({ isOneSided: true })
    pair.run(500, [pair.flows[0]!])
    const { spiIn } = pair.child('a', undefined)
    pair.a.perform(pair.a.ike.deleteChild(pair.a.ikeSa.sa.id, spiIn, pair.a.now))
    pair.clock.advance(100)
    expect(pair.workers()).toEqual(['0'])
    pair.flows[1]!.send()
    pair.clock.advance(1_000)
    expect(pair.workers()).toContain('-')
    expect(pair.flows[1]!.report()).toMatchObject({ aToB: { delivered: 1 } })
  })
})

describe('a peer', () => {
  it('that takes no more says TS_MAX_QUEUE once, and all traffic goes on', () => {
    const pair = new Pair({ b: { count: 4, max: 2, startAction: 'trap' }, isOneSided: true })
    pair.run(2_500, pair.flows.slice(0, 2))
    pair.runOften()
    expect(pair.workers()).toHaveLength(3)
    expect(refusalsOf(pair.a)).toEqual(['TS_MAX_QUEUE'])
    expect(pair.b.eventsOf('refused').map(({ refusal }) => refusal.message)).toEqual([
      expect.stringMatching(/one more worker \(its [0-3]\) for net, and there are 2 of at most 2/),
    ])
    pair.expectNoLoss()
  })

  it('that said TS_MAX_QUEUE is asked again when one of those that it took is gone', () => {
    const pair = new Pair({
      a: { ...four, startAction: 'start' },
      b: { count: 4, max: 2, startAction: 'trap' },
      isOneSided: true,
    })
    pair.clock.advance(1_000)
    expect(pair.workers()).toEqual(['-', '0', '1'])
    const { spiIn } = pair.child('a', 0)
    pair.a.perform(pair.a.ike.deleteChild(pair.a.ikeSa.sa.id, spiIn, pair.a.now))
    pair.clock.advance(1_000)
    pair.run(500, [pair.flows[3]!])
    expect(pair.workers()).toEqual(['-', '1', '3'])
    expect(refusalsOf(pair.a)).toEqual(['TS_MAX_QUEUE'])
  })

  it.each(['a', 'b'] as const)('without workers is not asked: one CHILD_SA carries all (%s has none)', (side) => {
    const pair = new Pair({ [side]: 'none' })
    pair.runOften()
    for (const end of ['a', 'b'] as const) {
      expect(pair.workers(end)).toEqual(['-'])
      expect(refusalsOf(pair[end])).toEqual([])
    }
    pair.expectNoLoss()
  })

  it('that makes a CHILD_SA as any other instead has to delete that, and is asked for no more', () => {
    const pair = new Pair()
    Object.assign(pair.b.options.connections[0]!.children[0]!, { workers: undefined })
    pair.runOften()
    for (const end of ['a', 'b'] as const) expect(pair.workers(end)).toEqual(['-'])
    expect(refusalsOf(pair.a)).toEqual(['SA_RESOURCE_INFO'])
    pair.expectNoLoss()
  })

  it('that finds the same traffic unacceptable the second time is asked for no more', () => {
    const pair = new Pair({ isOneSided: true })
    const [other] = pskConnection({
      ...rightConnection,
      children: [{ name: 'net', localTs: ['10.99.0.0/16'], remoteTs: ['10.98.0.0/16'] }],
    }).children
    Object.assign(pair.b.options.connections[0]!.children[0]!, { localTs: other!.localTs, remoteTs: other!.remoteTs })
    pair.runOften(pair.flows.slice(0, 1))
    expect(pair.workers()).toEqual(['-'])
    expect(refusalsOf(pair.a)).toEqual(['TS_UNACCEPTABLE'])
    expect(pair.a.eventsOf('refused')[0]!.refusal.message).toContain('worker 0')
  })
})

it('names the notifies of RFC 9611 by their registered numbers', () => {
  expect([NotifyType.SA_RESOURCE_INFO, NotifyType.TS_MAX_QUEUE]).toEqual([16_444, 48])
})
