import { NON_ESP_MARKER_BYTES } from './demux.ts'

/** "IKETCP": what the TCP originator sends first on each connection, once. Shared; do not write to it. RFC 9329 §4. */
export const STREAM_PREFIX: Uint8Array = Uint8Array.of(0x49, 0x4b, 0x45, 0x54, 0x43, 0x50)

/** The length in front of each message, 16 bits in network order, which counts itself. RFC 9329 §3. */
export const FRAME_LENGTH_BYTES = 2

/** A message with its length. */
export const MOST_FRAME_BYTES = 0xffff

/** Why nothing more can be read from a stream: the connection has to be closed. */
export const StreamFault = {
  NONE: 0,
  /** It does not begin with the stream prefix. RFC 9329 §4. */
  PREFIX: 1,
  /** A length of 0 or 1. RFC 9329 §3. */
  LENGTH: 2,
  /** A message longer than is taken here. */
  TOO_LONG: 3,
} as const
export type StreamFault = (typeof StreamFault)[keyof typeof StreamFault]

const faultTexts: Record<StreamFault, string> = {
  [StreamFault.NONE]: 'nothing is wrong',
  [StreamFault.PREFIX]: 'the stream does not begin with IKETCP (RFC 9329 §4)',
  [StreamFault.LENGTH]: 'a message with a length of 0 or 1 (RFC 9329 §3)',
  [StreamFault.TOO_LONG]: 'a message that is too long',
}

/** For logs. */
export const describeFault = (fault: StreamFault): string => faultTexts[fault]

/**
 * Takes what stands behind one length: an IKE message behind the non-ESP marker, ESP, or neither; `classify` tells which, as in UDP.
 * `length` octets at `buffer[offset]`, borrowed during the call; they may be changed.
 */
export type TakeFrame = (buffer: Uint8Array, offset: number, length: number) => void

/** Room for a message of which the first piece has come; it grows with what comes. */
const FIRST_ROOM_BYTES = 2048

/**
 * Takes one direction of a TCP stream apart, in whatever pieces it arrives. A message that lies in one piece is handed on where it
 * lies; others are put together in a buffer of the reader's own, which is never larger than twice what has come. RFC 9329 §3, §4.
 */
export class StreamReader {
  readonly #take: TakeFrame
  readonly #mostBytes: number
  /** Octets of the stream prefix that are still to come. */
  #prefixLeft: number
  /** The first octet of a length, -1 when none has come. */
  #lengthHigh = -1
  /** Octets of the message that is under way, -1 before its length is known. */
  #wanted = -1
  #held = new Uint8Array(0)
  #heldBytes = 0
  #fault: StreamFault = StreamFault.NONE

  /** `expectsPrefix`: what the TCP originator sends. `mostBytes`: of a message with its length, 65535 at most. */
  constructor(options: { readonly expectsPrefix: boolean; readonly mostBytes?: number; readonly take: TakeFrame }) {
    this.#take = options.take
    this.#mostBytes = options.mostBytes ?? MOST_FRAME_BYTES
    this.#prefixLeft = options.expectsPrefix ? STREAM_PREFIX.length : 0
  }

  /** Why it reads no more. */
  get fault(): StreamFault {
    return this.#fault
  }

  /** True while the prefix or a message is not whole. */
  get isInside(): boolean {
    return this.#prefixLeft > 0 || this.#lengthHigh >= 0 || this.#wanted >= 0
  }

  /**
   * Reads the next piece of the stream, borrowed during the call. After a fault, which stays, nothing is read. Never throws, unless
   * `take` does.
   */
  push(piece: Uint8Array): StreamFault {
    let at = 0
    while (at < piece.length && this.#fault === StreamFault.NONE) {
      if (this.#prefixLeft > 0) at = this.#readPrefix(piece, at)
      else if (this.#wanted < 0) at = this.#readLength(piece, at)
      else at = this.#readMessage(piece, at)
    }
    return this.#fault
  }

  #readPrefix(piece: Uint8Array, at: number): number {
    if (piece[at] === STREAM_PREFIX[STREAM_PREFIX.length - this.#prefixLeft]) this.#prefixLeft--
    else this.#fault = StreamFault.PREFIX
    return at + 1
  }

  #readLength(piece: Uint8Array, at: number): number {
    if (this.#lengthHigh < 0) {
      this.#lengthHigh = piece[at]!
      return at + 1
    }
    const length = (this.#lengthHigh << 8) | piece[at]!
    this.#lengthHigh = -1
    if (length < FRAME_LENGTH_BYTES) this.#fault = StreamFault.LENGTH
    else if (length > this.#mostBytes) this.#fault = StreamFault.TOO_LONG
    // Nothing at all stands behind this one: there is no more to wait for.
    else if (length === FRAME_LENGTH_BYTES) this.#take(piece, at + 1, 0)
    else this.#wanted = length - FRAME_LENGTH_BYTES
    return at + 1
  }

  #readMessage(piece: Uint8Array, at: number): number {
    const wanted = this.#wanted
    const there = Math.min(wanted - this.#heldBytes, piece.length - at)
    const isWhole = this.#heldBytes + there === wanted
    if (isWhole) this.#wanted = -1
    if (isWhole && this.#heldBytes === 0) {
      this.#take(piece, at, wanted)
      return at + there
    }
    this.#makeRoom(this.#heldBytes + there, wanted)
    this.#held.set(piece.subarray(at, at + there), this.#heldBytes)
    this.#heldBytes += there
    if (isWhole) {
      this.#heldBytes = 0
      this.#take(this.#held, 0, wanted)
    }
    return at + there
  }

  #makeRoom(bytes: number, wanted: number): void {
    if (this.#held.length >= bytes) return
    const larger = new Uint8Array(Math.max(bytes, Math.min(wanted, Math.max(FIRST_ROOM_BYTES, 2 * bytes))))
    larger.set(this.#held.subarray(0, this.#heldBytes))
    this.#held = larger
  }
}

/** Octets that `writeFrame` writes for a message of `length`; 0 when that is too long for any. */
export function frameBytes(length: number, marker: boolean): number {
  const bytes = FRAME_LENGTH_BYTES + (marker ? NON_ESP_MARKER_BYTES : 0) + length
  return bytes > MOST_FRAME_BYTES ? 0 : bytes
}

/**
 * Writes one message (`length` octets at `buffer[offset]`, borrowed) with its length, and the non-ESP marker of an IKE message, to
 * `target[at]`, where there is room for `frameBytes`. Returns how many octets it wrote; 0 when the message is too long. RFC 9329 §3.
 */
export function writeFrame(
  target: Uint8Array,
  at: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  marker: boolean,
): number {
  const bytes = frameBytes(length, marker)
  if (bytes === 0) return 0
  target[at] = bytes >>> 8
  target[at + 1] = bytes & 0xff
  let body = at + FRAME_LENGTH_BYTES
  if (marker) {
    target.fill(0, body, body + NON_ESP_MARKER_BYTES)
    body += NON_ESP_MARKER_BYTES
  }
  target.set(buffer.subarray(offset, offset + length), body)
  return bytes
}
