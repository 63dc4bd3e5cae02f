import { toHex } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Datapath, DatapathStatus, HEADROOM, TAILROOM } from '../../src/datapath/index.ts'
import type { EspSaParameters } from '../../src/esp/index.ts'
import { type IpAddress, parseIp } from '../../src/ip/index.ts'
import { unlimited, Xfrm, type XfrmSelector, type XfrmStateConfig } from '../../src/xfrm/index.ts'
import type { Form, Way } from './scapy-form.ts'
import { octets } from './scapy-octets.ts'

/** The whole datapath: policies, modes, headers. */
export const datapath: Way = {
  seal(sa, form, inner, padTo, low, high) {
    const end = endOf(sa, form, inner, 'out', padTo)
    end.state.encapsulator!.startAfter(low - 1, high)
    const buffer = new Uint8Array(HEADROOM + inner.length + TAILROOM)
    buffer.set(inner, HEADROOM)
    const status = end.datapath.sendInner(buffer, HEADROOM, inner.length, 0)
    const [packet, ...more] = end.sent
    if (packet === undefined || more.length > 0) throw new Error(`sendInner: ${status}, ${end.sent.length} packets`)
    return packet
  },

  open(sa, form, packet, inner, low, high) {
    const end = endOf(sa, form, inner, 'in', 0)
    const { replay } = end.state.decapsulator!
    replay.low = low - 1
    replay.high = high
    const port = form.udp ? 4500 : 0
    const remote = { address: end.state.saddr, port }
    const status = end.datapath.receiveEsp(
      packet.slice(),
      0,
      packet.length,
      remote,
      { address: end.state.daddr, port },
      0,
    )
    const [opened] = end.delivered
    if (status !== DatapathStatus.DONE || opened === undefined) return `status ${status} of the datapath`
    // In transport mode the header is made anew: its addresses and what follows are as they were.
    const from = form.mode === 'tunnel' ? 0 : form.family === 4 ? 12 : 8
    const [is, was] = [opened, inner].map((one) => toHex(one.subarray(from)))
    return is === was ? undefined : `${is} is not ${was}`
  },
}

/** A datapath with one state and one policy, for the packets of `inner`. */
function endOf(sa: EspSaParameters, form: Form, inner: Uint8Array, direction: 'in' | 'out', tfcPad: number) {
  const [source, destination] = addressesOf(form, inner)
  const [saddr, daddr] = form.mode === 'transport' ? [source, destination] : outerAddresses[form.outer]
  const sent: Uint8Array[] = []
  const delivered: Uint8Array[] = []
  const listener = { acquire: nothing, expire: nothing, mapping: nothing }
  const xfrm = new Xfrm({ crypto: nodeProvider, random: octets, listener, clock: () => 0 })
  const ends = new Datapath(xfrm, {
    sendEsp: (buffer, offset, length) => sent.push(buffer.slice(offset, offset + length)),
    deliver: (buffer, offset, length) => delivered.push(buffer.slice(offset, offset + length)),
  })
  const selector = hostSelector(source, destination)
  const config: XfrmStateConfig = {
    ...{
      ...sa,
      proto: 50,
      direction,
      saddr,
      daddr,
      reqid: 1,
      mode: form.mode,
      selector,
      tfcPad,
      lifetime: unlimited,
      label: '',
    },
    ...(form.udp ? { encap: { sport: 4500, dport: 4500 } } : {}),
  }
  xfrm.newSa(config)
  const template = { saddr, daddr, proto: 50, mode: form.mode, reqid: 1 }
  xfrm.newPolicy({ index: 1, direction, selector, action: 'allow', priority: 1, templates: [template], label: '' })
  return { datapath: ends, state: [...xfrm.states()][0]!, sent, delivered }
}

const nothing = () => {}

const outerAddresses = {
  4: [parseIp('192.0.2.1'), parseIp('198.51.100.2')],
  6: [parseIp('2001:db8::1'), parseIp('2001:db8::2')],
} as const

function addressesOf({ family }: Form, inner: Uint8Array): [IpAddress, IpAddress] {
  const [from, bytes] = family === 4 ? [12, 4] : [8, 16]
  return [inner.slice(from, from + bytes), inner.slice(from + bytes, from + 2 * bytes)]
}

function hostSelector(source: IpAddress, destination: IpAddress): XfrmSelector {
  const anyPort = { first: 0, last: 65_535 }
  return {
    source: { start: source, end: source },
    destination: { start: destination, end: destination },
    ...{ protocol: 0, sourcePort: anyPort, destinationPort: anyPort },
  }
}
