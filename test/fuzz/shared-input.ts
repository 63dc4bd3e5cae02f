const HEADER_WORDS = 2

/** The input that a thread is busy with, in memory that another thread can read when the first one hangs or dies. */
export class SharedInput {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #octets: Uint8Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * HEADER_WORDS + 8192)) {
    this.memory = memory
    this.#words = new Int32Array(memory, 0, HEADER_WORDS)
    this.#octets = new Uint8Array(memory, 4 * HEADER_WORDS)
  }

  set(input: Uint8Array): void {
    const length = Math.min(input.length, this.#octets.length)
    this.#octets.set(input.subarray(0, length))
    this.#words[1] = length
    Atomics.add(this.#words, 0, 1)
  }

  /** A number that changes with each input. */
  get count(): number {
    return Atomics.load(this.#words, 0)
  }

  get input(): Uint8Array {
    return this.#octets.slice(0, this.#words[1])
  }
}
