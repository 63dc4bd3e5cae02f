import { expect, it } from 'vitest'
import { type Command, run } from './commands.ts'
import { ModelWorld } from './world.ts'

/** Sequences by which the model has lost packets once. */
const found: readonly (readonly [string, boolean, readonly Command[]])[] = [
  [
    'an IKE_SA that was to go for another one stands when that one ends first, and takes further CHILD_SAs',
    true,
    [
      ['reauth', 'b', 1],
      ['wait', 11_161],
      ['child', 'a'],
      ['wait', 55_948],
    ],
  ],
  [
    'the old IKE_SA stays while the response that makes the new one has not come to the peer',
    false,
    [
      ...[['faults', 0, 0.3, 0.3] as const, ['rekey-child', 'a', 3] as const, ['wait', 25] as const],
      ...[['wait', 37] as const, ['faults', 0.3, 0.3, 0] as const, ['reauth', 'a', 0] as const],
      ...[['wait', 18_445] as const, ['rekey-ike', 'a', 2] as const, ['wait', 18] as const],
      ...[['rekey-child', 'b', 1] as const, ['wait', 2_186] as const, ['wait', 48_853] as const],
    ],
  ],
]

it.each(found)('%s', (_, fixed, sequence) => {
  const world = new ModelWorld({ seed: 'model', behindNat: false, fixed, mobike: true, windowSize: 1 })
  world.initiate('a', 'net')
  world.advance(1_000)
  world.traffic.start()
  for (const command of sequence) run(world, command)
  world.traffic.stop()
  world.advance(1_000)
  expect(world.losses()).toEqual([])
  world.settle()
  expect(world.complaints()).toEqual([])
})
