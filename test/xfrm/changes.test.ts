import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/index.ts'
import { MAX_WAITING_EVENTS, type XfrmEvent } from '../../src/xfrm/monitor.ts'
import { type Migration, unlimited } from '../../src/xfrm/port.ts'
import { StatePhase } from '../../src/xfrm/state.ts'
import { inner } from '../datapath/support.ts'
import { flowOf, newXfrm, policyConfig, Recorder, selector, stateConfig } from './support.ts'

const [left, right, moved] = ['192.0.2.1', '198.51.100.2', '203.0.113.9']
const id = { daddr: parseIp(left), spi: 0x1001, proto: 50 }
const inbound = (fields: Partial<Parameters<typeof stateConfig>[0]> = {}) =>
  stateConfig({ spi: 0x1001, saddr: right, daddr: left, direction: 'in', ...fields })
const outbound = (fields: Partial<Parameters<typeof stateConfig>[0]> = {}) =>
  stateConfig({ spi: 0x2001, saddr: left, daddr: right, direction: 'out', ...fields })

function setUp() {
  const clock = { now: 0 }
  const told = new Recorder()
  return { clock, told, xfrm: newXfrm(told, clock) }
}

describe('changes that meet', () => {
  it('a larval state can be moved before it is installed', () => {
    const { xfrm } = setUp()
    xfrm.allocSpi({ ...id, saddr: parseIp(right), reqid: 1 })
    xfrm.updSa(id, { daddr: parseIp(moved) })
    xfrm.newSa(inbound({ daddr: moved }))
    expect([...xfrm.states()]).toMatchObject([{ daddr: parseIp(moved), phase: StatePhase.VALID }])
  })

  it('a state that is gone is neither changed nor removed again', () => {
    const { xfrm, told } = setUp()
    xfrm.newSa(inbound())
    const [state] = xfrm.states()
    xfrm.delSa(id)
    xfrm.updSa(id, { daddr: parseIp(moved), lifetime: { ...unlimited, hardMs: 1 } })
    xfrm.delSa(id)
    expect(state).toMatchObject({ phase: StatePhase.DEAD, daddr: id.daddr, lifetime: unlimited })
    expect(xfrm.expired(state!, 100)).toBe(false)
    expect(told.expires).toEqual([])
  })

  it('new limits count from the installation, and tell the soft one once more', () => {
    const { xfrm, told, clock } = setUp()
    xfrm.newSa(inbound({ lifetime: { softMs: 100, hardMs: 200 } }))
    clock.now = 150
    xfrm.expireDue(150)
    xfrm.updSa(id, { lifetime: { ...unlimited, softMs: 300, hardMs: 400 } })
    xfrm.expireDue(250)
    expect(told.expires.map(({ hard }) => hard)).toEqual([false])
    expect(xfrm.nextExpiryAt()).toBe(300)
    xfrm.expireDue(300)
    xfrm.expireDue(400)
    expect(told.expires.map(({ hard }) => hard)).toEqual([false, false, true])
  })

  it('one that is over already with its new limits goes at the next moment', () => {
    const { xfrm, told, clock } = setUp()
    xfrm.newSa(inbound())
    clock.now = 500
    xfrm.updSa(id, { lifetime: { ...unlimited, hardMs: 400 } })
    expect(xfrm.nextExpiryAt()).toBe(400)
    xfrm.expireDue(500)
    expect(told.expires).toMatchObject([{ hard: true }])
  })

  it('a state behind its soft limit gives way to an older one before its own', () => {
    const { xfrm } = setUp()
    const template = [left, right, 1] as const
    xfrm.newPolicy(
      policyConfig({ index: 1, direction: 'out', selector: selector('10.0.0.0/8', '10.0.0.0/8'), template }),
    )
    xfrm.newSa(outbound())
    xfrm.newSa(outbound({ spi: 0x2002, lifetime: { softPackets: 1 } }))
    const [policy] = xfrm.policies()
    const young = xfrm.stateFor(policy!)!
    expect(young.spi).toBe(0x2002)
    xfrm.account(young, 10, 0)
    xfrm.tellSoftExpire(young, 0)
    expect(xfrm.stateFor(policy!)?.spi).toBe(0x2001)
    xfrm.updSa(young, { lifetime: unlimited })
    expect(xfrm.stateFor(policy!)?.spi).toBe(0x2002)
  })

  it('limits of use count from the first packet', () => {
    const { xfrm, told } = setUp()
    xfrm.newSa(inbound({ lifetime: { softUseMs: 100, hardUseMs: 200 } }))
    const [state] = xfrm.states()
    expect(xfrm.nextExpiryAt()).toBe(Number.POSITIVE_INFINITY)
    xfrm.expireDue(5000)
    xfrm.account(state!, 10, 5000)
    xfrm.account(state!, 10, 5050)
    expect(xfrm.nextExpiryAt()).toBe(5100)
    xfrm.expireDue(5100)
    xfrm.expireDue(5200)
    expect(told.expires.map(({ hard }) => hard)).toEqual([false, true])
  })
})

