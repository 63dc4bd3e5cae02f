import { concat, readU32 } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { IpAddress } from '../ip/address.ts'
import { parseRange, prefixLength } from '../ip/prefix.ts'
import type { AddressRange } from '../ip/range.ts'
import {
  microsoft,
  RadiusType,
  radiusNumber,
  radiusText,
  radiusValue,
  radiusValues,
  vendorValues,
} from './attributes.ts'
import type { RadiusAttribute } from './packet.ts'

/** What an Access-Accept says about the session. */
export interface RadiusSession {
  /** Whom the server means: for accounting, and to be told by. RFC 2865 §5.1. */
  readonly userName: string | undefined
  /** Framed-IP-Address, Framed-IPv6-Address or a Framed-IPv6-Prefix of 128 bits: one of each family at most. */
  readonly addresses: readonly IpAddress[]
  readonly nameServers: readonly IpAddress[]
  /** Networks behind us: Framed-Route and Framed-IPv6-Route, without their gateways. RFC 2865 §5.22, RFC 3162 §2.5. */
  readonly routes: readonly AddressRange[]
  /** Names of filters, for whoever decides about the peer. RFC 2865 §5.11. */
  readonly filterIds: readonly string[]
  /** To be repeated in accounting. RFC 2865 §5.25. */
  readonly classes: readonly Uint8Array[]
  /** Seconds until the session has to end or prove itself anew, undefined for no limit. RFC 2865 §5.27. */
  readonly sessionTimeout: number | undefined
  /** Seconds without traffic. RFC 2865 §5.28. */
  readonly idleTimeout: number | undefined
  /** Seconds between interim accounting, 60 at least. RFC 2869 §5.16. */
  readonly interimInterval: number | undefined
  /** For people. RFC 2865 §5.18. */
  readonly replyMessage: string | undefined
}

/** Reads an Access-Accept's attributes; octets are copied. What cannot be read is passed over. */
export function radiusSession(attributes: readonly RadiusAttribute[]): RadiusSession {
  const interval = radiusNumber(attributes, RadiusType['Acct-Interim-Interval'])
  return {
    userName: radiusText(attributes, RadiusType['User-Name']),
    addresses: addressesOf(attributes),
    nameServers: [
      ...vendorValues(attributes, microsoft.vendor, microsoft['MS-Primary-DNS-Server']),
      ...vendorValues(attributes, microsoft.vendor, microsoft['MS-Secondary-DNS-Server']),
      ...radiusValues(attributes, RadiusType['DNS-Server-IPv6-Address']),
    ]
      .filter(({ length }) => length === 4 || length === 16)
      .map((address) => address.slice()),
    routes: [RadiusType['Framed-Route'], RadiusType['Framed-IPv6-Route']].flatMap((type) =>
      radiusValues(attributes, type).flatMap((value) => routeOf(new TextDecoder().decode(value)) ?? []),
    ),
    filterIds: radiusValues(attributes, RadiusType['Filter-Id']).map((value) => new TextDecoder().decode(value)),
    classes: radiusValues(attributes, RadiusType.Class).map((value) => value.slice()),
    sessionTimeout: radiusNumber(attributes, RadiusType['Session-Timeout']),
    idleTimeout: radiusNumber(attributes, RadiusType['Idle-Timeout']),
    interimInterval: interval === undefined ? undefined : Math.max(60, interval),
    replyMessage: radiusText(attributes, RadiusType['Reply-Message']),
  }
}

function addressesOf(attributes: readonly RadiusAttribute[]): readonly IpAddress[] {
  const addresses: IpAddress[] = []
  const ipv4 = radiusValue(attributes, RadiusType['Framed-IP-Address'])
  // 255.255.255.255 and .254: the user or the NAS chooses. RFC 2865 §5.8.
  if (ipv4?.length === 4 && readU32(ipv4, 0) < 0xfffffffe) addresses.push(ipv4.slice())
  const ipv6 = radiusValue(attributes, RadiusType['Framed-IPv6-Address'])
  const prefix = radiusValue(attributes, RadiusType['Framed-IPv6-Prefix'])
  if (ipv6?.length === 16) addresses.push(ipv6.slice())
  // Reserved, Prefix-Length, Prefix. RFC 3162 §2.3.
  else if (prefix?.length === 18 && prefix[1] === 128) addresses.push(prefix.slice(2))
  return addresses
}

/** `192.168.1.0/24 192.168.1.1 1`: a prefix, and what is of no use here. An address alone is a host. */
function routeOf(text: string): AddressRange | undefined {
  const [prefix = ''] = text.trim().split(/\s/)
  try {
    const range = parseRange(prefix)
    return prefixLength(range) < 0 ? undefined : range
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}

/** An address as the attribute of its family: `NAS-IP-Address` and its like. */
export const addressAttribute = (ipv4: number, ipv6: number, address: IpAddress): RadiusAttribute => ({
  type: address.length === 4 ? ipv4 : ipv6,
  value: address.slice(),
})

/** The Framed-IP-Address and Framed-IPv6-Prefix that a session has. RFC 2865 §5.8, RFC 3162 §2.3. */
export const framedAttributes = (addresses: readonly IpAddress[]): readonly RadiusAttribute[] =>
  addresses.map((address) =>
    address.length === 4
      ? { type: RadiusType['Framed-IP-Address'], value: address.slice() }
      : { type: RadiusType['Framed-IPv6-Prefix'], value: concat(Uint8Array.of(0, 128), address) },
  )
