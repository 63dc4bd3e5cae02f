import type { Dice } from '../../../src/testing/hostile-dice.ts'
import { checkAgreement, checkEmpty, checkTables, containersOf } from '../checks.ts'
import { command, endWorld, runCommand, timeSteps } from '../commands.ts'
import { InputDice } from '../input-dice.ts'
import { mutateProgram, readProgram, reduceProgram, writeProgram } from '../program.ts'
import { chooseSettings } from '../settings.ts'
import { type Course, forgerySteps, type Step, tamperSteps, wireSteps } from '../steps.ts'
import type { Target } from '../target.ts'
import { FuzzWorld } from '../world.ts'

/** The first octet of a step chooses among these. */
const steps: readonly Step[] = [...wireSteps, command, command, ...timeSteps, ...forgerySteps, ...tamperSteps]

/** Long enough for retransmissions to be given up and for liveness checks to find out that a peer is gone. */
const REST_MS = 90_000

/**
 * Whole exchanges of two real cores with a man in the middle who holds all keys. The first step of an input chooses the
 * settings of both ends; each further one does something to the wire, to the time, or at one end.
 */
export const exchange: Target = {
  name: 'exchange',
  covers: ['ike/', 'nat-t/'],

  seeds(dice) {
    const seeds: Uint8Array[] = []
    for (let more = 300; more > 0; more--) {
      const count = 2 + dice.below(12)
      const program = [dice.chance(30) ? new Uint8Array(4) : dice.octets(48)]
      for (let left = count; left > 0; left--)
        program.push(dice.chance(50) ? Uint8Array.of(1) : dice.octets(1 + dice.below(8)))
      seeds.push(writeProgram(program))
    }
    return seeds
  },

  run(input, note) {
    const [head = new Uint8Array(0), ...program] = readProgram(input)
    const world = new FuzzWorld(chooseSettings(new InputDice(head)), note)
    const before = [world.a, world.b].map((end) => containersOf(end.ike))
    const course: Course = { world, dice: new InputDice(head), tampered: false }
    runCommand(course, world.a, 0)
    for (const step of program) {
      const dice = new InputDice(step)
      const chosen = dice.pick(steps)
      const next = { ...course, dice }
      chosen(next)
      course.tampered = next.tampered
    }
    world.passAndDeliver(REST_MS)
    checkTables(world.a)
    checkTables(world.b)
    if (!course.tampered) checkAgreement(world)
    endWorld(world)
    checkEmpty(world.a, before[0]!)
    checkEmpty(world.b, before[1]!)
  },

  mutate: (input, dice, others) => mutateProgram(input, dice, others, nudge),
  reduce: reduceProgram,
}

/** Other throws of the dice in the same step. */
function nudge(step: Uint8Array, dice: Dice): Uint8Array {
  const changed = step.slice()
  if (changed.length > 0) changed[dice.below(changed.length)] = dice.below(64)
  return changed
}
