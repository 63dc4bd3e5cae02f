import fc from 'fast-check'
import type { ModelWorld, Side } from './world.ts'

/** One thing that happens, as plain data: so that a failure prints as what can be pasted into a test. */
export type Command =
  | readonly ['connect' | 'child', Side]
  | readonly ['child-down' | 'ike-down' | 'rekey-child' | 'rekey-ike' | 'reauth', Side, number]
  | readonly ['roam' | 'rebind']
  | readonly ['crash' | 'restart', Side]
  | readonly ['wait', number]
  | readonly ['faults', number, number, number]

export function run(world: ModelWorld, command: Command): void {
  switch (command[0]) {
    case 'connect':
      return world.initiate(command[1], 'net')
    case 'child':
      return world.initiate(command[1], 'more')
    case 'child-down':
      return world.withChild(command[1], command[2], (ikeSa, spiIn) => {
        const gateway = world.gateway(command[1])
        gateway.perform(gateway.ike.deleteChild(ikeSa, spiIn, gateway.now))
      })
    case 'rekey-child':
      return world.withChild(command[1], command[2], (ikeSa, spiIn) => {
        const gateway = world.gateway(command[1])
        gateway.perform(gateway.ike.rekeyChild(ikeSa, spiIn, gateway.now))
      })
    case 'ike-down':
    case 'rekey-ike':
    case 'reauth':
      return world.withIkeSa(command[1], command[2], (ikeSa) => {
        const gateway = world.gateway(command[1])
        const { ike, now } = gateway
        if (command[0] === 'ike-down') gateway.perform(ike.deleteIke(ikeSa, now))
        else if (command[0] === 'rekey-ike') gateway.perform(ike.rekeyIke(ikeSa, now))
        else if (command[1] === 'a' || world.fixed) gateway.perform(ike.reauthenticate(ikeSa, now))
      })
    case 'roam':
      return world.roam()
    case 'rebind':
      return world.rebind()
    case 'crash':
      return world.crash(command[1])
    case 'restart':
      return world.restart(command[1])
    case 'wait':
      return world.advance(command[1])
    case 'faults':
      return world.faults(command[1], command[2], command[3])
  }
}

const side = fc.constantFrom<Side>('a', 'b')
const choice = fc.nat(3)
// Mostly within a round trip, sometimes until something times out.
const waiting = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 40, max: 3_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 3_000, max: 60_000 }) },
)
const chance = fc.constantFrom(0, 0, 0.05, 0.3)

const wait = { weight: 8, arbitrary: waiting.map((ms) => ['wait', ms] as const) }
const setUp = { weight: 2, arbitrary: fc.tuple(fc.constantFrom('connect' as const, 'child' as const), side) }
const renew = {
  weight: 6,
  arbitrary: fc.tuple(
    fc.constantFrom('rekey-child' as const, 'rekey-child' as const, 'rekey-ike' as const, 'reauth' as const),
    side,
    choice,
  ),
}
const faults = { weight: 2, arbitrary: fc.tuple(fc.constant('faults' as const), chance, chance, chance) }
const takeDown = {
  weight: 2,
  arbitrary: fc.tuple(fc.constantFrom('child-down' as const, 'ike-down' as const), side, choice),
}
const move = { weight: 2, arbitrary: fc.tuple(fc.constantFrom('roam' as const, 'rebind' as const)) }
const fall = { weight: 1, arbitrary: fc.tuple(fc.constantFrom('crash' as const, 'restart' as const), side) }

const length = { minLength: 1, maxLength: 40 }

/** Everything that may happen. */
export const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(wait, setUp, renew, faults, takeDown, move, fall),
  length,
)

/** What must not cost a packet: both ends have a CHILD_SA for them all the time. */
export const harmlessCommands: fc.Arbitrary<Command[]> = fc.array(fc.oneof(wait, setUp, renew, faults), length)
