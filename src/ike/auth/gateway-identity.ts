import { concat, equalBytes } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'
import { formatIp, type IpAddress, parseIp } from '../../ip/address.ts'

/** IANA "IKEv2 Gateway Identity Types". RFC 5685 §10. */
const GatewayType = { IPV4: 1, IPV6: 2, FQDN: 3 } as const

/** A gateway to go to, or where one comes from: an address, or a host name in ASCII. */
export type Gateway =
  | { readonly address: IpAddress; readonly name?: undefined }
  | { readonly address?: undefined; readonly name: string }

/** From the configuration: an IP address or a host name. Throws `UsageError`. */
export function parseGateway(text: string): Gateway {
  if (hostName.test(text)) return { name: text }
  try {
    return { address: parseIp(text) }
  } catch {
    throw new UsageError('gateway', `"${text}" is neither an IP address nor a host name`)
  }
}

export const formatGateway = ({ address, name }: Gateway): string => (address === undefined ? name : formatIp(address))

export const isSameGateway = (a: Gateway, b: Gateway): boolean =>
  a.address !== undefined && b.address !== undefined
    ? equalBytes(a.address, b.address)
    : a.name !== undefined && a.name.toLowerCase() === b.name?.toLowerCase()

/**
 * Data of REDIRECT and REDIRECTED_FROM; `nonce` stands behind it in IKE_SA_INIT. RFC 5685 §7.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | GW Ident Type |  GW Ident Len |                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               ~
 * ~                   New Responder GW Identity                   ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                        Nonce Data                             ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function encodeGateway(gateway: Gateway, nonce: Uint8Array = new Uint8Array(0)): Uint8Array {
  const { address, name } = gateway
  const identity = address ?? Uint8Array.from(name, (character) => character.charCodeAt(0))
  const type = address === undefined ? GatewayType.FQDN : address.length === 4 ? GatewayType.IPV4 : GatewayType.IPV6
  return concat(Uint8Array.of(type, identity.length), identity, nonce)
}

/** The same from a peer, copied; undefined when it is malformed, or of a kind that nobody can go to. */
export function decodeGateway(data: Uint8Array): { readonly gateway: Gateway; readonly nonce: Uint8Array } | undefined {
  const [type, length] = data
  if (type === undefined || length === undefined || data.length < 2 + length) return undefined
  const identity = data.slice(2, 2 + length)
  const gateway = gatewayOf(type, identity)
  return gateway === undefined ? undefined : { gateway, nonce: data.slice(2 + length) }
}

function gatewayOf(type: number, identity: Uint8Array): Gateway | undefined {
  const isUsable = identity.some((octet) => octet !== 0)
  if (type === GatewayType.IPV4 && identity.length === 4 && isUsable) return { address: identity }
  if (type === GatewayType.IPV6 && identity.length === 16 && isUsable) return { address: identity }
  if (type !== GatewayType.FQDN) return undefined
  const name = String.fromCharCode(...identity)
  return hostName.test(name) ? { name } : undefined
}

/** RFC 1123 §2.1, with a last label that is no number, so that it is not taken for an address; 1 to 253 characters. */
const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const hostName = new RegExp(`^(?=.{1,253}$)(${label}\\.)*(?![0-9]+\\.?$)${label}\\.?$`)
