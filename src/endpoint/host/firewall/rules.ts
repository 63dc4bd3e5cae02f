import { containsAddress, formatIp, formatRange, intersectRanges, parseRange } from '../../../ip/index.ts'
import type { AddressRange, PortRange } from '../../../xfrm/port.ts'
import { formatPrefix, prefixesOfRange } from '../../prefixes.ts'

/** A network that an interface of this machine is in. */
export interface AttachedNetwork {
  readonly device: string
  /** `address/prefix` */
  readonly network: string
}

/** What a peer's own packets in transport mode come through the device for: in clear they are dropped. Protocol 0 is none here. */
export interface HostTraffic {
  readonly peer: Uint8Array
  readonly protocol: number
  /** Seen in the direction of the packets that come. */
  readonly sourcePort: PortRange
  readonly destinationPort: PortRange
}

/** What the rules are made from. */
export interface SpoofingRules {
  /** The TUN device: the only one that packets from the protected networks may come from. */
  readonly device: string
  readonly networks: readonly AddressRange[]
  /** Outer addresses of peers: IKE and ESP come from them, on any interface. */
  readonly peers: readonly Uint8Array[]
  readonly attached: readonly AttachedNetwork[]
  readonly hosts?: readonly HostTraffic[]
}

/** Prefixes as text, by family. */
export interface RuleWords {
  readonly device: string
  readonly drop: readonly string[]
  /** Within a protected network, and all the same from outside. */
  readonly accept: readonly { readonly source: string; readonly device?: string }[]
  /** Dropped though their source is accepted. */
  readonly hosts: readonly HostTraffic[]
}

/** One family's words; nothing to drop when no network is of that family. */
export function wordsOf(rules: SpoofingRules, bytes: 4 | 16): RuleWords {
  const networks = rules.networks.filter(({ start }) => start.length === bytes)
  const drop = unique(networks.flatMap((network) => prefixesOfRange(network).map(formatPrefix)))
  const peers = rules.peers.filter((peer) => networks.some((network) => containsAddress(network, peer)))
  const attached = rules.attached.flatMap(({ device, network }) => {
    const range = parseRange(network)
    const overlaps = networks.some((one) => intersectRanges(one, range) !== undefined)
    return overlaps && device !== rules.device ? [{ device, source: formatRange(range) }] : []
  })
  const accept = [...unique(peers.map(formatIp)).map((source) => ({ source })), ...attached]
  const hosts = (rules.hosts ?? []).filter(({ peer }) => peer.length === bytes)
  return { device: rules.device, drop, accept, hosts }
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)]
