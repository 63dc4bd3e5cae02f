import { Reader, type Writer } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'

/** Octets of an IKE header. */
export const ikeHeaderBytes = 28

/** RFC 7296 §3.1. */
export interface IkeHeader {
  /** 8 octets each; SPIr is zero in the first message. */
  readonly SPIi: Uint8Array
  readonly SPIr: Uint8Array
  /** Type of the first payload; always there on decode, computed on encode. */
  readonly nextPayload?: number
  readonly majorVersion: number
  readonly minorVersion: number
  /** An `ExchangeType`, or an unknown number. */
  readonly exchangeType: number
  readonly flags: IkeFlags
  readonly messageId: number
  /** Octets of the whole message; computed on encode. */
  readonly length: number
}

/** A header as it comes from `decodeHeader`. */
export type DecodedHeader = IkeHeader & { readonly nextPayload: number }

/** A header to be encoded: `nextPayload` and `length` follow from the payloads and are ignored when present. */
export type OutgoingHeader = Omit<IkeHeader, 'length'> & { readonly length?: number }

export interface IkeFlags {
  /** The sender is the original initiator of this IKE SA. */
  readonly initiator: boolean
  readonly response: boolean
  /** The sender can speak a higher major version. */
  readonly higherVersion: boolean
}

const flagBits = { initiator: 0x08, higherVersion: 0x10, response: 0x20 } as const
const lengthOffset = 24
const nextPayloadOffset = 16

/**
 * Decodes the header of the message that `bytes` holds; the SPIs are borrowed. The length field must equal
 * `bytes.length`. The version is not judged, so that a caller can answer INVALID_MAJOR_VERSION. RFC 7296 §3.1.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       IKE SA Initiator's SPI                  |
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       IKE SA Responder's SPI                  |
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Next Payload | MjVer | MnVer | Exchange Type |X|X|R|V|I|X|X|X|
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                          Message ID                           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                            Length                             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeHeader(bytes: Uint8Array): DecodedHeader {
  const reader = new Reader(bytes, 'IKE header', 'RFC 7296 §3.1')
  const SPIi = reader.take(8, "IKE SA Initiator's SPI")
  const SPIr = reader.take(8, "IKE SA Responder's SPI")
  const nextPayload = reader.u8('Next Payload')
  const version = reader.u8('Version')
  const exchangeType = reader.u8('Exchange Type')
  const flags = reader.u8('Flags')
  const messageId = reader.u32('Message ID')
  const length = reader.u32('Length')
  if (length !== bytes.length) reader.fail(`Length is ${length}, the message has ${bytes.length} octets`)
  return {
    SPIi,
    SPIr,
    nextPayload,
    majorVersion: version >>> 4,
    minorVersion: version & 0x0f,
    exchangeType,
    flags: {
      initiator: (flags & flagBits.initiator) !== 0,
      response: (flags & flagBits.response) !== 0,
      higherVersion: (flags & flagBits.higherVersion) !== 0,
    },
    messageId,
    length,
  }
}

/** Writes the header with next payload and length 0; `patchHeader` fills them in. The writer must be empty. */
export function encodeHeader(header: OutgoingHeader, writer: Writer): void {
  if (header.SPIi.length !== 8 || header.SPIr.length !== 8) throw new UsageError('header', 'an IKE SPI has 8 octets')
  const { initiator, response, higherVersion } = header.flags
  writer
    .bytes(header.SPIi)
    .bytes(header.SPIr)
    .u8(0)
    .u8((header.majorVersion << 4) | header.minorVersion)
    .u8(header.exchangeType)
    .u8(
      (initiator ? flagBits.initiator : 0) |
        (response ? flagBits.response : 0) |
        (higherVersion ? flagBits.higherVersion : 0),
    )
    .u32(header.messageId)
    .u32(0)
}

/** Fills in the first payload's type and the length of the whole message in octets. */
export function patchHeader(writer: Writer, nextPayload: number, length: number): void {
  writer.patchU8(nextPayloadOffset, nextPayload)
  writer.patchU32(lengthOffset, length)
}
