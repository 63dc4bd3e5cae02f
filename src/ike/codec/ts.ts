import type { Reader, Writer } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'
import type { IpAddress } from '../../ip/address.ts'
import { patchLength, writeCount } from './limits.ts'
import { TsType } from './numbers.ts'

/** RFC 7296 §3.13: one selector or more. */
export interface TsPayload {
  readonly kind: 'TSi' | 'TSr'
  readonly critical: boolean
  readonly selectors: readonly TrafficSelector[]
}

export type TrafficSelector = AddressRangeSelector | UnknownSelector

/**
 * A range of addresses; both ends belong to it. `protocol` 0 is any. Ports 0 to 65535 are any, 65535 to 0 are OPAQUE
 * (RFC 7296 §3.13.1). The order of start and end is not checked here.
 */
export interface AddressRangeSelector {
  readonly tsType: 7 | 8
  readonly unknown?: false
  readonly protocol: number
  readonly startPort: number
  readonly endPort: number
  readonly startAddress: IpAddress
  readonly endAddress: IpAddress
}

/** A selector type that is not an address range: `protocol` is the second octet, `data` all after the four octets of head. */
export interface UnknownSelector {
  readonly tsType: number
  readonly unknown: true
  readonly protocol: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of a TSi or TSr payload; addresses and unknown data are borrowed. RFC 7296 §3.13.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Number of TSs |                 RESERVED                      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                       <Traffic Selectors>                     ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeTs(kind: 'TSi' | 'TSr', reader: Reader, critical: boolean): TsPayload {
  const count = reader.u8('Number of TSs')
  reader.skip(3, 'RESERVED')
  if (count === 0) reader.fail('no traffic selector')
  const selectors: TrafficSelector[] = []
  for (let i = 0; i < count; i++) selectors.push(decodeSelector(reader))
  reader.end()
  return { kind, critical, selectors }
}

export function encodeTs(payload: TsPayload, writer: Writer): void {
  writeCount(writer, payload.selectors.length, 'selectors')
  writer.zeros(3)
  for (const selector of payload.selectors) encodeSelector(selector, writer)
}

/**
 * RFC 7296 §3.13.1.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   TS Type     |IP Protocol ID*|       Selector Length         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |           Start Port*         |           End Port*           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                         Starting Address*                     ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                         Ending Address*                       ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
function decodeSelector(payload: Reader): TrafficSelector {
  const tsType = payload.u8('TS Type')
  const protocol = payload.u8('IP Protocol ID')
  const length = payload.u16('Selector Length')
  if (length < 4) payload.fail(`Selector Length ${length} is shorter than its head`)
  const reader = payload.sub(length - 4, 'Traffic Selector', 'RFC 7296 §3.13.1')
  if (!isAddressRange(tsType)) return { tsType, unknown: true, protocol, data: reader.rest() }
  const startPort = reader.u16('Start Port')
  const endPort = reader.u16('End Port')
  const startAddress = reader.take(addressBytes(tsType), 'Starting Address')
  const endAddress = reader.take(addressBytes(tsType), 'Ending Address')
  reader.end()
  return { tsType, protocol, startPort, endPort, startAddress, endAddress }
}

function encodeSelector(selector: TrafficSelector, writer: Writer): void {
  const start = writer.position
  writer.u8(selector.tsType).u8(selector.protocol).u16(0)
  if (selector.unknown) writer.bytes(selector.data)
  else {
    const octets = addressBytes(selector.tsType)
    if (selector.startAddress.length !== octets || selector.endAddress.length !== octets)
      throw new UsageError('selector', `addresses of TS type ${selector.tsType} have ${octets} octets`)
    writer.u16(selector.startPort).u16(selector.endPort).bytes(selector.startAddress).bytes(selector.endAddress)
  }
  patchLength(writer, start, start + 2, 'selector')
}

const isAddressRange = (tsType: number): tsType is 7 | 8 =>
  tsType === TsType.TS_IPV4_ADDR_RANGE || tsType === TsType.TS_IPV6_ADDR_RANGE

const addressBytes = (tsType: 7 | 8): number => (tsType === TsType.TS_IPV4_ADDR_RANGE ? 4 : 16)
