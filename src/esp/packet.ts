import { UsageError } from '../errors.ts'

/**
 * The shape of an ESP packet, RFC 4303 §2. All offsets are octets from the SPI.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ ---
 *   |               Security Parameters Index (SPI)                 | ^Int.
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ |Cov-
 *   |                      Sequence Number                          | |ered
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ | ---
 *   |                    IV, Payload Data (variable)                | |   ^
 *   ~                                                               ~ |   |
 *   |                                                               | |Conf.
 *   +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ |Cov-
 *   |               |     Padding (0-255 bytes)                     | |ered
 *   +-+-+-+-+-+-+-+-+               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ |   |
 *   |                               |  Pad Length   | Next Header   | v   v
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ ------
 *   |         Integrity Check Value-ICV   (variable)                |
 *   ~                                                               ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

/** SPI and sequence number. */
export const ESP_HEADER_BYTES = 8
/** Pad length and next header. */
export const ESP_TRAILER_BYTES = 2
/** The ciphertext ends on a multiple of this whatever the cipher. RFC 4303 §2.4. */
export const ESP_ALIGNMENT = 4

/** Keys and options of one SA. All arrays are copied by the constructors that take it. */
export interface EspSaParameters {
  /** 1 to 2^32-1. */
  readonly spi: number
  /** An IANA encryption transform id, its key without the salt, and the salt (empty for CBC). */
  readonly encr: { readonly id: number; readonly key: Uint8Array; readonly salt: Uint8Array }
  /** An IANA integrity transform id and its key; absent for AEADs, required otherwise. */
  readonly integ?: { readonly id: number; readonly key: Uint8Array }
  /** 64-bit extended sequence numbers. */
  readonly esn: boolean
  /** Anti-replay window in packets; looked at by the decapsulator only. */
  readonly replayWindow: number
}

/** Why a packet was not encapsulated; all are negative, since success is a length. */
export const EncapStatus = {
  /** Every sequence number was used: only a rekeyed SA can go on. RFC 4303 §3.3.3. */
  SEQUENCE_EXHAUSTED: -1,
  /** Less headroom or tailroom than `headerBytes` and `maxTrailerBytes` ask for. */
  NO_ROOM: -2,
  /** The key was used as much as its algorithm allows (`usageLimits`): only a rekeyed SA can go on. */
  USAGE_LIMIT: -3,
} as const

/** What became of a received packet. Everything but `OK` means that there is no inner packet. */
export const DecapStatus = {
  OK: 0,
  /** Shorter than the smallest packet of this SA. */
  TOO_SHORT: 1,
  /** Ciphertext that is not a whole number of cipher blocks. */
  BAD_LENGTH: 2,
  /** A sequence number below the window, or one that cannot exist. */
  REPLAY_OLD: 3,
  /** A sequence number that was received already. */
  REPLAY_DUPLICATE: 4,
  /** Forged or damaged, or sealed with other keys. */
  BAD_ICV: 5,
  /** Authentic, but the padding is not 1, 2, 3, ... or longer than the packet. RFC 4303 §2.4. */
  BAD_PADDING: 6,
  /** Authentic, and sent only to be thrown away: next header 59. RFC 4303 §2.6. */
  DUMMY: 7,
  /** The key was used as much as its algorithm allows (`usageLimits`). The SA can take no packet any more. */
  USAGE_LIMIT: 8,
} as const

/** Where the inner packet (or a dummy's filling) stands after a decapsulation that returned `OK` or `DUMMY`; unspecified otherwise. */
export interface DecapResult {
  /** First octet of the inner packet in the buffer that was passed. */
  offset: number
  /** Octets of the inner packet. */
  length: number
  /** IANA protocol number of what is inside: 4 or 41 in tunnel mode. The caller checks that it is what the SA carries. */
  nextHeader: number
}

/** A record to fill. Make one and keep it. */
export function newDecapResult(): DecapResult {
  return { offset: 0, length: 0, nextHeader: 0 }
}

/** The SPI, when it may stand in a packet: 1 to 2^32-1. Throws `UsageError`. RFC 4303 §2.1. */
export function checkSpi(spi: number): number {
  if (!isUint32(spi) || spi === 0) throw new UsageError('spi', `must be 1 to 2^32-1, not ${spi}`)
  return spi
}

/** True for an integer from 0 to 2^32-1. */
export function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff
}

/** Octets of padding in front of the pad length field, so that `length` inner octets end on `alignment`. */
export function paddingBytes(length: number, alignment: number): number {
  const over = (length + ESP_TRAILER_BYTES) % alignment
  return over === 0 ? 0 : alignment - over
}

/** Writes padding 1, 2, 3, ..., pad length and next header at `buffer[at]`. RFC 4303 §2.4 to §2.6. */
export function writeTrailer(buffer: Uint8Array, at: number, padding: number, nextHeader: number): void {
  for (let i = 0; i < padding; i++) buffer[at + i] = i + 1
  buffer[at + padding] = padding
  buffer[at + padding + 1] = nextHeader
}

/**
 * Reads the trailer of the plaintext `buffer[at, at + length)`: returns the octets in front of the padding, or -1 when the
 * padding does not fit or is not 1, 2, 3, .... Only for authenticated packets. RFC 4303 §2.4.
 */
export function lengthWithoutTrailer(buffer: Uint8Array, at: number, length: number): number {
  if (length < ESP_TRAILER_BYTES) return -1
  const padding = buffer[at + length - ESP_TRAILER_BYTES]!
  const payload = length - ESP_TRAILER_BYTES - padding
  if (payload < 0) return -1
  for (let i = 0; i < padding; i++) if (buffer[at + payload + i] !== i + 1) return -1
  return payload
}
