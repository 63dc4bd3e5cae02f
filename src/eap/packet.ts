import { Reader, Writer } from '../bytes/index.ts'

/** RFC 3748 §4. */
export const EapCode = { Request: 1, Response: 2, Success: 3, Failure: 4 } as const

/** The Types that have a name here; any other number is kept. RFC 3748 §5 and the registry of method types. */
export const EapType = {
  Identity: 1,
  Notification: 2,
  Nak: 3,
  'MD5-Challenge': 4,
  OTP: 5,
  GTC: 6,
  TLS: 13,
  SIM: 18,
  TTLS: 21,
  AKA: 23,
  PEAP: 25,
  MSCHAPv2: 26,
  TNC: 38,
  FAST: 43,
  'AKA-prime': 50,
  PWD: 52,
  TEAP: 55,
  Expanded: 254,
} as const

/** Largest EAP packet that is taken, octets. A method cuts what is longer (RFC 3748 §3.1); 64 KiB is the field's own end. */
export const maxEapPacketBytes = 65535

export type EapPacket = EapMessage | EapEnd

/** A Request or Response. `data` is what follows the Type; an Expanded Type keeps its Vendor-Id and Vendor-Type there. RFC 3748 §5.7. */
export interface EapMessage {
  readonly code: 1 | 2
  readonly identifier: number
  readonly type: number
  readonly data: Uint8Array
}

/** Success or Failure. */
export interface EapEnd {
  readonly code: 3 | 4
  readonly identifier: number
}

/**
 * Decodes an EAP packet; `data` is borrowed. Octets behind Length are padding of the layer below. Throws `DecodeError`, also for
 * a Code other than 1 to 4. RFC 3748 §4:
 *
 *      0                   1                   2                   3
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Code      |  Identifier   |            Length             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Type      |  Type-Data ...
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
 */
export function decodeEapPacket(octets: Uint8Array): EapPacket {
  const whole = new Reader(octets, 'EAP packet', 'RFC 3748 §4')
  const code = whole.u8('Code')
  const identifier = whole.u8('Identifier')
  const length = whole.u16('Length')
  if (length < 4) whole.fail(`Length ${length} is less than a header`)
  const body = whole.sub(length - 4, 'EAP packet', 'RFC 3748 §4')
  switch (code) {
    case EapCode.Request:
    case EapCode.Response:
      return { code, identifier, type: body.u8('Type'), data: body.rest() }
    case EapCode.Success:
    case EapCode.Failure:
      body.end()
      return { code, identifier }
    default:
      return whole.fail(`unknown Code ${code}`)
  }
}

/** The octets of a packet, copied. */
export function encodeEapPacket(packet: EapPacket): Uint8Array {
  const writer = new Writer(64).u8(packet.code).u8(packet.identifier).u16(0)
  if ('type' in packet) writer.u8(packet.type).bytes(packet.data)
  writer.patchU16(2, writer.position)
  return writer.finish()
}

/**
 * The Types that a Nak or an Expanded Nak asks for instead, without the 0 that means "none"; Expanded Types of vendors are passed
 * over. RFC 3748 §5.3.1, §5.3.2.
 */
export function nakTypes(packet: EapMessage): readonly number[] {
  if (packet.type === EapType.Nak) return [...packet.data].filter((type) => type !== 0)
  const reader = new Reader(packet.data, 'EAP Expanded Nak', 'RFC 3748 §5.3.2')
  reader.skip(expandedNak.length, 'Vendor-Id and Vendor-Type')
  const types: number[] = []
  while (reader.remaining > 0) {
    reader.skip(1, 'Type')
    const vendor = (reader.u8('Vendor-Id') << 16) | reader.u16('Vendor-Id')
    const type = reader.u32('Vendor-Type')
    if (vendor === 0 && type !== 0 && type < 254) types.push(type)
  }
  return types
}

/** True for a Nak and for an Expanded Nak. */
export const isNak = (packet: EapMessage): boolean =>
  packet.type === EapType.Nak ||
  (packet.type === EapType.Expanded && expandedNak.every((octet, at) => packet.data[at] === octet))

/** Type-Data that begins an Expanded Nak: Vendor-Id 0, Vendor-Type 3. RFC 3748 §5.3.2. */
export const expandedNak: Uint8Array = Uint8Array.of(0, 0, 0, 0, 0, 0, 3)

const typeNames = new Map<number, string>(Object.entries(EapType).map(([name, type]) => [type, name]))

/** For messages: `MSCHAPv2 (26)`, or the number alone. */
export const eapTypeName = (type: number): string => {
  const name = typeNames.get(type)
  return name === undefined ? `type ${type}` : `${name} (${type})`
}
