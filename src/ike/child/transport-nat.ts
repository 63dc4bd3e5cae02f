import { equalBytes } from '../../bytes/index.ts'
import type { IpAddress } from '../../ip/address.ts'
import { type AddressRangeSelector, NotifyType, type Payload, type TrafficSelector } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, need } from '../message/notifies.ts'
import { knownTrafficSelectors } from '../negotiation/traffic-selector.ts'
import { isSingle } from './child-selectors.ts'

/** The addresses by which the peer knows both ends, from here. They are in the sums of its packets. */
export interface PeersAddresses {
  readonly local: IpAddress
  readonly remote: IpAddress
}

/** Traffic selectors in transport mode, with the addresses that both ends have for us. RFC 7296 §2.23.1. */
export interface TransportView {
  readonly TSi: readonly AddressRangeSelector[]
  readonly TSr: readonly AddressRangeSelector[]
  /** Undefined where no NAT has changed anything. */
  readonly peers: PeersAddresses | undefined
}

/**
 * A message's traffic selectors as they are meant in transport mode: a NAT's addresses in place of those behind it. Undefined when
 * transport mode is not asked for, cannot be carried, or the selectors are not of one address at each end. Copied. RFC 7296 §2.23.1.
 */
export function transportView(
  sa: IkeSa,
  payloads: readonly Payload[],
  role: 'initiator' | 'responder',
): TransportView | undefined {
  if (sa.runtime.xfrm.carriesTransport !== true) return undefined
  if (findNotify(payloads, NotifyType.USE_TRANSPORT_MODE) === undefined) return undefined
  const TSi = need(payloads, 'TSi').selectors
  const TSr = need(payloads, 'TSr').selectors
  const [ours, theirs] = role === 'initiator' ? [TSi, TSr] : [TSr, TSi]
  const [local, remote] = [soleAddress(ours), soleAddress(theirs)]
  if (local === undefined || remote === undefined) return undefined
  const { path, nat } = sa
  const localTs = between(ours, nat.natLocal ? path.local.address : local)
  const remoteTs = between(theirs, nat.natRemote ? path.remote.address : remote)
  const isSame = equalBytes(local, path.local.address) && equalBytes(remote, path.remote.address)
  return {
    ...(role === 'initiator' ? { TSi: localTs, TSr: remoteTs } : { TSi: remoteTs, TSr: localTs }),
    peers: isSame ? undefined : { local: local.slice(), remote: remote.slice() },
  }
}

/** The address of all selectors; undefined when there are several, or ranges. */
function soleAddress(selectors: readonly TrafficSelector[]): IpAddress | undefined {
  const known = knownTrafficSelectors(selectors)
  const first = known[0]?.startAddress
  const isSole = known.every((one) => isSingle(one) && equalBytes(one.startAddress, first!))
  return isSole ? first : undefined
}

/** The selectors with another address; ones of a family that it has not stay as they are, and fit nothing. */
const between = (selectors: readonly TrafficSelector[], address: IpAddress): AddressRangeSelector[] =>
  knownTrafficSelectors(selectors).map((one) => {
    const own = one.startAddress.length === address.length ? address.slice() : one.startAddress.slice()
    return { ...one, startAddress: own, endAddress: own }
  })