describe('marks of states', () => {
  it('let states share an SPI; each is found, changed and removed by its own', () => {
    const { xfrm } = setUp()
    const [one, two] = [
      { value: 1, mask: 3 },
      { value: 2, mask: 3 },
    ]
    xfrm.newSa(inbound({ mark: one }))
    xfrm.newSa(inbound({ mark: two, reqid: 2 }))
    // A packet with the mark of either would meet the first.
    for (const mark of [two, { value: 1, mask: 1 }]) expect(() => xfrm.newSa(inbound({ mark }))).toThrow(UsageError)
    expect(xfrm.inboundState(0x1001, id.daddr, 2)?.reqid).toBe(2)
    expect(xfrm.inboundState(0x1001, id.daddr, 0)).toBeUndefined()
    xfrm.delSa({ ...id, mark: two })
    expect(xfrm.inboundState(0x1001, id.daddr, 2)).toBeUndefined()
    expect([...xfrm.states()]).toHaveLength(1)
  })
})

describe('allocSpiWithin', () => {
  it('gives each SPI of the range once, and refuses when all are taken', () => {
    const { xfrm } = setUp()
    const larval = { daddr: id.daddr, saddr: parseIp(right), proto: 50, reqid: 0 }
    xfrm.newSa(inbound({ spi: 1003 }))
    const spis = Array.from({ length: 99 }, () => xfrm.allocSpiWithin(larval, 1000, 1099))
    expect(new Set([...spis, 1003]).size).toBe(100)
    expect(Math.min(...spis)).toBe(1000)
    expect(Math.max(...spis)).toBe(1099)
    expect(() => xfrm.allocSpiWithin(larval, 1000, 1099)).toThrow(/in use/)
    // One that another of our addresses has would be found instead, where the address is not known.
    expect(() => xfrm.allocSpiWithin({ ...larval, daddr: parseIp(moved) }, 1003, 1003)).toThrow(/in use/)
    for (const [first, last] of [
      [0, 5],
      [9, 8],
      [1, 2 ** 32],
      [1.5, 3],
    ] as const) {
      expect(() => xfrm.allocSpiWithin(larval, first, last)).toThrow(/range/)
    }
  })
})

