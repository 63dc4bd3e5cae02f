import { Reader, Writer } from '../bytes/index.ts'

/** An attribute inside of EAP-TTLS. `vendor` is 0 for those of RADIUS and Diameter. `data` is borrowed where it was decoded. */
export interface Avp {
  readonly code: number
  readonly vendor: number
  /** Who does not know it must refuse. RFC 5281 §10.1. */
  readonly mandatory: boolean
  readonly data: Uint8Array
}

/** RFC 5281 §11, RFC 2548 §2. */
export const AvpCode = {
  'User-Name': 1,
  'User-Password': 2,
  'Reply-Message': 18,
  'EAP-Message': 79,
  'MS-CHAP-Error': 2,
  'MS-CHAP-Challenge': 11,
  'MS-CHAP2-Response': 25,
  'MS-CHAP2-Success': 26,
} as const

/** The vendor of the MS-CHAP attributes. */
export const Microsoft = 311

/**
 * Decodes what came inside of EAP-TTLS. Throws `DecodeError`. RFC 5281 §10.1, each one padded with zeros to a multiple of four octets:
 *
 *      0                   1                   2                   3
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                           AVP Code                            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |V M r r r r r r|                  AVP Length                   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                        Vendor-ID (opt)                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    Data ...
 */
export function decodeAvps(octets: Uint8Array): readonly Avp[] {
  const reader = new Reader(octets, 'EAP-TTLS AVP', 'RFC 5281 §10.1')
  const avps: Avp[] = []
  while (reader.remaining > 0) {
    const code = reader.u32('AVP Code')
    const flags = reader.u8('Flags')
    const length = (reader.u8('AVP Length') << 16) | reader.u16('AVP Length')
    const header = (flags & vendorFlag) === 0 ? 8 : 12
    if (length < header) reader.fail(`AVP Length ${length} is less than a header`)
    const vendor = header === 12 ? reader.u32('Vendor-ID') : 0
    const data = reader.take(length - header, 'Data')
    // Some senders leave out the padding of the last one.
    reader.skip(Math.min(-length & 3, reader.remaining), 'padding')
    avps.push({ code, vendor, mandatory: (flags & mandatoryFlag) !== 0, data })
  }
  return avps
}

/** The octets of `avps`, copied. */
export function encodeAvps(avps: readonly Avp[]): Uint8Array {
  const writer = new Writer()
  for (const { code, vendor, mandatory, data } of avps) {
    const header = vendor === 0 ? 8 : 12
    const length = header + data.length
    const flags = (vendor === 0 ? 0 : vendorFlag) | (mandatory ? mandatoryFlag : 0)
    writer
      .u32(code)
      .u8(flags)
      .u8(length >>> 16)
      .u16(length & 0xffff)
    if (vendor !== 0) writer.u32(vendor)
    writer.bytes(data).zeros(-length & 3)
  }
  return writer.finish()
}

/** The data of the first one of this code, undefined where there is none. */
export const findAvp = (avps: readonly Avp[], code: number, vendor = 0): Uint8Array | undefined =>
  avps.find((avp) => avp.code === code && avp.vendor === vendor)?.data

/** One that who does not know it must refuse. */
export const avp = (code: number, data: Uint8Array, vendor = 0): Avp => ({ code, vendor, mandatory: true, data })

const vendorFlag = 0x80
const mandatoryFlag = 0x40
