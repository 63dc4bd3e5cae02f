import { describe, expect, it } from 'vitest'
import { Datapath, DatapathStatus, droppedAs, HEADROOM, TAILROOM } from '../../src/datapath/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import type { XfrmMark } from '../../src/xfrm/port.ts'
import { newXfrm, policyConfig, Recorder, selector, stateConfig } from '../xfrm/support.ts'
import { inner } from './support.ts'

const [gateway, one, two] = ['192.0.2.1', '198.51.100.1', '198.51.100.2']
const everything = selector('0.0.0.0/0', '0.0.0.0/0')

interface Device {
  readonly ifId: number
  readonly mark?: XfrmMark
}

/** A gateway with two peers, whose tunnels are for all addresses alike: what tells them apart is the device. */
function twoDevices(devices: readonly [Device, Device]) {
  const xfrm = newXfrm(new Recorder(), { now: 0 })
  const sent: string[] = []
  const delivered: { readonly ifId: number; readonly mark: number }[] = []
  const packets: Uint8Array[] = []
  const datapath = new Datapath(xfrm, {
    sendEsp: (buffer, offset, length, state) => {
      sent.push(state.daddr.join('.'))
      packets.push(buffer.slice(offset, offset + length))
    },
    deliver: (_buffer, _offset, _length, ifId, mark) => delivered.push({ ifId, mark }),
  })
  for (const [at, { ifId, mark }] of devices.entries()) {
    const [peer, reqid] = [[one, two][at]!, at + 1]
    const marked = mark === undefined ? {} : { mark }
    const common = { ifId, reqid, spi: 0x1000 + at }
    xfrm.newSa(stateConfig({ ...common, ...marked, saddr: gateway, daddr: peer, direction: 'out' }))
    // Inbound, the mark is what the packet gets.
    const inbound = mark === undefined ? {} : { outputMark: mark }
    xfrm.newSa(stateConfig({ ...common, ...inbound, saddr: peer, daddr: gateway, direction: 'in' }))
    const own = { selector: everything, ifId, ...marked }
    xfrm.newPolicy(policyConfig({ ...own, index: 10 * reqid, direction: 'out', template: [gateway, peer, reqid] }))
    xfrm.newPolicy(policyConfig({ ...own, index: 10 * reqid + 1, direction: 'in', template: [peer, gateway, reqid] }))
  }
  const send = (mark: number, ifId: number) => {
    const packet = inner('10.1.0.1', '10.2.0.1')
    const buffer = new Uint8Array(HEADROOM + packet.length + TAILROOM)
    buffer.set(packet, HEADROOM)
    return datapath.sendInner(buffer, HEADROOM, packet.length, 0, mark, ifId)
  }
  const receive = (esp: Uint8Array, from: string) => {
    const [remote, local] = [from, gateway].map((address) => ({ address: parseIp(address), port: 4500 }))
    return datapath.receiveEsp(esp.slice(), 0, esp.length, remote!, local!, 0)
  }
  return { xfrm, sent, delivered, packets, send, receive }
}

describe('tunnels with a device each', () => {
  it.each([
    [
      'by interface',
      [{ ifId: 7 }, { ifId: 8 }],
      [
        [0, 7],
        [0, 8],
      ],
    ],
    [
      'by mark',
      [
        { ifId: 0, mark: { value: 1, mask: 3 } },
        { ifId: 0, mark: { value: 2, mask: 3 } },
      ],
      [
        [1, 0],
        [2, 0],
      ],
    ],
    [
      'by both',
      [
        { ifId: 7, mark: { value: 1, mask: 1 } },
        { ifId: 7, mark: { value: 0, mask: 1 } },
      ],
      [
        [1, 7],
        [0, 7],
      ],
    ],
  ] as const)(
    '%s: what comes from a device goes to its peer, and what its peer sends comes to it',
    (_, devices, from) => {
      const { sent, delivered, packets, send, receive } = twoDevices(devices)
      for (const [mark, ifId] of from) expect(send(mark, ifId)).toBe(DatapathStatus.DONE)
      expect(sent).toEqual([one, two])
      // Both ends have the same keys here, so what was sealed for a peer is what the peer would send.
      expect(packets.map((esp, at) => receive(esp, [one, two][at]!))).toEqual([
        DatapathStatus.DONE,
        DatapathStatus.DONE,
      ])
      expect(delivered.map(({ ifId, mark }) => [mark, ifId])).toEqual(from)
    },
  )

  it('share nothing with a device of neither', () => {
    const { xfrm, send } = twoDevices([{ ifId: 7 }, { ifId: 8 }])
    expect(droppedAs(send(0, 0))).toBe('XfrmOutPolBlock')
    expect(droppedAs(send(0, 9))).toBe('XfrmOutPolBlock')
    expect(xfrm.stats.value('XfrmOutPolBlock')).toBe(2)
  })

  it('wait for the state of their own', () => {
    const { xfrm, sent, send } = twoDevices([{ ifId: 7 }, { ifId: 8 }])
    xfrm.delSa({ daddr: parseIp(two), spi: 0x1001, proto: 50 })
    expect(send(0, 8)).toBe(DatapathStatus.QUEUED)
    const late = stateConfig({ saddr: gateway, daddr: two, direction: 'out', reqid: 2, spi: 0x1005 })
    xfrm.newSa({ ...late, ifId: 7 })
    expect(sent).toEqual([])
    xfrm.newSa({ ...late, spi: 0x1006, ifId: 8 })
    expect(sent).toEqual([two])
  })
})

describe('tunnels that share a device', () => {
  it('are told apart by their selectors alone', () => {
    const { xfrm, sent, send } = twoDevices([{ ifId: 7 }, { ifId: 8 }])
    const rule = selector('10.1.0.0/16', '10.2.0.0/16')
    xfrm.newSa(stateConfig({ saddr: gateway, daddr: two, direction: 'out', reqid: 5, spi: 0x1007, ifId: 7 }))
    const template = [gateway, two, 5] as const
    xfrm.newPolicy(policyConfig({ index: 50, direction: 'out', selector: rule, priority: 1, ifId: 7, template }))
    send(0, 7)
    expect(sent).toEqual([two])
  })
})
