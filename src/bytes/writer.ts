/** Writes big-endian fields into a buffer of its own that grows; lengths that are known only later are patched back. */
export class Writer {
  #buffer: Uint8Array
  #at = 0

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity)
  }

  /** Octets written so far: the offset of the next one. */
  get position(): number {
    return this.#at
  }

  u8(value: number): this {
    this.#reserve(1)
    this.#buffer[this.#at++] = value
    return this
  }

  u16(value: number): this {
    this.#reserve(2)
    this.#buffer[this.#at++] = value >>> 8
    this.#buffer[this.#at++] = value
    return this
  }

  u32(value: number): this {
    return this.u16((value >>> 16) & 0xffff).u16(value & 0xffff)
  }

  /** Appends a copy of `bytes`. */
  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  zeros(length: number): this {
    this.#reserve(length)
    this.#buffer.fill(0, this.#at, this.#at + length)
    this.#at += length
    return this
  }

  patchU8(at: number, value: number): void {
    this.#buffer[at] = value
  }

  patchU16(at: number, value: number): void {
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value
  }

  patchU32(at: number, value: number): void {
    this.patchU16(at, (value >>> 16) & 0xffff)
    this.patchU16(at + 2, value & 0xffff)
  }

  /** A copy of what was written, exactly `position` octets. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#at)
  }

  #reserve(length: number): void {
    const needed = this.#at + length
    if (needed <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length))
    grown.set(this.#buffer)
    this.#buffer = grown
  }
}
