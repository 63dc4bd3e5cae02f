import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { UsageError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/address.ts'
import { RecordingXfrm } from '../../src/testing/index.ts'
import type { XfrmPort } from '../../src/xfrm/port.ts'
import { Xfrm } from '../../src/xfrm/xfrm.ts'
import { policyConfig, selector, stateConfig } from '../xfrm/support.ts'

const ours = '192.0.2.1'
const theirs = '198.51.100.2'
const elsewhere = parseIp('203.0.113.7')

const inbound = stateConfig({ direction: 'in', saddr: theirs, daddr: ours, spi: 0x1001 })
const outbound = stateConfig({ direction: 'out', saddr: ours, daddr: theirs, spi: 0x1001 })
const larval = { saddr: parseIp(theirs), daddr: parseIp(ours), spi: 0x1001, proto: 50, reqid: 0 }
const policy = policyConfig({ index: 1, direction: 'out', selector: selector('10.1.0.0/16', '10.2.0.0/16') })

const listener = { acquire() {}, expire() {}, mapping() {} }
const ports: [string, () => XfrmPort][] = [
  ['the recorder', () => new RecordingXfrm()],
  [
    'the database',
    () => new Xfrm({ crypto: nodeProvider, random: (n) => new Uint8Array(n), clock: () => 0, listener }),
  ],
]

describe.each(ports)('%s', (_, make) => {
  it('keeps states of one SPI and two destinations apart', () => {
    const xfrm = make()
    xfrm.newSa(inbound)
    xfrm.newSa(outbound)
    xfrm.delSa(inbound)
    expect(() => xfrm.newSa(outbound)).toThrow(UsageError)
    xfrm.newSa(inbound)
  })

  it('replaces a larval state by an inbound one, and by no other', () => {
    const xfrm = make()
    xfrm.allocSpi(larval)
    expect(() => xfrm.allocSpi(larval)).toThrow(UsageError)
    expect(() => xfrm.newSa({ ...outbound, daddr: parseIp(ours) })).toThrow(UsageError)
    xfrm.newSa(inbound)
    expect(() => xfrm.newSa(inbound)).toThrow(UsageError)
  })

  it('moves no state to where another one is', () => {
    const xfrm = make()
    xfrm.newSa(outbound)
    xfrm.newSa({ ...outbound, daddr: elsewhere })
    expect(() => xfrm.updSa(outbound, { daddr: elsewhere })).toThrow(UsageError)
    xfrm.updSa(outbound, { daddr: parseIp('203.0.113.8') })
    xfrm.newSa(outbound)
    xfrm.updSa({ ...outbound, daddr: parseIp('203.0.113.99') }, { daddr: elsewhere })
  })

  it('refuses a second policy of one index', () => {
    const xfrm = make()
    xfrm.newPolicy(policy)
    expect(() => xfrm.newPolicy(policy)).toThrow(UsageError)
    xfrm.delPolicy(1)
    xfrm.newPolicy(policy)
  })
})
