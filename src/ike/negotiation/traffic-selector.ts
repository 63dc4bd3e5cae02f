import { compareBytes } from '../../bytes/index.ts'
import { isIcmp } from '../../ip/protocol.ts'
import { containsRange, intersectRanges } from '../../ip/range.ts'
import type { AddressRange, PortRange, XfrmSelector } from '../../xfrm/port.ts'
import type { AddressRangeSelector, TrafficSelector } from '../codec/index.ts'
import { TsType } from '../codec/numbers.ts'
import type { TrafficSelectorConfig } from '../config.ts'
import { anyPort, intersectPorts } from './port-range.ts'

export { formatTrafficSelector, parseTrafficSelector } from './traffic-selector-text.ts'

/** A peer cannot make us install more selectors than this by offering many, unless more are configured. */
const maxNarrowed = 64

/** The selector as a payload carries it. Shares the address arrays. */
export function toTrafficSelector(config: TrafficSelectorConfig): AddressRangeSelector {
  const { startAddress, endAddress, protocol, startPort, endPort } = config
  const tsType = startAddress.length === 4 ? TsType.TS_IPV4_ADDR_RANGE : TsType.TS_IPV6_ADDR_RANGE
  return { tsType, protocol, startPort, endPort, startAddress, endAddress }
}

/** The selectors of a payload whose type we know. Shares the address arrays. */
export function knownTrafficSelectors(received: readonly TrafficSelector[]): AddressRangeSelector[] {
  return received.filter((selector) => !selector.unknown)
}

/**
 * Narrows what the peer offered to what is configured: all intersections, in the order of the offer, without those that another
 * one contains. Empty when they have nothing in common (TS_UNACCEPTABLE). Selectors of unknown type are passed over. At
 * most 64, or as many as are configured when those are more. Shares the address arrays. RFC 7296 §2.9.
 */
export function narrow(
  offered: readonly TrafficSelector[],
  configured: readonly TrafficSelectorConfig[],
): TrafficSelectorConfig[] {
  const limit = Math.max(maxNarrowed, configured.length)
  let kept: TrafficSelectorConfig[] = []
  for (const offer of knownTrafficSelectors(offered)) {
    for (const ours of configured) {
      const common = intersect(offer, ours)
      if (common === undefined || kept.some((other) => contains(other, common))) continue
      kept = kept.filter((other) => !contains(common, other))
      if (kept.length === limit) return kept
      kept.push(common)
    }
  }
  return kept
}

/** True when each selector of `inner` lies within one selector of `outer`: how an initiator checks a narrowed answer. */
export function isSubset(inner: readonly TrafficSelectorConfig[], outer: readonly TrafficSelectorConfig[]): boolean {
  return inner.every((one) => outer.some((other) => contains(other, one)))
}

/** True when both lists have the same selectors in the same order. */
export const sameSelectors = (a: readonly TrafficSelectorConfig[], b: readonly TrafficSelectorConfig[]): boolean =>
  a.length === b.length &&
  a.every((one, at) => one.dynamic === b[at]!.dynamic && contains(one, b[at]!) && contains(b[at]!, one))

/**
 * The selectors for policies of one direction: every pair of a local and a remote selector of the same family whose protocols
 * agree. `in` serves `fwd` too. For ICMP, type and code of both sides are intersected, since they belong to the packet
 * and not to one of its ends. Shares the address arrays.
 */
export function toXfrmSelectors(
  localTs: readonly TrafficSelectorConfig[],
  remoteTs: readonly TrafficSelectorConfig[],
  direction: 'in' | 'out',
): XfrmSelector[] {
  const pairs = localTs.flatMap((local) => remoteTs.map((remote) => ({ local, remote })))
  return pairs.flatMap(({ local, remote }) => {
    const selector = direction === 'out' ? pairSelector(local, remote) : pairSelector(remote, local)
    return selector === undefined ? [] : [selector]
  })
}

function pairSelector(source: TrafficSelectorConfig, destination: TrafficSelectorConfig): XfrmSelector | undefined {
  const protocol = commonProtocol(source.protocol, destination.protocol)
  if (protocol === undefined || source.startAddress.length !== destination.startAddress.length) return undefined
  const selector = { source: rangeOf(source), destination: rangeOf(destination), protocol }
  if (!isIcmp(protocol)) {
    return { ...selector, sourcePort: portsOf(source), destinationPort: portsOf(destination) }
  }
  const typeAndCode = intersectPorts(portsOf(source), portsOf(destination))
  return typeAndCode === undefined ? undefined : { ...selector, sourcePort: typeAndCode, destinationPort: anyPort }
}

function intersect(a: TrafficSelectorConfig, b: TrafficSelectorConfig): TrafficSelectorConfig | undefined {
  const range = intersectRanges(rangeOf(a), rangeOf(b))
  const protocol = commonProtocol(a.protocol, b.protocol)
  const ports = intersectPorts(portsOf(a), portsOf(b))
  if (range === undefined || protocol === undefined || ports === undefined) return undefined
  const { start: startAddress, end: endAddress } = range
  return { startAddress, endAddress, protocol, startPort: ports.first, endPort: ports.last }
}

/** True when all packets that `inner` selects are selected by `outer`; false for an `inner` that selects none, its ends being the wrong way round. */
function contains(outer: TrafficSelectorConfig, inner: TrafficSelectorConfig): boolean {
  if (compareBytes(inner.startAddress, inner.endAddress) > 0) return false
  if (!containsRange(rangeOf(outer), rangeOf(inner))) return false
  if (outer.protocol !== 0 && outer.protocol !== inner.protocol) return false
  const common = intersectPorts(portsOf(outer), portsOf(inner))
  return common !== undefined && common.first === inner.startPort && common.last === inner.endPort
}

const commonProtocol = (a: number, b: number): number | undefined => (a === 0 || a === b ? b : b === 0 ? a : undefined)

const rangeOf = (selector: TrafficSelectorConfig): AddressRange => ({
  start: selector.startAddress,
  end: selector.endAddress,
})

const portsOf = (selector: TrafficSelectorConfig): PortRange => ({ first: selector.startPort, last: selector.endPort })
