import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import type { DatapathOptions } from '../../src/datapath/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import type { XfrmStateConfig } from '../../src/xfrm/port.ts'
import type { XfrmState } from '../../src/xfrm/state.ts'
import { policyConfig, type StateFields, selector, stateConfig } from '../xfrm/support.ts'
import { Side } from './support.ts'

type Extra = Partial<Pick<XfrmStateConfig, 'mode' | 'flags' | 'path' | 'selector' | 'originalAddresses'>>

export interface PairFields extends Pick<StateFields, 'encap' | 'suite'> {
  readonly left?: string
  readonly right?: string
  /** Inner networks or addresses of both ends; in transport mode the outer ones. */
  readonly leftTs?: string
  readonly rightTs?: string
  /** For both directions, at both ends. */
  readonly extra?: Extra
  readonly options?: DatapathOptions
  readonly crypto?: CryptoProvider
}

export interface ModePair {
  readonly left: Side
  readonly right: Side
  /** The state by which the left side sends, and by which the right one receives that. */
  readonly out: XfrmState
  readonly in: XfrmState
}

const outLeft = 0x1000
const outRight = 0x2000

/** Two sides with one CHILD_SA of any mode and options. */
export function modePair(fields: PairFields = {}): ModePair {
  const { left: a = '192.0.2.1', right: b = '198.51.100.2', extra = {}, options, suite, crypto = nodeProvider } = fields
  const { leftTs = '10.1.0.0/16', rightTs = '10.2.0.0/16', encap = { sport: 4500, dport: 4500 } } = fields
  const clock = { now: 0 }
  const [left, right] = [new Side(a, clock, crypto, options), new Side(b, clock, crypto, options)]
  const forth = { spi: outLeft, saddr: a, daddr: b, encap, ...(suite === undefined ? {} : { suite }) }
  const back = { ...forth, spi: outRight, saddr: b, daddr: a }
  const forthExtra = { ...extra, ...selected(extra, leftTs, rightTs) }
  const backExtra = { ...extra, ...selected(extra, rightTs, leftTs) }
  left.xfrm.newSa({ ...stateConfig({ ...forth, direction: 'out' }), ...forthExtra })
  left.xfrm.newSa({ ...stateConfig({ ...back, direction: 'in' }), ...backExtra })
  right.xfrm.newSa({ ...stateConfig({ ...forth, direction: 'in' }), ...forthExtra })
  right.xfrm.newSa({ ...stateConfig({ ...back, direction: 'out' }), ...backExtra })
  const mode = extra.mode ?? 'tunnel'
  for (const [side, own, theirs, peer] of [
    [left, leftTs, rightTs, b],
    [right, rightTs, leftTs, a],
  ] as const) {
    const outbound = { index: 1, direction: 'out', selector: selector(own, theirs) } as const
    const inbound = { index: 2, direction: 'in', selector: selector(theirs, own) } as const
    for (const [policy, saddr, daddr] of [
      [outbound, side.address, peer],
      [inbound, peer, side.address],
    ] as const) {
      const template = { saddr: parseIp(saddr), daddr: parseIp(daddr), proto: 50, mode, reqid: 1 }
      side.xfrm.newPolicy({ ...policyConfig(policy), templates: [template] })
    }
  }
  return { left, right, out: stateOf(left, outLeft), in: stateOf(right, outLeft) }
}

const selected = ({ mode = 'tunnel' }: Extra, source: string, destination: string): Extra =>
  mode === 'beet' ? { selector: selector(source, destination) } : {}

const stateOf = (side: Side, spi: number): XfrmState => [...side.xfrm.states()].find((state) => state.spi === spi)!
