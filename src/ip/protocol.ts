/** IANA protocol numbers that the library itself looks at, as in the IPv4 protocol and IPv6 next header fields. */
export const IpProtocol = {
  HOP_BY_HOP: 0,
  ICMP: 1,
  /** IPv4 in something (RFC 2003): the next header of an ESP tunnel with IPv4 inside. */
  IPV4: 4,
  TCP: 6,
  UDP: 17,
  DCCP: 33,
  /** IPv6 in something (RFC 2473): the next header of an ESP tunnel with IPv6 inside. */
  IPV6: 41,
  ROUTING: 43,
  FRAGMENT: 44,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  /** Nothing follows; an ESP dummy packet (RFC 4303 §2.6). */
  NO_NEXT_HEADER: 59,
  DESTINATION_OPTIONS: 60,
  /** IPv4 options in front of what follows, in ESP's BEET mode. */
  BEET: 94,
  SCTP: 132,
  MOBILITY: 135,
  UDP_LITE: 136,
} as const

/** True for ICMP and ICMPv6. */
export function isIcmp(protocol: number): boolean {
  return protocol === IpProtocol.ICMP || protocol === IpProtocol.ICMPV6
}

/** True for the protocols whose header begins with a 16-bit source and a 16-bit destination port. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === IpProtocol.TCP ||
    protocol === IpProtocol.UDP ||
    protocol === IpProtocol.SCTP ||
    protocol === IpProtocol.DCCP ||
    protocol === IpProtocol.UDP_LITE
  )
}
