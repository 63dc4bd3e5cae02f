import { concat, Reader, Writer } from '../bytes/index.ts'

/** EAP Type of the Extensions method, which says how the inside ended. [MS-PEAP] §2.2.8. */
export const extensionsType = 33

/** Result TLV. [MS-PEAP] §2.2.8.1.2. */
export const PeapResult = { Success: 1, Failure: 2 } as const

/** A whole EAP packet without Code, Identifier and Length, as it goes inside of PEAPv0; the Extensions method keeps them. [MS-PEAP] §2.2.3. */
export const withoutHeader = (packet: Uint8Array): Uint8Array =>
  packet[4] === extensionsType ? packet : packet.subarray(4)

/**
 * The whole EAP packet of what came inside. `code` and `identifier` are those that it has to bear; some senders leave the header
 * on other packets than those of the Extensions method, too.
 */
export function withHeader(data: Uint8Array, code: number, identifier: number): Uint8Array {
  if (isWhole(data, code)) return data
  const length = 4 + data.length
  return concat(Uint8Array.of(code, identifier, length >>> 8, length), data)
}

/** Starts with this code, and its Length is right: no Type-Data of a method does. */
const isWhole = (data: Uint8Array, code: number): boolean =>
  data.length >= 5 && data[0] === code && ((data[2]! << 8) | data[3]!) === data.length

/** How the inside ended, as a whole EAP packet with a Result TLV. */
export function encodeResult(code: number, identifier: number, result: number): Uint8Array {
  return new Writer(11)
    .u8(code)
    .u8(identifier)
    .u16(11)
    .u8(extensionsType)
    .u16(mandatory | resultTlv)
    .u16(2)
    .u16(result)
    .finish()
}

/**
 * The Result TLV of a whole EAP packet of the Extensions method, undefined for any other packet or without that TLV. Throws
 * `DecodeError`. [MS-PEAP] §2.2.8.1:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |M|R|        TLV Type           |            Length             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                            Value ...
 */
export function decodeResult(data: Uint8Array, code: number): number | undefined {
  if (!isWhole(data, code) || data[4] !== extensionsType) return undefined
  const reader = new Reader(data.subarray(5), 'PEAP TLV', '[MS-PEAP] §2.2.8.1', 5)
  let result: number | undefined
  while (reader.remaining > 0) {
    const type = reader.u16('TLV Type') & 0x3fff
    const value = reader.sub(reader.u16('Length'), 'PEAP TLV', '[MS-PEAP] §2.2.8.1')
    if (type === resultTlv) result = value.u16('Result')
  }
  return result
}

const resultTlv = 3
const mandatory = 0x8000
