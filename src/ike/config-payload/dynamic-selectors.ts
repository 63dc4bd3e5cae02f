import type { IpAddress } from '../../ip/address.ts'
import { parseRange } from '../../ip/prefix.ts'
import type { ChildConfig, TrafficSelectorConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'

/** The selectors of both ends, as they are negotiated. */
export interface ResolvedSelectors {
  readonly localTs: readonly TrafficSelectorConfig[]
  readonly remoteTs: readonly TrafficSelectorConfig[]
}

/** True when selectors of the child depend on addresses that only the IKE_SA knows. */
export const isDynamic = ({ localTs, remoteTs }: ResolvedSelectors): boolean =>
  localTs.some(({ dynamic }) => dynamic === true) || remoteTs.some(({ dynamic }) => dynamic === true)

/** True while an initiator does not know yet which address it gets. */
const awaitsAddress = ({ connection, beganAs, virtualIps }: IkeSa): boolean =>
  beganAs === 'initiator' && virtualIps.length === 0 && (connection.local.virtualIps ?? []).length > 0

/**
 * The child's selectors with addresses in the place of `dynamic`: the virtual ones of that end, else the one of the path. `as`: what the
 * CHILD_SA that is rekeyed has, and keeps, wherever the peers are by then (RFC 7296 §2.9.2).
 */
export function resolvedSelectors(sa: IkeSa, child: ChildConfig, as?: ResolvedSelectors): ResolvedSelectors {
  if (!isDynamic(child)) return child
  if (as !== undefined) return as
  const { virtualIps, assignedIps, path } = sa
  return {
    localTs: resolve(child.localTs, virtualIps.length > 0 ? virtualIps : [path.local.address]),
    remoteTs: resolve(child.remoteTs, assignedIps.length > 0 ? assignedIps : [path.remote.address]),
  }
}

/**
 * What an initiator offers: the same, but before it has its address, any one of the families that it asks for. The responder
 * narrows it to the one that it gives. RFC 7296 §2.19.
 */
export function selectorsToOffer(sa: IkeSa, child: ChildConfig, as?: ResolvedSelectors): ResolvedSelectors {
  const resolved = resolvedSelectors(sa, child, as)
  if (as !== undefined || !awaitsAddress(sa)) return resolved
  return { ...resolved, localTs: child.localTs.flatMap((selector) => anyOf(sa, selector)) }
}

/** For packets before there is an IKE_SA: what its CHILD_SA may come to. */
export function selectorsOfTrap(
  child: ChildConfig,
  asked: readonly IpAddress[],
  path: { readonly local: IpAddress; readonly remote: IpAddress },
): ResolvedSelectors {
  if (!isDynamic(child)) return child
  const localTs =
    asked.length === 0 ? resolve(child.localTs, [path.local]) : child.localTs.flatMap((one) => widen(one, asked))
  return { localTs, remoteTs: resolve(child.remoteTs, [path.remote]) }
}

const anyOf = (sa: IkeSa, selector: TrafficSelectorConfig): TrafficSelectorConfig[] =>
  widen(selector, sa.connection.local.virtualIps ?? [])

function widen(selector: TrafficSelectorConfig, asked: readonly IpAddress[]): TrafficSelectorConfig[] {
  if (selector.dynamic !== true) return [selector]
  const families = [...new Set(asked.map(({ length }) => length))]
  return families.map((bytes) => {
    const { start: startAddress, end: endAddress } = parseRange(bytes === 4 ? '0.0.0.0/0' : '::/0')
    return withAddresses(selector, startAddress, endAddress)
  })
}

const resolve = (
  selectors: readonly TrafficSelectorConfig[],
  addresses: readonly IpAddress[],
): readonly TrafficSelectorConfig[] =>
  selectors.flatMap((selector) =>
    selector.dynamic === true ? addresses.map((address) => withAddresses(selector, address, address)) : [selector],
  )

function withAddresses(
  { protocol, startPort, endPort }: TrafficSelectorConfig,
  startAddress: IpAddress,
  endAddress: IpAddress,
): TrafficSelectorConfig {
  return { startAddress, endAddress, protocol, startPort, endPort }
}
