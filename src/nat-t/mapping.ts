import { equalBytes } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'

/** What is known about a packet that came from another outer address or port than its SA has. */
export interface MappingFacts {
  /** Its integrity check passed. */
  readonly authenticated: boolean
  /** It is newer than every packet before it: it moved the replay window's top, or has the highest message id. */
  readonly newest: boolean
  /** A NAT was found in front of us. */
  readonly natLocal: boolean
  /** A NAT was found in front of the peer. */
  readonly natRemote: boolean
}

/**
 * Whether to send to where the packet came from. The peer behind a NAT is followed, by us who are not behind one (two hosts
 * that both follow could be led away by whoever redirects one packet), and only for a packet that is authentic and newer
 * than all before: an attacker who replays an old packet from his address must not get our traffic. RFC 7296 §2.23.
 */
export function followsMapping(facts: MappingFacts): boolean {
  return facts.authenticated && facts.newest && facts.natRemote && !facts.natLocal
}

/** True when the two outer endpoints differ in address or port. Borrowed; no allocation. */
export function endpointChanged(addressA: IpAddress, portA: number, addressB: IpAddress, portB: number): boolean {
  return portA !== portB || !equalBytes(addressA, addressB)
}
