import { equalBytes } from '../../bytes/index.ts'
import type { ChildConfig, TrafficSelectorConfig } from '../config.ts'
import { toXfrmSelectors } from '../negotiation/traffic-selector.ts'

// What both sides of a negotiation ask of the traffic selectors of one CHILD_SA.

/** True for a single address. */
export const isSingle = ({ startAddress, endAddress }: TrafficSelectorConfig): boolean =>
  equalBytes(startAddress, endAddress)

/** Each pair of a local and a remote selector is three policies, which a peer could otherwise ask for by ten thousands. */
export const mostPairs = ({ localTs, remoteTs }: ChildConfig): number => Math.max(64, localTs.length * remoteTs.length)

/** True when no packet fits both sides: one of them is empty, or they differ in family or protocol. RFC 7296 §2.9 wants TS_UNACCEPTABLE. */
export const selectsNothing = (
  localTs: readonly TrafficSelectorConfig[],
  remoteTs: readonly TrafficSelectorConfig[],
): boolean => toXfrmSelectors(localTs, remoteTs, 'out').length === 0

/** Selectors of a payload borrow the datagram's octets; installed ones must not. */
export const copySelectors = (selectors: readonly TrafficSelectorConfig[]): TrafficSelectorConfig[] =>
  selectors.map((selector) => {
    const startAddress = selector.startAddress.slice()
    return { ...selector, startAddress, endAddress: isSingle(selector) ? startAddress : selector.endAddress.slice() }
  })
