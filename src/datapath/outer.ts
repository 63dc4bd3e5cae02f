/**
 * What an outer IP header says, apart from addresses: for a packet to be sent, what it is to say; for a received one, what it said.
 * One record, filled anew for each packet, so whoever keeps something of it copies it.
 */
export interface OuterFields {
  /** DSCP in the upper six bits, ECN in the lower two: IPv4's type of service, IPv6's traffic class. -1 for not known. */
  trafficClass: number
  /** TTL or hop limit; 0 for the system's default, or not known. */
  hopLimit: number
  /** IPv4's DF. IPv6 is never fragmented on its way, so there it says that we must not either. */
  dontFragment: boolean
  /** IPv6's, 20 bits; 0 for none. */
  flowLabel: number
  /**
   * IPv4 options or IPv6 extension headers of a packet in transport mode: so many octets right in front of the ESP packet in its
   * buffer. 0 unless `headerOptions` is `carry`. RFC 4303 §3.1.1.
   */
  optionBytes: number
  /** IPv6: what the octets in front begin with, for the next header field; 50 when there are none. */
  firstHeader: number
}

export const newOuterFields = (): OuterFields => ({
  trafficClass: 0,
  hopLimit: 0,
  dontFragment: false,
  flowLabel: 0,
  optionBytes: 0,
  firstHeader: 50,
})

/** Of a packet that stands for no inner one: nothing of its own, and it must not be fragmented. */
export function fillDummyOuter(outer: OuterFields): void {
  outer.trafficClass = 0
  outer.hopLimit = 0
  outer.dontFragment = true
  outer.flowLabel = 0
  outer.optionBytes = 0
  outer.firstHeader = 50
}

/** For whoever cannot tell: an outer header of which nothing is known. */
export const unknownOuter: Readonly<OuterFields> = Object.freeze({ ...newOuterFields(), trafficClass: -1 })
