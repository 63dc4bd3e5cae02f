import type { IpAddress } from '../ip/index.ts'

/** What a datapath does the same way for all states. Everything has a default. */
export interface DatapathOptions {
  /**
   * Fragments behind the first carry no ports. `match`: only selectors with any port, or with OPAQUE, are theirs. `stateful`: those of their
   * first fragment, when that came before them. `drop`: they go nowhere. Default `match`. RFC 4301 §7.
   */
  readonly fragments?: 'match' | 'stateful' | 'drop'
  /**
   * IPv4 options, and IPv6 extension headers that stand in front of ESP, of packets in transport mode. `refuse`: such a packet is dropped.
   * `drop`: it goes without them, a routing header excepted. `carry`: they stand in front of the ESP packet, for a sender
   * that writes IP headers itself. Default `refuse`, since a kernel that writes the header cannot be given them.
   */
  readonly headerOptions?: 'refuse' | 'drop' | 'carry'
  /** `flow`: outer IPv6 packets of one inner flow have one label (RFC 6438). `none`: no label. Default `flow`. */
  readonly flowLabels?: 'flow' | 'none'
  /** Where our ICMP errors come from; by default from the destination of the packet that they are about. */
  readonly icmpSource?: { readonly ipv4?: IpAddress; readonly ipv6?: IpAddress }
}
