import { readU16 } from '../bytes/index.ts'
import {
  Ecn,
  encapsulatedEcn,
  Fragment,
  flowLabel,
  hopLimit,
  ipv4DontFragment,
  type PacketFlow,
  trafficClass,
} from '../ip/index.ts'
import type { XfrmState } from '../xfrm/state.ts'
import type { OuterFields } from './outer.ts'

/**
 * What the outer header of a tunnel says about the inner packet at `buffer[offset]`. DSCP and ECN as the state's flags ask (RFC 6040
 * §4.1), DF by `path.df`, the system's own TTL (RFC 4301 §5.1.2), a flow label by the inner flow when `labelled` (RFC 6438 §4).
 */
export function fillTunnelOuter(
  outer: OuterFields,
  state: XfrmState,
  buffer: Uint8Array,
  offset: number,
  flow: PacketFlow,
  labelled: boolean,
): void {
  outer.trafficClass = outerTrafficClass(state, trafficClass(buffer, offset))
  outer.hopLimit = 0
  outer.dontFragment = outerDontFragment(state, flow.family === 6 || ipv4DontFragment(buffer, offset))
  outer.flowLabel = labelled && state.daddr.length === 16 ? flowLabelOf(flow, state.spi) : 0
  outer.optionBytes = 0
  outer.firstHeader = 50
}

/** The packet's own header is the outer one, in transport mode, or becomes it, in BEET mode; `headerOptions` are not looked at. */
export function fillOwnOuter(
  outer: OuterFields,
  state: XfrmState,
  buffer: Uint8Array,
  offset: number,
  flow: PacketFlow,
): void {
  const isTransport = state.mode === 'transport'
  const own = trafficClass(buffer, offset)
  outer.trafficClass = isTransport ? own : outerTrafficClass(state, own)
  outer.hopLimit = hopLimit(buffer, offset)
  outer.dontFragment = outerDontFragment(state, flow.family === 6 || ipv4DontFragment(buffer, offset))
  outer.flowLabel = flow.family === 6 && state.daddr.length === 16 ? flowLabel(buffer, offset) : 0
  outer.optionBytes = 0
  outer.firstHeader = 50
}

function outerTrafficClass({ flags }: XfrmState, inner: number): number {
  const ecn = flags.noEcn === true ? Ecn.NOT_ECT : encapsulatedEcn(inner, true)
  return (flags.dontEncapDscp === true ? 0 : inner & 0xfc) | ecn
}

function outerDontFragment({ flags, path }: XfrmState, inner: boolean): boolean {
  if (flags.noPmtuDisc === true || path.df === 'clear') return false
  return path.df === 'set' || inner
}

/**
 * 20 bits, not 0, that are the same for all packets of a flow. The SPI is mixed in, so that labels of two SAs have nothing to do with each
 * other. FNV-1a over 16-bit words. RFC 6437 §2.
 */
function flowLabelOf(flow: PacketFlow, spi: number): number {
  let hash = mix(mix(0x811c9dc5, spi >>> 16), spi & 0xffff)
  for (let at = 0; at < flow.addressBytes; at += 2) hash = mix(hash, readU16(flow.source, at))
  for (let at = 0; at < flow.addressBytes; at += 2) hash = mix(hash, readU16(flow.destination, at))
  hash = mix(hash, flow.protocol)
  // The fragments of a packet belong together, and not all have ports.
  if (flow.fragment === Fragment.NONE) hash = mix(mix(hash, flow.sourcePort), flow.destinationPort)
  return (hash ^ (hash >>> 20)) & 0xfffff || 1
}

const mix = (hash: number, word: number): number => Math.imul(hash ^ word, 0x01000193)
