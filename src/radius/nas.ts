import { formatSocketAddress, type IpAddress, type SocketAddress } from '../ip/address.ts'
import { numberAttribute, RadiusType, textAttribute } from './attributes.ts'
import type { RadiusAttribute } from './packet.ts'
import { addressAttribute } from './session-data.ts'

/** Who we are for RADIUS: the network access server. RFC 2865 §4.1 asks for an identifier or an address. */
export interface RadiusNas {
  readonly identifier: string
  readonly address?: IpAddress
}

/** The peer as RADIUS sees it. */
export interface RadiusPort {
  readonly remote: SocketAddress
  /** For NAS-Port-Id. */
  readonly connection: string
}

/** What all requests about one peer say: who we are, who it is, and that the port is virtual. RFC 2865 §5.41, RFC 3579 §3. */
export const nasAttributes = (nas: RadiusNas, port: RadiusPort): readonly RadiusAttribute[] => [
  ...nasIdentity(nas),
  numberAttribute(RadiusType['NAS-Port-Type'], virtualPort),
  numberAttribute(RadiusType['Service-Type'], framedService),
  textAttribute(RadiusType['NAS-Port-Id'], port.connection),
  textAttribute(RadiusType['Calling-Station-Id'], formatSocketAddress(port.remote)),
]

/** Who we are alone. */
export const nasIdentity = ({ identifier, address }: RadiusNas): readonly RadiusAttribute[] => [
  textAttribute(RadiusType['NAS-Identifier'], identifier),
  ...(address === undefined
    ? []
    : [addressAttribute(RadiusType['NAS-IP-Address'], RadiusType['NAS-IPv6-Address'], address)]),
]

const virtualPort = 5
const framedService = 2
