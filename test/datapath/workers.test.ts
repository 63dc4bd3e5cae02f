import { describe, expect, it } from 'vitest'
import { DatapathStatus, HEADROOM, TAILROOM } from '../../src/datapath/index.ts'
import { ACQUIRE_TIMEOUT_MS } from '../../src/xfrm/asking.ts'
import { policyConfig, selector, stateConfig } from '../xfrm/support.ts'
import { inner, policies, Side } from './support.ts'

const here = '192.0.2.1'
const peer = '198.51.100.2'
const outbound = (spi: number, worker?: number) => ({
  ...stateConfig({ spi, saddr: here, daddr: peer, direction: 'out' }),
  ...(worker === undefined ? {} : { worker }),
})
const idOf = (spi: number) => ({ daddr: outbound(spi).daddr, spi, proto: 50 })

/** A side whose policy lets workers ask for states of their own, with the state of all. */
function shared(workerAcquires = true): Side {
  const side = new Side(here)
  policies(side, peer, '10.1.0.0/16', '10.2.0.0/16')
  side.xfrm.updPolicy({
    ...policyConfig({
      index: 100,
      direction: 'out',
      selector: selector('10.1.0.0/16', '10.2.0.0/16'),
      template: [here, peer, 1],
    }),
    workerAcquires,
  })
  side.xfrm.newSa(outbound(0x1000))
  return side
}

function send(side: Side, worker?: number): number {
  const packet = inner('10.1.0.1', '10.2.0.1')
  const buffer = new Uint8Array(HEADROOM + packet.length + TAILROOM)
  buffer.set(packet, HEADROOM)
  return side.datapath.sendInner(buffer, HEADROOM, packet.length, side.clock.now, 0, 0, worker)
}

const spisOf = (side: Side): number[] => side.sent.map(({ state }) => state.spi)

describe('packets of workers', () => {
  it("go through the worker's own state, and all others through the state of all, however new", () => {
    const side = shared()
    side.xfrm.newSa(outbound(0x1001, 0))
    side.xfrm.newSa(outbound(0x1003, 2))
    for (const worker of [0, 1, 2, undefined, 0]) expect(send(side, worker)).toBe(DatapathStatus.DONE)
    expect(spisOf(side)).toEqual([0x1001, 0x1000, 0x1003, 0x1000, 0x1001])
    side.xfrm.newSa(outbound(0x2000))
    for (const worker of [0, 1]) send(side, worker)
    expect(spisOf(side).slice(-2)).toEqual([0x1001, 0x2000])
  })

  it('find the newest state of the worker, and the state of all again when that is gone', () => {
    const side = shared()
    side.xfrm.newSa(outbound(0x1001, 1))
    side.xfrm.newSa(outbound(0x1002, 1))
    send(side, 1)
    side.xfrm.delSa(idOf(0x1002))
    send(side, 1)
    side.xfrm.delSa(idOf(0x1001))
    send(side, 1)
    expect(spisOf(side)).toEqual([0x1002, 0x1001, 0x1000])
  })

  it('never go through the state of another worker: they wait for one of all, and ask for it', () => {
    const side = shared()
    side.xfrm.delSa(idOf(0x1000))
    side.xfrm.newSa(outbound(0x1001, 1))
    expect(send(side, 2)).toBe(DatapathStatus.QUEUED)
    expect(send(side)).toBe(DatapathStatus.QUEUED)
    expect(side.told.acquires).toHaveLength(1)
    expect(side.told.acquires[0]).not.toHaveProperty('worker')
    side.xfrm.newSa(outbound(0x1002, 2))
    expect(spisOf(side)).toEqual([0x1002])
    side.xfrm.newSa(outbound(0x1000))
    expect(spisOf(side)).toEqual([0x1002, 0x1000])
  })
})

describe('the acquire of a worker', () => {
  it('is told once for each, while its packets go through the state of all', () => {
    const side = shared()
    for (const worker of [3, 3, 1, 3]) expect(send(side, worker)).toBe(DatapathStatus.DONE)
    expect(side.told.acquires).toMatchObject([
      { policyIndex: 100, reqid: 1, worker: 3 },
      { policyIndex: 100, worker: 1 },
    ])
    expect([...side.xfrm.acquires()].map(({ worker }) => worker)).toEqual([3, 1])
  })

  it('is answered by a state of just that worker', () => {
    const side = shared()
    send(side, 3)
    send(side, 1)
    side.xfrm.newSa(outbound(0x1001, 1))
    expect([...side.xfrm.acquires()].map(({ worker }) => worker)).toEqual([3])
    side.xfrm.newSa({ ...outbound(0x1003, 2), seq: side.told.acquires[0]!.seq! })
    expect([...side.xfrm.acquires()].map(({ worker }) => worker)).toEqual([3])
  })

  it('is told again when nobody has answered for a while, or when the state that answered is gone', () => {
    const side = shared()
    send(side, 0)
    side.clock.now = ACQUIRE_TIMEOUT_MS + 1
    side.xfrm.expireDue(side.clock.now)
    expect([...side.xfrm.acquires()]).toEqual([])
    send(side, 0)
    expect(side.told.acquires).toHaveLength(2)
    side.xfrm.newSa(outbound(0x1001, 0))
    send(side, 0)
    side.xfrm.delSa(idOf(0x1001))
    send(side, 0)
    expect(side.told.acquires).toHaveLength(3)
  })

  it('is not told where the policy does not want it, nor for packets of no worker', () => {
    const side = shared(false)
    send(side, 0)
    expect(side.told.acquires).toEqual([])
    const wanting = shared()
    send(wanting)
    expect(wanting.told.acquires).toEqual([])
  })
})
