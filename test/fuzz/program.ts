import type { Dice } from '../../src/testing/hostile-dice.ts'
import { mutateOctets } from '../../src/testing/hostile-octets.ts'
import { reduceOctets } from './octets.ts'

/** More steps take time and find nothing that fewer do not. */
const MOST_STEPS = 40

/**
 * An input that is a list of steps, each with octets of its own, so that a change of one leaves the others what they are. On the
 * wire: two octets of length before each step. What does not fit is one last, shorter step.
 */
export function readProgram(input: Uint8Array): Uint8Array[] {
  const steps: Uint8Array[] = []
  for (let at = 0; at + 2 <= input.length && steps.length < MOST_STEPS; ) {
    const length = (input[at]! << 8) | input[at + 1]!
    steps.push(input.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return steps
}

export function writeProgram(steps: readonly Uint8Array[]): Uint8Array {
  const input = new Uint8Array(steps.reduce((sum, { length }) => sum + 2 + length, 0))
  let at = 0
  for (const step of steps) {
    input[at] = step.length >>> 8
    input[at + 1] = step.length
    input.set(step, at + 2)
    at += 2 + step.length
  }
  return input
}

/** Changes the octets of one step, with knowledge of what they mean. Undefined when it knows nothing about this one. */
export type StepMutator = (step: Uint8Array, dice: Dice) => Uint8Array | undefined

/** A changed copy: steps added, removed, exchanged, taken from other programs, or changed in themselves. */
export function mutateProgram(
  input: Uint8Array,
  dice: Dice,
  others: readonly Uint8Array[],
  mutateStep: StepMutator,
): Uint8Array {
  const steps = readProgram(input)
  if (steps.length === 0) steps.push(dice.octets(8))
  const foreign = others.flatMap((other) => readProgram(other).slice(1))
  const at = dice.below(steps.length)
  switch (dice.below(10)) {
    case 0:
      steps.splice(at, 1 + (dice.chance(30) ? dice.below(4) : 0))
      break
    case 1:
      steps.splice(dice.below(steps.length + 1), 0, steps[at]!)
      break
    case 2: {
      const other = dice.below(steps.length)
      ;[steps[at], steps[other]] = [steps[other]!, steps[at]!]
      break
    }
    case 3:
    case 4:
      if (foreign.length > 0) steps.splice(dice.below(steps.length + 1), 0, dice.pick(foreign))
      break
    case 5: {
      const tail = readProgram(dice.pick(others))
      steps.splice(at, steps.length, ...tail.slice(dice.below(tail.length + 1)))
      break
    }
    case 6:
      steps.splice(dice.below(steps.length + 1), 0, dice.octets(1 + dice.below(6)))
      break
    default: {
      const changed = dice.chance(60) ? mutateStep(steps[at]!, dice) : undefined
      steps[at] = changed ?? mutateOctets(steps[at]!, dice, foreign)
    }
  }
  return writeProgram(steps)
}

/** Smaller variants: steps left out, the latest first, then shorter steps. The first step (the settings) stays. */
export function* reduceProgram(input: Uint8Array): Generator<Uint8Array> {
  const steps = readProgram(input)
  for (let size = steps.length >>> 1; size > 0; size >>>= 1) {
    for (let at = steps.length - size; at >= 1; at -= size) yield writeProgram(steps.toSpliced(at, size))
  }
  for (const [at, step] of steps.entries()) {
    for (const shorter of reduceOctets(step)) yield writeProgram(steps.with(at, shorter))
  }
}
