import { Reader, Writer } from '../bytes/index.ts'

/** RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3. */
export const RadiusCode = {
  AccessRequest: 1,
  AccessAccept: 2,
  AccessReject: 3,
  AccountingRequest: 4,
  AccountingResponse: 5,
  AccessChallenge: 11,
  DisconnectRequest: 40,
  DisconnectAck: 41,
  DisconnectNak: 42,
  CoaRequest: 43,
  CoaAck: 44,
  CoaNak: 45,
} as const

/** `value` has at most 253 octets. A Vendor-Specific attribute is type 26. */
export interface RadiusAttribute {
  readonly type: number
  readonly value: Uint8Array
}

export interface RadiusPacket {
  readonly code: number
  readonly identifier: number
  /** 16 octets. */
  readonly authenticator: Uint8Array
  readonly attributes: readonly RadiusAttribute[]
}

/** Largest packet. RFC 2865 §3. */
export const maxRadiusBytes = 4096

/** Octets before the attributes. */
export const radiusHeaderBytes = 20

/**
 * Decodes a packet; octets are borrowed, and those behind Length are padding. Throws `DecodeError`. RFC 2865 §3, §5:
 *
 *      0                   1                   2                   3
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Code      |  Identifier   |            Length             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                    Authenticator (16 octets)                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Type      |    Length     |  Value ...
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeRadiusPacket(octets: Uint8Array): RadiusPacket {
  const whole = new Reader(octets, 'RADIUS packet', 'RFC 2865 §3')
  const code = whole.u8('Code')
  const identifier = whole.u8('Identifier')
  const length = whole.u16('Length')
  if (length < radiusHeaderBytes || length > maxRadiusBytes) whole.fail(`Length ${length}`)
  const body = whole.sub(length - 4, 'RADIUS packet', 'RFC 2865 §5')
  const authenticator = body.take(16, 'Authenticator')
  const attributes: RadiusAttribute[] = []
  while (body.remaining > 0) {
    const type = body.u8('Type')
    const attributeLength = body.u8('Length')
    if (attributeLength < 2) body.fail(`attribute ${type} of length ${attributeLength}`)
    attributes.push({ type, value: body.take(attributeLength - 2, 'Value') })
  }
  return { code, identifier, authenticator, attributes }
}

/** The octets of a packet, copied. */
export function encodeRadiusPacket(packet: RadiusPacket): Uint8Array {
  const writer = new Writer(256).u8(packet.code).u8(packet.identifier).u16(0).bytes(packet.authenticator)
  for (const { type, value } of packet.attributes) {
    writer
      .u8(type)
      .u8(value.length + 2)
      .bytes(value)
  }
  writer.patchU16(2, writer.position)
  return writer.finish()
}
