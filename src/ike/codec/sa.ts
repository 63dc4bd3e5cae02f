import type { Reader, Writer } from '../../bytes/index.ts'
import { maxProposals, maxTransformAttributes, patchLength, writeCount } from './limits.ts'
import { TransformAttributeType } from './numbers.ts'

/** RFC 7296 §3.3. Proposals in order of preference. */
export interface SaPayload {
  readonly kind: 'SA'
  readonly critical: boolean
  readonly proposals: readonly Proposal[]
}

/** `protocol` is a `ProtocolId`; `spi` has 0 octets (first IKE SA), 8 (IKE rekey) or 4 (AH, ESP). */
export interface Proposal {
  readonly number: number
  readonly protocol: number
  readonly spi: Uint8Array
  readonly transforms: readonly Transform[]
}

/** `type` and `id` are numbers of `crypto/transforms.ts`, or unknown ones. */
export interface Transform {
  readonly type: number
  readonly id: number
  readonly attributes: readonly TransformAttribute[]
}

/** A number is the 16-bit TV form on the wire, octets are the TLV form. */
export interface TransformAttribute {
  readonly type: number
  readonly value: number | Uint8Array
}

/** The key length attribute in bits; undefined when it is absent or not in the TV form that the RFC demands. RFC 7296 §3.3.5. */
export function keyLengthOf(transform: Transform): number | undefined {
  const attribute = transform.attributes.find(({ type }) => type === TransformAttributeType.KEY_LENGTH)
  return typeof attribute?.value === 'number' ? attribute.value : undefined
}

/** The key length attribute for `bits`. */
export const keyLengthAttribute = (bits: number): TransformAttribute => ({
  type: TransformAttributeType.KEY_LENGTH,
  value: bits,
})

const more = { proposal: 2, transform: 3 } as const
const tvFormat = 0x8000

/**
 * Decodes the body of an SA payload; SPIs and TLV values are borrowed. RFC 7296 §3.3.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                          <Proposals>                          ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeSa(reader: Reader, critical: boolean): SaPayload {
  const proposals: Proposal[] = []
  for (let last = false; !last; ) {
    if (proposals.length === maxProposals) reader.fail(`more than ${maxProposals} proposals`)
    last = readLastMarker(reader, more.proposal, 'Proposal')
    proposals.push(decodeProposal(readSubstructure(reader, 'Proposal', 'RFC 7296 §3.3.1')))
  }
  reader.end()
  return { kind: 'SA', critical, proposals }
}

export function encodeSa(payload: SaPayload, writer: Writer): void {
  payload.proposals.forEach((proposal, i) => {
    const start = writer.position
    writer
      .u8(i === payload.proposals.length - 1 ? 0 : more.proposal)
      .u8(0)
      .u16(0)
    encodeProposal(proposal, writer)
    patchLength(writer, start, start + 2, 'proposal')
  })
}

/**
 * RFC 7296 §3.3.1; the first four octets are read by the caller.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Last Substruc |   RESERVED    |         Proposal Length       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                        SPI (variable)                         ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                        <Transforms>                           ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
function decodeProposal(reader: Reader): Proposal {
  const number = reader.u8('Proposal Num')
  const protocol = reader.u8('Protocol ID')
  const spiSize = reader.u8('SPI Size')
  const count = reader.u8('Num Transforms')
  const spi = reader.take(spiSize, 'SPI')
  const transforms: Transform[] = []
  for (let left = count; left > 0; left--) {
    const last = readLastMarker(reader, more.transform, 'Transform')
    if (last !== (left === 1)) reader.fail(`Last Substruc contradicts Num Transforms ${count}`)
    transforms.push(decodeTransform(readSubstructure(reader, 'Transform', 'RFC 7296 §3.3.2')))
  }
  reader.end()
  return { number, protocol, spi, transforms }
}

function encodeProposal(proposal: Proposal, writer: Writer): void {
  writer.u8(proposal.number).u8(proposal.protocol)
  writeCount(writer, proposal.spi.length, 'proposal.spi')
  writeCount(writer, proposal.transforms.length, 'proposal.transforms')
  writer.bytes(proposal.spi)
  proposal.transforms.forEach((transform, i) => {
    const start = writer.position
    writer
      .u8(i === proposal.transforms.length - 1 ? 0 : more.transform)
      .u8(0)
      .u16(0)
    encodeTransform(transform, writer)
    patchLength(writer, start, start + 2, 'transform')
  })
}

/**
 * RFC 7296 §3.3.2; the first four octets are read by the caller.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Last Substruc |   RESERVED    |        Transform Length       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |Transform Type |   RESERVED    |          Transform ID         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                      Transform Attributes                     ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
function decodeTransform(reader: Reader): Transform {
  const type = reader.u8('Transform Type')
  reader.skip(1, 'RESERVED')
  const id = reader.u16('Transform ID')
  const attributes: TransformAttribute[] = []
  while (reader.remaining > 0) {
    if (attributes.length === maxTransformAttributes) reader.fail(`more than ${maxTransformAttributes} attributes`)
    attributes.push(decodeAttribute(reader))
  }
  return { type, id, attributes }
}

function encodeTransform(transform: Transform, writer: Writer): void {
  writer.u8(transform.type).u8(0).u16(transform.id)
  for (const { type, value } of transform.attributes) {
    if (typeof value === 'number') writer.u16(tvFormat | type).u16(value)
    else {
      const start = writer.u16(type).u16(0).position
      writer.bytes(value)
      patchLength(writer, start, start - 2, 'transform attribute')
    }
  }
}

/**
 * RFC 7296 §3.3.5.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |A|       Attribute Type        |    AF=0  Attribute Length     |
 * |F|                             |    AF=1  Attribute Value      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                   AF=0  Attribute Value                       |
 * |                   AF=1  Not Transmitted                       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
function decodeAttribute(reader: Reader): TransformAttribute {
  const format = reader.u16('Attribute Type')
  const lengthOrValue = reader.u16('Attribute Length')
  const type = format & ~tvFormat
  const value = format & tvFormat ? lengthOrValue : reader.take(lengthOrValue, 'Attribute Value')
  return { type, value }
}

/** True when this substructure is the last one: 0. `moreValue` announces another; anything else is malformed. */
function readLastMarker(reader: Reader, moreValue: number, what: string): boolean {
  const marker = reader.u8(`${what} Last Substruc`)
  if (marker !== 0 && marker !== moreValue) reader.fail(`${what} Last Substruc is ${marker}, not 0 or ${moreValue}`)
  return marker === 0
}

/** Reads RESERVED and the length, which counts the four octets of this head, and gives a reader over the rest. */
function readSubstructure(reader: Reader, where: string, section: string): Reader {
  reader.skip(1, 'RESERVED')
  const length = reader.u16(`${where} Length`)
  if (length < 4) reader.fail(`${where} Length ${length} is shorter than its head`)
  return reader.sub(length - 4, where, section)
}