describe('migrate', () => {
  const nets = selector('10.1.0.0/16', '10.2.0.0/16')
  const migration: Migration = {
    ...{ oldSaddr: parseIp(left), oldDaddr: parseIp(right), newSaddr: parseIp(left), newDaddr: parseIp(moved) },
    ...{ proto: 50, mode: 'tunnel', reqid: 1 },
  }
  const request = { selector: nets, direction: 'out' as const, migrations: [migration] }

  function tunnel() {
    const world = setUp()
    world.xfrm.newPolicy(policyConfig({ index: 1, direction: 'out', selector: nets, template: [left, right, 1] }))
    world.xfrm.newSa(outbound())
    return world
  }

  it('moves template and state at once, with the ports of the new path', () => {
    const { xfrm } = tunnel()
    xfrm.migrate({ ...request, encap: { sport: 4500, dport: 1024 } })
    const [policy] = xfrm.policies()
    const [state] = xfrm.states()
    expect(policy!.template).toMatchObject({ saddr: parseIp(left), daddr: parseIp(moved), reqid: 1 })
    expect(state).toMatchObject({ daddr: parseIp(moved), encap: { sport: 4500, dport: 1024 } })
    expect(xfrm.stateFor(policy!)).toBe(state)
  })

  it('sends what waited for a state that is there already', () => {
    const { xfrm } = tunnel()
    xfrm.delSa({ daddr: parseIp(right), spi: 0x2001, proto: 50 })
    const resumed: number[] = []
    xfrm.waiter = { resume: ({ index }) => resumed.push(index), abandon: () => {} }
    const flow = flowOf(inner())
    xfrm.decide(flow)
    xfrm.acquireMissing(flow, 0)
    xfrm.newSa(outbound({ daddr: moved, reqid: 1 }))
    expect(resumed).toEqual([])
    xfrm.migrate(request)
    expect(resumed).toEqual([1])
  })

  it('changes nothing when no policy, no template or no room is there', () => {
    const { xfrm } = tunnel()
    const elsewhere = { ...migration, oldDaddr: parseIp(moved), newDaddr: parseIp(right) }
    xfrm.newSa(outbound({ daddr: moved, reqid: 2 }))
    for (const wrong of [
      { ...request, direction: 'in' as const },
      { ...request, type: 'sub' as const },
      { ...request, selector: selector('10.9.0.0/16', '10.2.0.0/16') },
      { ...request, migrations: [] },
      { ...request, migrations: [migration, migration] },
      { ...request, migrations: [{ ...migration, newDaddr: parseIp('0.0.0.0') }] },
      { ...request, migrations: [elsewhere] },
      // The new place of the state is taken.
      request,
    ]) {
      expect(() => xfrm.migrate(wrong)).toThrow(UsageError)
      expect([...xfrm.states()].map(({ daddr }) => daddr)).toEqual([parseIp(right), parseIp(moved)])
      expect([...xfrm.policies()][0]!.template!.daddr).toEqual(parseIp(right))
    }
  })
})

describe('the monitor', () => {
  it('tells what happens, in order, and nothing when nobody listens any more', () => {
    const { xfrm, clock } = setUp()
    const types: string[] = []
    const stop = xfrm.monitor.listen(({ type }) => types.push(type))
    const policy = policyConfig({
      index: 1,
      direction: 'out',
      selector: selector('10.0.0.0/8', '10.0.0.0/8'),
      template: [left, right, 1],
    })
    xfrm.newPolicy(policy)
    const flow = flowOf(inner())
    xfrm.decide(flow)
    xfrm.acquireMissing(flow, 0)
    clock.now = 40_000
    xfrm.expireDue(clock.now)
    xfrm.updPolicy({ ...policy, priority: 1 })
    xfrm.allocSpi({ ...id, saddr: parseIp(right), reqid: 1 })
    xfrm.newSa(inbound({ lifetime: { softMs: 10 } }))
    const [state] = xfrm.states()
    xfrm.tellMapping(state!, { address: parseIp(moved), port: 9 }, clock.now)
    xfrm.expireDue(clock.now + 10)
    xfrm.updSa(id, {})
    xfrm.newSa(outbound())
    const path = {
      oldSaddr: parseIp(left),
      oldDaddr: parseIp(right),
      newSaddr: parseIp(left),
      newDaddr: parseIp(moved),
    }
    xfrm.migrate({ ...policy, migrations: [{ ...path, proto: 50, mode: 'tunnel', reqid: 1 }] })
    xfrm.delSa(id)
    xfrm.delPolicy(1)
    stop()
    xfrm.newPolicy(policy)
    expect(types).toEqual(
      'newpolicy acquire expire updpolicy updsa mapping expire updsa newsa migrate delsa delpolicy'.split(' '),
    )
    expect(xfrm.monitor.isWatched).toBe(false)
  })

  it('is read as a stream, which misses the oldest when it is read too slowly, and ends', async () => {
    const { xfrm } = setUp()
    const stream = xfrm.monitor.events()
    const next = stream.next()
    const policy = policyConfig({ index: 0, direction: 'in', selector: selector('10.0.0.0/8', '10.0.0.0/8') })
    for (let index = 0; index < MAX_WAITING_EVENTS + 4; index++) xfrm.newPolicy({ ...policy, index })
    const indexOf = (event: XfrmEvent | undefined) => (event?.type === 'newpolicy' ? event.policy.index : -1)
    expect(indexOf((await next).value)).toBe(0)
    expect(stream.missed).toBe(3)
    const seen: number[] = []
    for await (const event of stream) {
      seen.push(indexOf(event))
      if (seen.length === 2) break
    }
    expect(seen).toEqual([4, 5])
    expect(xfrm.monitor.isWatched).toBe(false)
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })
})
