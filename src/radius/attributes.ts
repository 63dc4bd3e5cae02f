import { concat, readU32, writeU32 } from '../bytes/index.ts'
import type { RadiusAttribute } from './packet.ts'

/** RFC 2865 §5, RFC 2866 §5, RFC 2869 §5, RFC 3162 §2, RFC 3579 §3, RFC 5176 §3, RFC 6911 §3. */
export const RadiusType = {
  'User-Name': 1,
  'NAS-IP-Address': 4,
  'NAS-Port': 5,
  'Service-Type': 6,
  'Framed-IP-Address': 8,
  'Filter-Id': 11,
  'Framed-MTU': 12,
  'Reply-Message': 18,
  'Framed-Route': 22,
  State: 24,
  Class: 25,
  'Vendor-Specific': 26,
  'Session-Timeout': 27,
  'Idle-Timeout': 28,
  'Called-Station-Id': 30,
  'Calling-Station-Id': 31,
  'NAS-Identifier': 32,
  'Acct-Status-Type': 40,
  'Acct-Delay-Time': 41,
  'Acct-Input-Octets': 42,
  'Acct-Output-Octets': 43,
  'Acct-Session-Id': 44,
  'Acct-Authentic': 45,
  'Acct-Session-Time': 46,
  'Acct-Input-Packets': 47,
  'Acct-Output-Packets': 48,
  'Acct-Terminate-Cause': 49,
  'Acct-Input-Gigawords': 52,
  'Acct-Output-Gigawords': 53,
  'Event-Timestamp': 55,
  'NAS-Port-Type': 61,
  'EAP-Message': 79,
  'Message-Authenticator': 80,
  'Acct-Interim-Interval': 85,
  'NAS-Port-Id': 87,
  'NAS-IPv6-Address': 95,
  'Framed-IPv6-Prefix': 97,
  'Framed-IPv6-Route': 99,
  'Error-Cause': 101,
  'Framed-IPv6-Address': 168,
  'DNS-Server-IPv6-Address': 169,
} as const

/** Microsoft's enterprise number and its attributes. RFC 2548. */
export const microsoft = {
  vendor: 311,
  'MS-MPPE-Send-Key': 16,
  'MS-MPPE-Recv-Key': 17,
  'MS-Primary-DNS-Server': 28,
  'MS-Secondary-DNS-Server': 29,
} as const

export const textAttribute = (type: number, text: string): RadiusAttribute => ({
  type,
  value: new TextEncoder().encode(text).subarray(0, 253),
})

/** 32 bits. */
export function numberAttribute(type: number, value: number): RadiusAttribute {
  const octets = new Uint8Array(4)
  writeU32(octets, 0, value >>> 0)
  return { type, value: octets }
}

/** The first value of a type, borrowed. */
export const radiusValue = (attributes: readonly RadiusAttribute[], type: number): Uint8Array | undefined =>
  attributes.find((attribute) => attribute.type === type)?.value

/** All values of a type in order, borrowed. */
export const radiusValues = (attributes: readonly RadiusAttribute[], type: number): readonly Uint8Array[] =>
  attributes.filter((attribute) => attribute.type === type).map(({ value }) => value)

/** A number of 32 bits, undefined where it is not there or has another length. */
export function radiusNumber(attributes: readonly RadiusAttribute[], type: number): number | undefined {
  const value = radiusValue(attributes, type)
  return value?.length === 4 ? readU32(value, 0) : undefined
}

/** Text of a type; of several, one after another. */
export function radiusText(attributes: readonly RadiusAttribute[], type: number): string | undefined {
  const values = radiusValues(attributes, type)
  return values.length === 0 ? undefined : new TextDecoder().decode(concat(...values))
}

/** An EAP packet in pieces of 253 octets. RFC 3579 §3.1. */
export function eapMessageAttributes(packet: Uint8Array): readonly RadiusAttribute[] {
  const attributes: RadiusAttribute[] = []
  for (let at = 0; at < packet.length; at += 253) {
    attributes.push({ type: RadiusType['EAP-Message'], value: packet.subarray(at, at + 253) })
  }
  return attributes
}

/** The EAP packet of all EAP-Message attributes, copied; undefined without any. RFC 3579 §3.1. */
export function eapMessage(attributes: readonly RadiusAttribute[]): Uint8Array | undefined {
  const pieces = radiusValues(attributes, RadiusType['EAP-Message'])
  return pieces.length === 0 ? undefined : concat(...pieces)
}

/** Values of a vendor's attribute, borrowed; a Vendor-Specific attribute may hold several. RFC 2865 §5.26. */
export function vendorValues(
  attributes: readonly RadiusAttribute[],
  vendor: number,
  vendorType: number,
): readonly Uint8Array[] {
  const values: Uint8Array[] = []
  for (const value of radiusValues(attributes, RadiusType['Vendor-Specific'])) {
    if (value.length < 6 || readU32(value, 0) !== vendor) continue
    for (let at = 4; at + 2 <= value.length; ) {
      const length = value[at + 1]!
      if (length < 2 || at + length > value.length) break
      if (value[at] === vendorType) values.push(value.subarray(at + 2, at + length))
      at += length
    }
  }
  return values
}
