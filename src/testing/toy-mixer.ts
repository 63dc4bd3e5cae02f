/**
 * Mixes octets into 128 bits of state and draws octets from it: quick, even, the same on every machine, and of no use against
 * anybody. For simulations only.
 */
export class ToyMixer {
  #a = 0x9e3779b9 | 0
  #b = 0x243f6a88 | 0
  #c = 0xb7e15162 | 0
  #d = 0x13198a2e | 0

  /** A mixer in the same state. */
  copy(): ToyMixer {
    const copy = new ToyMixer()
    copy.#a = this.#a
    copy.#b = this.#b
    copy.#c = this.#c
    copy.#d = this.#d
    return copy
  }

  /** Takes in `length` octets at `data[offset]`. Two inputs one after the other are not the same as both in one. */
  absorb(data: Uint8Array, offset = 0, length = data.length): this {
    const whole = offset + (length & ~3)
    let at = offset
    for (; at < whole; at += 4) {
      this.#take(data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24))
    }
    let rest = 0
    for (const end = offset + length; at < end; at++) rest = (rest << 8) | data[at]!
    this.#take(rest)
    this.#take(length)
    return this
  }

  /** Takes in a number of 32 bits. */
  absorbNumber(value: number): this {
    this.#take(value)
    return this
  }

  /** Fresh octets; changes the state. */
  draw(length: number): Uint8Array {
    const octets = new Uint8Array(length)
    this.mask(octets, 0, length)
    return octets
  }

  /** Adds (exclusive or) what would be drawn to `buffer[offset, offset + length)`. */
  mask(buffer: Uint8Array, offset: number, length: number): void {
    const end = offset + length
    for (let at = offset, count = 0; at < end; at += 4, count++) {
      this.#take(count)
      const word = this.#a ^ this.#c
      buffer[at] = buffer[at]! ^ word
      if (at + 1 < end) buffer[at + 1] = buffer[at + 1]! ^ (word >> 8)
      if (at + 2 < end) buffer[at + 2] = buffer[at + 2]! ^ (word >> 16)
      if (at + 3 < end) buffer[at + 3] = buffer[at + 3]! ^ (word >> 24)
    }
  }

  // Additions, rotations and exclusive ors as in a quarter round of ChaCha (RFC 8439 §2.1), after two multiplications that spread
  // the new word at once.
  #take(word: number): void {
    let a = Math.imul(this.#a ^ word, 0x85ebca6b)
    let d = this.#d + Math.imul(word, 0xc2b2ae35)
    let b = this.#b
    let c = this.#c
    a = (a + b) | 0
    d ^= a
    d = (d << 16) | (d >>> 16)
    c = (c + d) | 0
    b ^= c
    b = (b << 12) | (b >>> 20)
    a = (a + b) | 0
    d ^= a
    d = (d << 8) | (d >>> 24)
    c = (c + d) | 0
    b ^= c
    b = (b << 7) | (b >>> 25)
    this.#a = a
    this.#b = b
    this.#c = c
    this.#d = d
  }
}
