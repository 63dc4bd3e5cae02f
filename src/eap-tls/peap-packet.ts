import { concat, Reader, Writer } from '../bytes/index.ts'
import { bindingTlv } from './peap-binding.ts'

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

/** What the Extensions method says. `binding` is a Cryptobinding TLV with its header. */
export interface PeapEnd {
  readonly result: number
  readonly binding: Uint8Array | undefined
}

/** A whole EAP packet of the Extensions method. */
export function encodeEnd(code: number, identifier: number, { result, binding }: PeapEnd): Uint8Array {
  const writer = new Writer(80)
    .u8(code)
    .u8(identifier)
    .u16(0)
    .u8(extensionsType)
    .u16(mandatory | resultTlv)
    .u16(2)
    .u16(result)
  if (binding !== undefined) writer.bytes(binding)
  writer.patchU16(2, writer.position)
  return writer.finish()
}

/**
 * What a whole EAP packet of the Extensions method says, undefined for any other packet or without a Result TLV. Throws
 * `DecodeError`. [MS-PEAP] §2.2.8.1:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |M|R|        TLV Type           |            Length             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                            Value ...
 */
export function decodeEnd(data: Uint8Array, code: number): PeapEnd | undefined {
  if (!isWhole(data, code) || data[4] !== extensionsType) return undefined
  const reader = new Reader(data.subarray(5), 'PEAP TLV', '[MS-PEAP] §2.2.8.1', 5)
  let result: number | undefined
  let binding: Uint8Array | undefined
  while (reader.remaining > 0) {
    const from = reader.position
    const type = reader.u16('TLV Type') & 0x3fff
    const value = reader.sub(reader.u16('Length'), 'PEAP TLV', '[MS-PEAP] §2.2.8.1')
    if (type === resultTlv) result = value.u16('Result')
    if (type === bindingTlv) binding = data.subarray(5 + from, 5 + reader.position)
  }
  return result === undefined ? undefined : { result, binding }
}

const resultTlv = 3
const mandatory = 0x8000
