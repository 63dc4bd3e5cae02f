import { describe, expect, it } from 'vitest'
import { DatapathStatus, droppedAs, MAX_WAITING_PACKETS } from '../../src/datapath/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { ACQUIRE_TIMEOUT_MS } from '../../src/xfrm/asking.ts'
import { policyConfig, selector, stateConfig } from '../xfrm/support.ts'
import { inner, policies, Side } from './support.ts'

const peer = '198.51.100.2'
const outbound = stateConfig({ spi: 0x1000, saddr: '192.0.2.1', daddr: peer, direction: 'out' })

/** A side with policies and no state: a trap. */
function trapped(): Side {
  const side = new Side('192.0.2.1')
  policies(side, peer, '10.1.0.0/16', '10.2.0.0/16')
  return side
}

const packet = (n: number) => inner('10.1.0.1', '10.2.0.1', 40 + n)

describe('packets without a state', () => {
  it('wait, ask once, and go out in order when the state is there', () => {
    const left = trapped()
    for (let n = 0; n < 3; n++) expect(left.send(packet(n))).toBe(DatapathStatus.QUEUED)
    expect(left.told.acquires).toMatchObject([{ policyIndex: 100, reqid: 1 }])
    const right = new Side(peer, left.clock)
    policies(right, left.address, '10.2.0.0/16', '10.1.0.0/16')
    right.xfrm.newSa({ ...outbound, direction: 'in' })
    left.xfrm.newSa(outbound)
    for (const { packet: esp } of left.sent) right.receive(esp, left.socket)
    expect(right.delivered).toEqual([packet(0), packet(1), packet(2)])
    expect(left.send(packet(3))).toBe(DatapathStatus.DONE)
    expect(left.told.acquires).toHaveLength(1)
  })

  it('go out when a policy is changed to a template that has a state', () => {
    const left = trapped()
    left.send(packet(0))
    left.xfrm.newSa({ ...outbound, reqid: 7 })
    expect(left.sent).toHaveLength(0)
    const policy = [...left.xfrm.policies()].find(({ index }) => index === 100)!
    left.xfrm.updPolicy({
      index: 100,
      direction: 'out',
      selector: policy.selector,
      action: 'allow',
      priority: policy.priority,
      templates: [{ ...policy.template!, reqid: 7 }],
      label: policy.label,
    })
    expect(left.sent).toHaveLength(1)
  })

  it('go out when a state is moved to the addresses of their template', () => {
    const left = trapped()
    const elsewhere = parseIp('203.0.113.9')
    left.xfrm.newSa({ ...outbound, daddr: elsewhere })
    expect(left.send(packet(0))).toBe(DatapathStatus.QUEUED)
    left.xfrm.updSa({ ...outbound, daddr: elsewhere }, { daddr: parseIp(peer) })
    expect(left.sent).toHaveLength(1)
  })

  it('are dropped as XfrmOutPolBlock when the policy is changed to one that blocks', () => {
    const left = trapped()
    left.send(packet(0))
    const config = { index: 100, direction: 'out', selector: selector('10.1.0.0/16', '10.2.0.0/16') } as const
    left.xfrm.updPolicy(policyConfig({ ...config, action: 'block' }))
    expect(left.xfrm.stats.value('XfrmOutPolBlock')).toBe(1)
  })

  it('go out by the narrower policy that was brought up for them; the others wait on and do not ask again', () => {
    const left = trapped()
    left.send(packet(0))
    left.send(inner('10.1.0.1', '10.2.9.9'))
    const narrow = selector('10.1.0.0/16', '10.2.0.0/24')
    const template = [left.address, peer, 2] as const
    left.xfrm.newPolicy(policyConfig({ index: 200, direction: 'out', selector: narrow, template, priority: 1 }))
    left.xfrm.newSa({ ...outbound, reqid: 2 })
    expect(left.sent).toHaveLength(1)
    expect(left.told.acquires).toHaveLength(1)
    left.xfrm.newSa({ ...outbound, spi: 0x1001 })
    expect(left.sent.map(({ state }) => state.reqid)).toEqual([2, 1])
  })

  it('are bounded: the next ones are dropped as XfrmOutNoStates', () => {
    const left = trapped()
    for (let n = 0; n < MAX_WAITING_PACKETS; n++) expect(left.send(packet(n))).toBe(DatapathStatus.QUEUED)
    expect(droppedAs(left.send(packet(99)))).toBe('XfrmOutNoStates')
    left.xfrm.newSa(outbound)
    expect(left.sent).toHaveLength(MAX_WAITING_PACKETS)
  })

  it('are dropped as XfrmAcquireError when nobody answers in time', () => {
    const left = trapped()
    left.send(packet(0))
    left.send(packet(1))
    left.clock.now = ACQUIRE_TIMEOUT_MS
    left.xfrm.expireDue(left.clock.now)
    expect(left.xfrm.stats.value('XfrmAcquireError')).toBe(2)
    left.send(packet(2))
    expect(left.told.acquires).toHaveLength(2)
    left.xfrm.newSa(outbound)
    expect(left.sent).toHaveLength(1)
  })

  it('are dropped as XfrmOutPolDead when the policy goes', () => {
    const left = trapped()
    left.send(packet(0))
    left.xfrm.delPolicy(100)
    expect(left.xfrm.stats.value('XfrmOutPolDead')).toBe(1)
    left.xfrm.newSa(outbound)
    expect(left.sent).toHaveLength(0)
  })
})
