import type { Dice } from '../../../src/testing/hostile-dice.ts'
import { checkAgreement, checkEmpty, checkTables } from '../checks.ts'
import { command, endWorld, REST_MS, runCommand, timeSteps } from '../commands.ts'
import { InputDice } from '../input-dice.ts'
import { mutateProgram, readProgram, reduceProgram, writeProgram } from '../program.ts'
import { chooseSettings } from '../settings.ts'
import { type Course, forgerySteps, type Step, tamperSteps, wireSteps } from '../steps.ts'
import type { Target } from '../target.ts'
import { FuzzWorld } from '../world.ts'

/** The first octet of a step chooses among these, each kind in its own row so that more do not change what a corpus means. */
const rows: readonly (readonly Step[])[] = [
  wireSteps,
  [command],
  timeSteps,
  forgerySteps,
  tamperSteps,
  wireSteps,
  [command],
]
const ROW = 16

function stepOf(octet: number): Step {
  const row = rows[Math.floor(octet / ROW) % rows.length]!
  return row[octet % ROW] ?? row[octet % row.length]!
}

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
    const course: Course = { world, dice: new InputDice(head), tampered: false }
    runCommand(course, world.a, 0)
    for (const step of program) {
      const dice = new InputDice(step)
      const chosen = stepOf(dice.u8())
      const next = { ...course, dice }
      chosen(next)
      course.tampered = next.tampered
    }
    world.passAndDeliver(REST_MS)
    checkTables(world.a)
    checkTables(world.b)
    if (!course.tampered) checkAgreement(world)
    endWorld(world)
    checkEmpty(world.a)
    checkEmpty(world.b)
  },

  mutate: (input, dice, others) => mutateProgram(input, dice, others, nudge),
  reduce: reduceProgram,
}

/** Other throws of the dice in the same step. */
function nudge(step: Uint8Array, dice: Dice): Uint8Array {
  const changed = step.slice()
  if (changed.length > 0) changed[dice.below(changed.length)] = dice.chance(50) ? dice.below(32) : dice.below(112)
  return changed
}
