import type { XfrmSelector } from '../../xfrm/port.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import { encodeResourceInfo } from '../codec/resource-info.ts'
import type { ChildConfig, TrafficSelectorConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from '../message/notifies.ts'
import type { PeersAddresses } from './transport-nat.ts'

/** What both sides agreed on for a CHILD_SA besides keys and algorithms; copied. */
export interface ChildTerms {
  readonly localTs: readonly TrafficSelectorConfig[]
  readonly remoteTs: readonly TrafficSelectorConfig[]
  readonly mode: 'tunnel' | 'transport'
  /** The peer discards padding for traffic flow confidentiality. RFC 7296 §1.3.1, RFC 4303 §2.7. */
  readonly peerTakesTfc: boolean
  /** The responder cut the offer, and would take more of it in further CHILD_SAs. RFC 7296 §2.9. */
  readonly moreTs: boolean
  /** Transport mode through a NAT: how the peer knows the ends. RFC 7296 §2.23.1. */
  readonly peers?: PeersAddresses
  /** Both sides would have more CHILD_SAs for the same traffic, one for each worker. RFC 9611. */
  readonly forWorkers?: boolean
  /** Our worker, of a CHILD_SA that is for one. */
  readonly worker?: number | undefined
}

/** The notifies of our request for a CHILD_SA. RFC 7296 §1.3.1. */
// N(USE_TRANSPORT_MODE), N(SA_RESOURCE_INFO)
export const termsOffered = (config: ChildConfig, worker?: number): Payload[] => [
  ...(config.mode === 'transport' ? [notify(NotifyType.USE_TRANSPORT_MODE)] : []),
  ...(config.workers === undefined ? [] : [resourceInfo(worker)]),
]

/** What the answer to it says. A peer that does not confirm transport mode has chosen tunnel mode. */
export function termsOfAnswer(
  config: ChildConfig,
  payloads: readonly Payload[],
): Omit<ChildTerms, 'localTs' | 'remoteTs' | 'peers'> {
  const has = (type: number) => findNotify(payloads, type) !== undefined
  return {
    mode: config.mode === 'transport' && has(NotifyType.USE_TRANSPORT_MODE) ? 'transport' : 'tunnel',
    peerTakesTfc: !has(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED),
    moreTs: has(NotifyType.ADDITIONAL_TS_POSSIBLE),
    forWorkers: config.workers !== undefined && has(NotifyType.SA_RESOURCE_INFO),
  }
}

/** What a responder makes of the peer's notifies: transport mode where both want it and it can be carried. */
export function termsForRequest(
  sa: IkeSa,
  config: ChildConfig,
  payloads: readonly Payload[],
): Pick<ChildTerms, 'mode' | 'peerTakesTfc' | 'forWorkers'> {
  const has = (type: number) => findNotify(payloads, type) !== undefined
  const isTransport = config.mode === 'transport' && sa.runtime.xfrm.carriesTransport === true
  return {
    mode: isTransport && has(NotifyType.USE_TRANSPORT_MODE) ? 'transport' : 'tunnel',
    peerTakesTfc: !has(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED),
    forWorkers: config.workers !== undefined && has(NotifyType.SA_RESOURCE_INFO),
  }
}

/** The notifies of our answer. RFC 7296 §1.3.1, §2.9, RFC 9611. */
// N(USE_TRANSPORT_MODE), N(ADDITIONAL_TS_POSSIBLE), N(SA_RESOURCE_INFO)
export const termsAnswered = ({
  mode,
  moreTs,
  forWorkers,
  worker,
}: Pick<ChildTerms, 'mode' | 'moreTs' | 'forWorkers' | 'worker'>): Payload[] => [
  ...(mode === 'transport' ? [notify(NotifyType.USE_TRANSPORT_MODE)] : []),
  ...(moreTs ? [notify(NotifyType.ADDITIONAL_TS_POSSIBLE)] : []),
  ...(forWorkers === true ? [resourceInfo(worker)] : []),
]

const resourceInfo = (worker: number | undefined): Payload =>
  notify(NotifyType.SA_RESOURCE_INFO, encodeResourceInfo(worker))

/** The packet that asks for a CHILD_SA. */
export interface Trigger {
  readonly packet: XfrmSelector
  /** The peer wants no more than this one pair of addresses. */
  readonly alone: boolean
}

/** A payload holds no more (RFC 7296 §3.13). */
const MOST_SELECTORS = 255

/** What an initiator offers: the packet that asks first, very specific, then all that is configured. RFC 7296 §2.9. */
export function offeredSelectors(
  config: ChildConfig,
  trigger: Trigger | undefined,
): Pick<ChildTerms, 'localTs' | 'remoteTs'> {
  if (trigger === undefined || !config.triggerTs) return config
  const { local, remote } = triggerSelectors(trigger.packet)
  if (trigger.alone) return { localTs: [local], remoteTs: [remote] }
  return {
    localTs: [local, ...config.localTs].slice(0, MOST_SELECTORS),
    remoteTs: [remote, ...config.remoteTs].slice(0, MOST_SELECTORS),
  }
}

/** The packet as selectors of both ends. */
function triggerSelectors(packet: XfrmSelector): {
  readonly local: TrafficSelectorConfig
  readonly remote: TrafficSelectorConfig
} {
  const { source, destination, protocol, sourcePort } = packet
  // ICMP has its type and code in place of a source port, and they belong to both ends (RFC 7296 §3.13.1).
  const isPorted = packet.destinationPort.first === packet.destinationPort.last
  const remotePort = isPorted ? packet.destinationPort : sourcePort
  return {
    local: {
      startAddress: source.start,
      endAddress: source.end,
      protocol,
      startPort: sourcePort.first,
      endPort: sourcePort.last,
    },
    remote: {
      startAddress: destination.start,
      endAddress: destination.end,
      protocol,
      startPort: remotePort.first,
      endPort: remotePort.last,
    },
  }
}
