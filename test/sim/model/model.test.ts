import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Command, commands, run } from './commands.ts'
import { ModelWorld } from './world.ts'

/** Sequences for each kind of world; `npm run test:sim` runs more. */
const runs = Number(process.env.MODEL_RUNS ?? 15)
const seed = Number(process.env.MODEL_SEED ?? Date.now() % 0x7fff_ffff)

const worlds = [
  { behindNat: false, mobike: true, windowSize: 1 },
  { behindNat: false, mobike: false, windowSize: 1 },
  { behindNat: true, mobike: true, windowSize: 1 },
  { behindNat: true, mobike: false, windowSize: 4 },
]

/** Plays the commands with traffic all the time, brings everything to rest, and says what is wrong then. */
function play(settings: (typeof worlds)[number], sequence: readonly Command[]): string[] {
  const world = new ModelWorld({ seed: 'model', ...settings })
  world.initiate('a', 'net')
  world.advance(1_000)
  world.traffic.start()
  for (const command of sequence) run(world, command)
  world.traffic.stop()
  world.settle()
  return world.complaints()
}

describe('two gateways, whatever happens to them in whatever order', () => {
  it.each(worlds)(
    'end at rest with the same SAs and traffic both ways: %j',
    (settings) => {
      console.log(`model: ${JSON.stringify(settings)}, ${runs} sequences, MODEL_SEED=${seed}`)
      fc.assert(
        fc.property(commands, (sequence) => {
          expect(play(settings, sequence)).toEqual([])
        }),
        { numRuns: runs, seed, endOnFailure: process.env.MODEL_SHRINK === undefined },
      )
    },
    1_200_000,
  )
})
