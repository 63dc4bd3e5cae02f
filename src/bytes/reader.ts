import { DecodeError } from '../errors.ts'

/**
 * Reads big-endian fields from borrowed octets. Each read checks the length and throws `DecodeError` with the place.
 * `take` and `sub` return views into the same memory: copy what outlives the call.
 */
export class Reader {
  readonly bytes: Uint8Array
  /** What is being decoded, named in errors. */
  readonly where: string
  /** RFC and section, named in errors. */
  readonly section: string
  /** Offset of `bytes[0]` in the whole message, so that errors name a place in it. */
  readonly base: number
  #at = 0

  constructor(bytes: Uint8Array, where: string, section: string, base = 0) {
    this.bytes = bytes
    this.where = where
    this.section = section
    this.base = base
  }

  /** Octets not yet read. */
  get remaining(): number {
    return this.bytes.length - this.#at
  }

  /** Octets read so far. */
  get position(): number {
    return this.#at
  }

  u8(what: string): number {
    this.#need(1, what)
    return this.bytes[this.#at++]!
  }

  u16(what: string): number {
    this.#need(2, what)
    const value = (this.bytes[this.#at]! << 8) | this.bytes[this.#at + 1]!
    this.#at += 2
    return value
  }

  /** Unsigned 32 bits as a number from 0 to 2^32-1. */
  u32(what: string): number {
    this.#need(4, what)
    return this.u16(what) * 0x10000 + this.u16(what)
  }

  /** The next `length` octets, borrowed. */
  take(length: number, what: string): Uint8Array {
    this.#need(length, what)
    const view = this.bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return view
  }

  /** All octets that are left, borrowed. */
  rest(): Uint8Array {
    return this.take(this.remaining, 'rest')
  }

  skip(length: number, what: string): void {
    this.#need(length, what)
    this.#at += length
  }

  /** A reader over the next `length` octets, with its own name and section for errors. */
  sub(length: number, where: string, section: string): Reader {
    const base = this.base + this.#at
    return new Reader(this.take(length, where), where, section, base)
  }

  /** Throws when octets are left over. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} octets left over`)
  }

  /** Throws a `DecodeError` at the current place. */
  fail(problem: string): never {
    throw new DecodeError({ where: this.where, offset: this.base + this.#at, section: this.section, problem })
  }

  #need(length: number, what: string): void {
    if (this.remaining < length) this.fail(`${what} needs ${length} octets, ${this.remaining} are left`)
  }
}
