import type { Dice } from '../../src/testing/hostile-dice.ts'

/** Something to fuzz: what an input does, what must hold then, and how to make inputs that come far. */
export interface Target {
  readonly name: string
  /** Folders or files under `src`: their branches are counted in the report. All branches guide. */
  readonly covers: readonly string[]
  /** Inputs to begin with, beside the corpus. */
  seeds(dice: Dice): Uint8Array[]
  /**
   * Runs one input; nothing of it is left afterwards. Throws when a property does not hold. `note` tells of a situation (a
   * state, an event) that branches alone do not show: an input with a new one is kept.
   */
  run(input: Uint8Array, note: (situation: string) => void): void
  /** A changed copy of `input`; `others` are inputs of the corpus to take pieces from. */
  mutate(input: Uint8Array, dice: Dice, others: readonly Uint8Array[]): Uint8Array
  /** Smaller variants of an input, best first, for making corpus and crashes small. */
  reduce(input: Uint8Array): Iterable<Uint8Array>
}
