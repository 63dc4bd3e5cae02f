import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Command, commands, harmlessCommands, run } from './commands.ts'
import { ModelWorld } from './world.ts'

/** Sequences for each of the ten properties: 1,000 together in `npm run test:sim`, which sets the mode. */
const runs = Number(process.env.MODEL_RUNS ?? (process.env.MODE === 'full' ? 100 : 5))
const seed = Number(process.env.MODEL_SEED ?? Date.now() % 0x7fff_ffff)

const worlds = [
  { behindNat: false, fixed: true, mobike: true, windowSize: 1 },
  { behindNat: false, fixed: false, mobike: true, windowSize: 1 },
  { behindNat: false, fixed: false, mobike: false, windowSize: 1 },
  { behindNat: true, fixed: false, mobike: true, windowSize: 1 },
  { behindNat: true, fixed: false, mobike: false, windowSize: 4 },
]

/** Plays the commands with traffic all the time. */
function play(settings: (typeof worlds)[number], sequence: readonly Command[]): ModelWorld {
  const world = new ModelWorld({ seed: 'model', ...settings })
  world.initiate('a', 'net')
  world.advance(1_000)
  world.traffic.start()
  for (const command of sequence) run(world, command)
  world.traffic.stop()
  world.advance(1_000)
  return world
}

const report = (settings: (typeof worlds)[number]) =>
  console.log(`model: ${JSON.stringify(settings)}, ${runs} sequences, MODEL_SEED=${seed}`)
const parameters = { numRuns: runs, seed, endOnFailure: process.env.MODEL_SHRINK === undefined }
const timeoutMs = 3_600_000

describe('two gateways', () => {
  it.each(worlds)(
    'whatever happens to them, at rest have the same SAs and traffic both ways: %j',
    (settings) => {
      report(settings)
      const isSound = fc.property(commands, (sequence) => {
        const world = play(settings, sequence)
        world.settle()
        expect(world.complaints()).toEqual([])
      })
      fc.assert(isSound, parameters)
    },
    timeoutMs,
  )

  it.each(worlds)(
    'however they rekey, lose no packet that the network did not lose: %j',
    (settings) => {
      report(settings)
      const isLossless = fc.property(harmlessCommands, (sequence) => {
        const world = play(settings, sequence)
        expect(world.losses()).toEqual([])
        world.settle()
        expect(world.complaints()).toEqual([])
      })
      fc.assert(isLossless, parameters)
    },
    timeoutMs,
  )
})
