import type { EncryptedDns } from '../../ike/config-payload/configuration.ts'
import type { AddressRange, IpAddress } from '../../ip/index.ts'

/** What a peer's configuration payload gave us, or, as responder, what we gave the peer. RFC 7296 §3.15, RFC 8598. */
export interface Pushed {
  readonly role: 'initiator' | 'responder'
  /** Ours as initiator, the peer's as responder. */
  readonly addresses: readonly IpAddress[]
  readonly dns: readonly IpAddress[]
  /** Names whose questions go to `dns`; none: all questions do. */
  readonly domains: readonly string[]
  /** What is behind the gateway. */
  readonly subnets: readonly AddressRange[]
  /** Resolvers that are asked over TLS, HTTPS or QUIC, the first one first. RFC 9464. */
  readonly encryptedDns?: readonly EncryptedDns[]
  /** NetBIOS name servers. */
  readonly nbns?: readonly IpAddress[]
  /** Of the network that the IPv4 address is in. */
  readonly netmask?: IpAddress | undefined
}

export const nothingPushed: Pushed = { role: 'initiator', addresses: [], dns: [], domains: [], subnets: [] }
