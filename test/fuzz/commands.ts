import { UsageError } from '../../src/errors.ts'
import type { IkeAction } from '../../src/ike/events.ts'
import { parseIp } from '../../src/ip/address.ts'
import { addresses } from './settings.ts'
import type { Course, Step } from './steps.ts'
import { pickEnd } from './steps.ts'
import type { End, FuzzWorld } from './world.ts'

type Command = (course: Course, end: End) => IkeAction[]

const childNames = ['net', 'some', 'hosts']
const times = [10, 100, 1000, 3000, 10_000, 30_000]

/**
 * What the owner of an end, its database and its host may ask of it. More are added at the end, so that the corpus keeps its
 * meaning.
 */
const commands: readonly Command[] = [
  function initiate({ world, dice }, end) {
    const options = { localAddress: end.address, child: dice.pick(childNames) }
    return end.ike.initiate(end.connection.name, world.now, options)
  },
  function createChild({ world, dice }, end) {
    return end.ike.createChild(pickSa(end, dice).sa.id, dice.pick(childNames), world.now)
  },
  function deleteChild({ world, dice }, end) {
    const sa = pickSa(end, dice)
    return end.ike.deleteChild(sa.sa.id, dice.pick(sa.children)?.spiIn ?? 0, world.now)
  },
  function deleteIke({ world, dice }, end) {
    return end.ike.deleteIke(pickSa(end, dice).sa.id, world.now)
  },
  function expire({ world, dice }, end) {
    const states = [...end.xfrm.states.values()]
    const state = dice.pick(states)
    return state === undefined ? [] : end.ike.expire({ ...state, hard: dice.below(4) === 3 }, world.now)
  },
  function acquire({ world, dice }, end) {
    const policies = [...end.xfrm.policies.values()].filter(({ direction }) => direction === 'out')
    const policy = dice.pick(policies)
    const template = policy?.templates[0]
    if (policy === undefined || template === undefined) return []
    const acquire = { policyIndex: policy.index, reqid: template.reqid, packet: policy.selector }
    return end.ike.acquire(acquire, world.now)
  },
  function mapping({ world, dice }, end) {
    const state = dice.pick([...end.xfrm.states.values()].filter(({ direction }) => direction === 'in'))
    if (state === undefined) return []
    const { saddr, encap } = state
    const moved = { oldAddress: saddr, oldPort: encap?.sport ?? 4500, newAddress: saddr, newPort: 2000 + dice.below(4) }
    return end.ike.mapping({ ...state, ...moved }, world.now)
  },
  function shutdown({ world }, end) {
    return end.ike.shutdown(world.now)
  },
  function rekeyIke({ world, dice }, end) {
    return end.ike.rekeyIke(pickSa(end, dice).sa.id, world.now)
  },
  function roam({ world, dice }, end) {
    end.address = dice.pick(end.addresses)
    const left = dice.pick([end.addresses, [end.address]])
    return end.ike.localAddressesChanged(left, () => dice.pick([end.address, undefined]), world.now)
  },
  function rekeyChild({ world, dice }, end) {
    const sa = pickSa(end, dice)
    return end.ike.rekeyChild(sa.sa.id, dice.pick(sa.children)?.spiIn ?? 0, world.now)
  },
  function tookOver(course, end) {
    const { world, dice } = course
    // A request that was answered already may come again under another id, and do its work twice. RFC 6311 §6.
    course.tampered = true
    const known = dice.pick([undefined, { sent: dice.below(4), received: dice.below(4) }])
    const options = { ...(known === undefined ? {} : { known }), replayDelta: dice.below(3) }
    return end.ike.tookOver(pickSa(end, dice).sa.id, world.now, options)
  },
  function reauthenticate({ world, dice }, end) {
    return end.ike.reauthenticate(pickSa(end, dice).sa.id, world.now)
  },
  function comeBack({ world, dice }, end) {
    const ticket = dice.pick(end.tickets)
    if (ticket === undefined) return []
    const copy = ticket.slice()
    if (dice.below(8) === 7) copy[dice.below(copy.length)]! ^= 1 << dice.below(8)
    return end.ike.initiate(end.connection.name, world.now, { localAddress: end.address, ticket: copy })
  },
  function redirect({ world, dice }, end) {
    const to = dice.pick([addresses.b, addresses.a, 'gateway.example.org'])
    return end.ike.redirect(pickSa(end, dice).sa.id, to, world.now)
  },
  function resolved({ world, dice }, end) {
    const token = dice.pick([...end.names, 9999])
    const address = dice.pick([addresses.b, addresses.a, '2001:db8::1', undefined])
    return end.ike.resolved(token, address === undefined ? undefined : parseIp(address), world.now)
  },
]

/** Long enough for retransmissions to be given up and for liveness checks to find out that a peer is gone. */
export const REST_MS = 25_000
/** Long enough for the exchanges under way and then for the DELETEs to be given up. */
const END_MS = 20_000

/** Room for more. */
const COMMAND_SLOTS = 32

/** Carries out one command at one end. What that end refuses to its owner is of no concern here. */
export const command: Step = (course) => runCommand(course, pickEnd(course), course.dice.below(COMMAND_SLOTS))

export function runCommand(course: Course, end: End, which: number): void {
  course.world.perform(
    end,
    allowRefusal(() => commands[which % commands.length]!(course, end)),
  )
}

function allowRefusal(run: () => IkeAction[]): IkeAction[] {
  try {
    return run()
  } catch (error) {
    if (error instanceof UsageError) return []
    throw error
  }
}

const pickSa = (end: End, dice: Course['dice']) => {
  const sa = dice.pick(end.ike.status())
  if (sa === undefined) throw new UsageError('ikeSaId', 'there is none')
  return sa
}

export const timeSteps: readonly Step[] = [
  function pass({ world, dice }) {
    world.pass(dice.pick(times))
  },
  function passAndDeliver({ world, dice }) {
    world.passAndDeliver(dice.pick(times))
  },
  function rebind({ world, dice }) {
    if (world.natOffset !== undefined) world.natOffset = 20_000 + 10_000 * dice.below(4)
  },
]

/** Ends everything in good order: both ends delete what they have, and nobody hinders them. */
export function endWorld(world: FuzzWorld): void {
  world.note('the end')
  for (const end of [world.a, world.b]) world.perform(end, end.ike.shutdown(world.now))
  world.passAndDeliver(END_MS)
}
