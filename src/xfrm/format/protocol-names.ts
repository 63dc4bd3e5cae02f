/** Protocols by the numbers of IANA, with the names that Debian's /etc/protocols gives them. */
const protocolNames = new Map<number, string>([
  ...([
    [0, 'ip'],
    [1, 'icmp'],
    [2, 'igmp'],
    [3, 'ggp'],
    [4, 'ipencap'],
    [5, 'st'],
    [6, 'tcp'],
    [8, 'egp'],
  ] as const),
  ...([
    [9, 'igp'],
    [12, 'pup'],
    [17, 'udp'],
    [20, 'hmp'],
    [22, 'xns-idp'],
    [27, 'rdp'],
    [29, 'iso-tp4'],
  ] as const),
  ...([
    [33, 'dccp'],
    [36, 'xtp'],
    [37, 'ddp'],
    [38, 'idpr-cmtp'],
    [41, 'ipv6'],
    [43, 'ipv6-route'],
  ] as const),
  ...([
    [44, 'ipv6-frag'],
    [45, 'idrp'],
    [46, 'rsvp'],
    [47, 'gre'],
    [50, 'esp'],
    [51, 'ah'],
    [57, 'skip'],
  ] as const),
  ...([
    [58, 'ipv6-icmp'],
    [59, 'ipv6-nonxt'],
    [60, 'ipv6-opts'],
    [73, 'rspf'],
    [81, 'vmtp'],
  ] as const),
  ...([
    [88, 'eigrp'],
    [89, 'ospf'],
    [93, 'ax.25'],
    [94, 'ipip'],
    [97, 'etherip'],
    [98, 'encap'],
  ] as const),
  ...([
    [103, 'pim'],
    [108, 'ipcomp'],
    [112, 'vrrp'],
    [115, 'l2tp'],
    [124, 'isis'],
    [132, 'sctp'],
  ] as const),
  ...([
    [133, 'fc'],
    [135, 'mobility-header'],
    [136, 'udplite'],
    [137, 'mpls-in-ip'],
    [138, 'manet'],
  ] as const),
  ...([
    [139, 'hip'],
    [140, 'shim6'],
    [141, 'wesp'],
    [142, 'rohc'],
    [143, 'ethernet'],
  ] as const),
])

/** The name of what IP carries, or its number. */
export const protocolName = (protocol: number): string => protocolNames.get(protocol) ?? String(protocol)

const xfrmProtocolNames = new Map([
  [50, 'esp'],
  [51, 'ah'],
  [108, 'comp'],
  [43, 'route2'],
  [60, 'hao'],
  [255, 'ipsec-any'],
])

/** The name of what a state does, or its number. */
export const xfrmProtocolName = (protocol: number): string => xfrmProtocolNames.get(protocol) ?? String(protocol)

/** True for ESP, AH and IPComp, whose states have an SPI. */
export const isIpsec = (protocol: number): boolean => protocol === 50 || protocol === 51 || protocol === 108
