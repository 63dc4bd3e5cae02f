import { describe, expect, it } from 'vitest'
import { Datapath, DatapathStatus } from '../../src/datapath/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { inner, twoSides } from './support.ts'

const elsewhere = { address: parseIp('203.0.113.9'), port: 1024 }
const id = { daddr: parseIp('198.51.100.2'), spi: 0x1000, proto: 50 }

describe('a packet from another outer address or port', () => {
  it('gives one mapping a second, with the old and the new place', () => {
    const { left, right } = twoSides()
    const newPort = { ...left.socket, port: 4501 }
    expect(right.receive(left.seal(inner()), newPort)).toBe(DatapathStatus.DONE)
    expect(right.receive(left.seal(inner()), newPort)).toBe(DatapathStatus.DONE)
    expect(right.told.mappings).toEqual([
      {
        ...id,
        reqid: 1,
        oldAddress: left.socket.address,
        oldPort: 4500,
        newAddress: left.socket.address,
        newPort: 4501,
      },
    ])
    right.clock.now += 999
    right.receive(left.seal(inner()), elsewhere)
    expect(right.told.mappings).toHaveLength(1)
    right.clock.now += 1
    right.receive(left.seal(inner()), elsewhere)
    expect(right.told.mappings).toHaveLength(2)
  })

  it('gives another one for the next move, after updSa answered', () => {
    const { left, right } = twoSides()
    right.receive(left.seal(inner()), { ...left.socket, port: 4501 })
    right.xfrm.updSa(id, { encap: { sport: 4501, dport: 4500 } })
    right.receive(left.seal(inner()), { ...left.socket, port: 4501 })
    expect(right.told.mappings).toHaveLength(1)
    right.receive(left.seal(inner()), elsewhere)
    expect(right.told.mappings).toHaveLength(2)
    expect(right.told.mappings[1]).toMatchObject({ oldPort: 4501, newAddress: elsewhere.address, newPort: 1024 })
  })

  it('gives none when it is tampered with, a replay, or older than one before', () => {
    const { left, right } = twoSides()
    const [old, replayed, tampered] = [left.seal(inner()), left.seal(inner()), left.seal(inner())]
    right.receive(replayed, left.socket)
    right.receive(replayed, elsewhere)
    tampered[20]! ^= 1
    right.receive(tampered, elsewhere)
    expect(right.receive(old, elsewhere)).toBe(DatapathStatus.DONE)
    expect(right.told.mappings).toEqual([])
  })

  it('gives none, and no expire, when the delivery of the packet removed the state', () => {
    const { left, right } = twoSides({ lifetime: { softPackets: 1 } })
    const datapath = new Datapath(right.xfrm, { sendEsp: () => {}, deliver: () => right.xfrm.delSa(id) })
    const esp = left.seal(inner())
    expect(datapath.receiveEsp(esp, 0, esp.length, elsewhere, right.socket, 0)).toBe(DatapathStatus.DONE)
    expect([...right.told.mappings, ...right.told.expires]).toEqual([])
  })

  it('goes on through the tunnel when both databases follow', () => {
    const { left, right } = twoSides()
    right.receive(left.seal(inner()), elsewhere)
    // What IKE does: states first, then the templates.
    right.xfrm.updSa(id, { saddr: elsewhere.address, encap: { sport: 1024, dport: 4500 } })
    const outId = { daddr: left.socket.address, spi: 0x1001, proto: 50 }
    right.xfrm.updSa(outId, { daddr: elsewhere.address, encap: { sport: 4500, dport: 1024 } })
    for (const policy of [...right.xfrm.policies()]) {
      const direction = (['in', 'out', 'fwd'] as const)[policy.direction]
      const moved = direction === 'out' ? { daddr: elsewhere.address } : { saddr: elsewhere.address }
      const { index, selector, priority, label } = policy
      const templates = [{ ...policy.template!, ...moved }]
      right.xfrm.updPolicy({ index, direction, selector, action: 'allow', priority, templates, label })
    }
    expect(right.receive(left.seal(inner()), elsewhere)).toBe(DatapathStatus.DONE)
    right.seal(inner('10.2.0.1', '10.1.0.1'))
    expect(right.sent[0]!.state).toMatchObject({ daddr: elsewhere.address, encap: { sport: 4500, dport: 1024 } })
    expect(right.told.mappings).toHaveLength(1)
  })
})
