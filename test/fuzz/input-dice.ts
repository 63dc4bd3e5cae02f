import { Dice } from '../../src/testing/hostile-dice.ts'

/** Dice whose throws are the octets of an input, so that a fuzzer steers every decision. Behind its end all throws are 0. */
export class InputDice extends Dice {
  readonly #input: Uint8Array
  #at = 0

  constructor(input: Uint8Array) {
    super('')
    this.#input = input
  }

  /** True when nothing but zeros will come. */
  get isSpent(): boolean {
    return this.#at >= this.#input.length
  }

  u8(): number {
    return this.#input[this.#at++] ?? 0
  }

  override u32(): number {
    return this.u8() * 0x100_0000 + (this.u8() << 16) + (this.u8() << 8) + this.u8()
  }

  /** As few octets as the bound needs, so that a small change of the input changes little else. */
  override below(bound: number): number {
    if (bound <= 1) return 0
    if (bound <= 0x100) return this.u8() % bound
    return ((this.u8() << 8) | this.u8()) % bound
  }

  override chance(percent: number): boolean {
    return this.u8() < (percent * 256) / 100
  }

  /** Up to four octets stand in the input; more are drawn from one that does, because their values hardly matter. */
  override readonly octets = (length: number): Uint8Array => {
    const octets = new Uint8Array(length)
    if (length <= 4) for (let i = 0; i < length; i++) octets[i] = this.u8()
    else {
      let state = this.u8() + 1
      for (let i = 0; i < length; i++) {
        state = (Math.imul(state, 0x0019660d) + 0x3c6ef35f) >>> 0
        octets[i] = state >>> 24
      }
    }
    return octets
  }

  /** What is left of the input. */
  rest(): Uint8Array {
    const rest = this.#input.subarray(this.#at)
    this.#at = this.#input.length
    return rest
  }
}
