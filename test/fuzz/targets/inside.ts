import { decodePayloads } from '../../../src/ike/codec/index.ts'
import type { Dice } from '../../../src/testing/hostile-dice.ts'
import { encodeInner, mutatePayloads } from '../../../src/testing/hostile-payloads.ts'
import { checkEmpty, checkTables } from '../checks.ts'
import { endWorld, REST_MS, runCommand, timeSteps } from '../commands.ts'
import { InputDice } from '../input-dice.ts'
import { openMessage } from '../keyholder.ts'
import { mutateProgram, readProgram, reduceProgram, writeProgram } from '../program.ts'
import { chooseSettings } from '../settings.ts'
import { type Course, exchanges, invent, type Step, tamperSteps, wireSteps } from '../steps.ts'
import type { Target } from '../target.ts'
import { type End, FuzzWorld } from '../world.ts'

/** The first octet of a step. */
const INVENT = 0
const TAMPER = 1
const DELIVER = 2
const VICTIM = 3
const PEER = 4
const TIME = 5
const KINDS = 6
/** An invented message: kind, what it claims to be, exchange, type of the first payload, and the chain. */
const CHAIN_AT = 4

/** Command numbers of `runCommand`: from nothing to a CHILD_SA that is deleted, with all that lies between. */
const commandCount = 16

/**
 * Payload chains inside SK{} from a peer that holds the keys, to a victim in any state and either role. What the victim says
 * reaches the peer, a real core, at once; what the peer says waits until a step delivers it or has it changed. The first step
 * chooses who is the victim and the settings.
 */
export const inside: Target = {
  name: 'inside',
  covers: ['ike/'],

  seeds(dice) {
    const seeds: Uint8Array[] = []
    for (const victim of [0, 1]) {
      for (let more = 40; more > 0; more--) {
        const head = Uint8Array.of(victim, ...(more > 30 ? [] : dice.octets(48)))
        const story = storyOf(dice)
        const chains = record(head, story)
        seeds.push(writeProgram([head, ...story]))
        for (const chain of chains.slice(0, 6))
          seeds.push(writeProgram([head, ...story.slice(0, dice.below(story.length)), chain]))
      }
    }
    return seeds
  },

  run(input, note) {
    const [head = new Uint8Array(0), ...program] = readProgram(input)
    const { world, victim } = worldOf(head, note)
    runCommand(courseOf(world, new Uint8Array(0)), world.a, 0)
    for (const step of program) {
      // Only what comes from the peer is hostile: what goes to it arrives.
      world.deliverAll(world.other(victim))
      perform(world, victim, step)
    }
    world.passAndDeliver(REST_MS)
    checkTables(victim)
    endWorld(world)
    checkEmpty(victim)
  },

  mutate: (input, dice, others) => mutateProgram(input, dice, others, mutateStep),
  reduce: reduceProgram,
}

function worldOf(head: Uint8Array, note: (situation: string) => void): { world: FuzzWorld; victim: End } {
  const dice = new InputDice(head)
  const isA = dice.below(2) === 0
  const world = new FuzzWorld(chooseSettings(dice), note)
  return { world, victim: isA ? world.a : world.b }
}

const courseOf = (world: FuzzWorld, octets: Uint8Array): Course => ({
  world,
  dice: new InputDice(octets),
  tampered: true,
})

function perform(world: FuzzWorld, victim: End, step: Uint8Array): void {
  const course = courseOf(world, step.subarray(step[0]! % KINDS === INVENT ? 1 : 2))
  const which = step[1] ?? 0
  switch ((step[0] ?? 0) % KINDS) {
    case INVENT: {
      const claim = { kind: (step[1] ?? 0) % 4, exchange: exchangeOf(step[2] ?? 0) }
      return invent(course, victim, claim, { first: step[3] ?? 0, inner: step.slice(CHAIN_AT) })
    }
    case TAMPER:
      return stepOf(tamperSteps, which)(course)
    case DELIVER:
      return stepOf(wireSteps, which)(course)
    case VICTIM:
      return runCommand(course, victim, which)
    case PEER:
      return runCommand(course, world.other(victim), which)
    case TIME:
      return stepOf(timeSteps, which)(course)
  }
}

const stepOf = (row: readonly Step[], which: number): Step => row[which % 16] ?? row[which % row.length]!

/** 0 leaves it to the request that is answered. */
const exchangeOf = (octet: number): number => (octet === 0 ? 0 : exchanges[(octet - 1) % exchanges.length]!)

/** A row of honest steps that goes through many states. */
function storyOf(dice: Dice): Uint8Array[] {
  const all = Uint8Array.of(DELIVER, 1)
  const one = Uint8Array.of(DELIVER, 0)
  const story = Array.from({ length: 1 + dice.below(4) }, () => one)
  for (let more = dice.below(6); more > 0; more--) {
    story.push(dice.pick([all, all, one]))
    story.push(Uint8Array.of(dice.pick([VICTIM, PEER]), dice.below(commandCount), dice.u32(), dice.u32()))
    if (dice.chance(30)) story.push(Uint8Array.of(TIME, dice.below(2), dice.below(6)))
  }
  return story
}

/** What an honest peer says inside SK{} during such a story, as steps that say it again. */
function record(head: Uint8Array, story: readonly Uint8Array[]): Uint8Array[] {
  const { world, victim } = worldOf(head, () => {})
  runCommand(courseOf(world, new Uint8Array(0)), world.a, 0)
  for (const step of story) {
    world.deliverAll(world.other(victim))
    perform(world, victim, step)
  }
  world.deliverAll()
  return world.log.flatMap((flight) => {
    const opened = world.isFor(flight, victim) ? openMessage(flight.message, world.crypto.sealed) : undefined
    if (opened === undefined) return []
    const isResponse = (opened.header[19]! & 0x20) !== 0
    const exchange = 1 + exchanges.indexOf(opened.header[18]!)
    return [Uint8Array.of(INVENT, isResponse ? 1 : 0, exchange, opened.first, ...opened.inner)]
  })
}

const hints = { spis: [Uint8Array.of(0xa0, 0, 0, 2), Uint8Array.of(0xb0, 0, 0, 2)], groups: [31, 19, 14, 35, 36] }

/** Changes the payloads of an invented message that can be decoded. */
function mutateStep(step: Uint8Array, dice: Dice): Uint8Array | undefined {
  if (step[0]! % KINDS !== INVENT) {
    const changed = step.slice()
    if (changed.length > 0) changed[dice.below(changed.length)] = dice.below(32)
    return changed
  }
  if (dice.chance(15)) {
    const changed = step.slice()
    changed[1 + dice.below(2)] = dice.below(8)
    return changed
  }
  try {
    const payloads = decodePayloads(step[3] ?? 0, step.subarray(CHAIN_AT))
    const { first, inner } = encodeInner(mutatePayloads(payloads, dice, hints))
    return Uint8Array.of(INVENT, step[1] ?? 0, step[2] ?? 0, first, ...inner)
  } catch {
    return undefined
  }
}
