import { writeU16, writeU32 } from '../../src/bytes/index.ts'
import { decodeMessage, decodePayloads, ExchangeType, encodeMessage } from '../../src/ike/codec/index.ts'
import { mutateHeader, mutateOctets, repairLength } from '../../src/testing/hostile-octets.ts'
import { encodeInner, type HostileHints, hostilePayload, mutatePayloads } from '../../src/testing/hostile-payloads.ts'
import { stateOf } from './checks.ts'
import type { InputDice } from './input-dice.ts'
import { messageIdOf, openMessage, protectMessage } from './keyholder.ts'
import type { End, Flight, FuzzWorld } from './world.ts'

/** What a run of steps has done so far. */
export interface Course {
  readonly world: FuzzWorld
  readonly dice: InputDice
  /** True once somebody with keys changed what the ends say: from then on they need not agree. */
  tampered: boolean
}

export type Step = (course: Course) => void

const { CREATE_CHILD_SA, INFORMATIONAL, IKE_AUTH } = ExchangeType
const SESSION_RESUME = 38
/** Beside those of RFC 7296: IKE_INTERMEDIATE, IKE_FOLLOWUP_KE, IKE_SESSION_RESUME. */
export const exchanges = [INFORMATIONAL, CREATE_CHILD_SA, IKE_AUTH, 43, 44, SESSION_RESUME, ExchangeType.IKE_SA_INIT]
const groups = [31, 19, 14, 35, 36]

const HEADER_BYTES = 28
const MESSAGE_ID_OFFSET = 20

export const hintsOf = (world: FuzzWorld): HostileHints => ({
  spis: [...world.a.ike.status(), ...world.b.ike.status()]
    .flatMap(({ children }) => children)
    .flatMap(({ spiIn, spiOut }) => [spiIn, spiOut])
    .concat(0xa0000001, 0xb0000001)
    .map((spi) => Uint8Array.of(spi >>> 24, spi >>> 16, spi >>> 8, spi)),
  groups,
})

export const pickEnd = ({ world, dice }: Course): End => (dice.below(2) === 0 ? world.a : world.b)

/** Takes one of the first eight out of the wire; mostly the oldest. */
function takeFlight({ world, dice }: Course): Flight | undefined {
  const at = Math.min(dice.below(8), Math.max(0, world.wire.length - 1))
  return world.wire.splice(at, 1)[0]
}

/** One that was sent before, the latest first. */
function pastFlight({ world, dice }: Course): Flight | undefined {
  return world.log.at(-1 - dice.below(32))
}

/** Runs the change of a datagram that nobody with keys has made: both ends must stay what they are. */
function deliverForged(world: FuzzWorld, flight: Flight): void {
  const { message } = flight
  const isKnown = world.log.some(
    (one) => one.message.length === message.length && one.message.every((octet, i) => octet === message[i]),
  )
  // Without change it is a copy of a good message.
  if (isKnown) return world.deliver(flight)
  // Whoever begins an IKE_SA, or answers to it, is not authenticated yet: what stands already must not notice.
  const isBeginning = message[18] === ExchangeType.IKE_SA_INIT || message[18] === SESSION_RESUME
  const state = () => [world.a, world.b].map((end) => stateOf(end, isBeginning ? 'authenticated' : 'all')).join('\n\n')
  const before = state()
  world.deliver(flight)
  const after = state()
  if (before !== after) throw new Error(`a forged message changed the state:\n${before}\nbecame\n${after}`)
}

/** Opens a message, has it changed, and protects it again. */
function tamper(
  course: Course,
  flight: Flight,
  change: (opened: NonNullable<ReturnType<typeof openMessage>>) => Parameters<typeof protectMessage>[0],
): void {
  const opened = openMessage(flight.message, course.world.crypto.sealed)
  if (opened === undefined)
    return deliverForged(course.world, { ...flight, message: plainMutated(course, flight.message) })
  course.tampered = true
  course.world.deliver({ ...flight, message: protectMessage(change(opened)) })
}

/** An unprotected message with other payloads, or other octets when it has none. */
function plainMutated({ world, dice }: Course, message: Uint8Array): Uint8Array {
  try {
    const { header, payloads } = decodeMessage(message)
    return encodeMessage(header, mutatePayloads(payloads, dice, hintsOf(world)))
  } catch {
    return repairLength(mutateOctets(message, dice))
  }
}

export const wireSteps: readonly Step[] = [
  function deliver(course) {
    const flight = takeFlight(course)
    if (flight !== undefined) course.world.deliver(flight)
  },
  function deliverAll({ world }) {
    world.deliverAll()
  },
  function drop(course) {
    takeFlight(course)
  },
  function dropAll({ world }) {
    world.wire.length = 0
  },
  function duplicate(course) {
    const flight = takeFlight(course)
    if (flight === undefined) return
    course.world.deliver(flight)
    course.world.deliver(flight)
  },
  function later(course) {
    const flight = takeFlight(course)
    if (flight !== undefined) course.world.wire.push(flight)
  },
  function replay(course) {
    const flight = pastFlight(course)
    if (flight !== undefined) course.world.deliver(flight)
  },
  function fromElsewhere(course) {
    const flight = takeFlight(course)
    if (flight === undefined) return
    // The source is not protected: who moves packets about moves the peer where the NAT rules allow it.
    course.world.deliver({ ...flight, from: { ...flight.from, port: 1024 + course.dice.below(4) } })
  },
]

export const forgerySteps: readonly Step[] = [
  function forgeOctets(course) {
    const flight = pastFlight(course)
    if (flight === undefined) return
    const message = mutateOctets(flight.message, course.dice, [pastFlight(course)?.message ?? flight.message])
    deliverForged(course.world, { ...flight, message: course.dice.chance(70) ? repairLength(message) : message })
  },
  function forgeHeader(course) {
    const flight = pastFlight(course)
    if (flight !== undefined)
      deliverForged(course.world, { ...flight, message: mutateHeader(flight.message.slice(), course.dice) })
  },
  function forgePlain(course) {
    const flight = pastFlight(course)
    if (flight === undefined) return
    const { dice, world } = course
    const { header } = decodeMessage(flight.message)
    const payloads = Array.from({ length: dice.below(4) }, () => hostilePayload(dice, hintsOf(world)))
    const exchangeType = dice.pick(exchanges)
    const flags = { ...header.flags, response: dice.below(2) === 1 }
    deliverForged(world, { ...flight, message: encodeMessage({ ...header, exchangeType, flags }, payloads) })
  },
  function forgeNoise(course) {
    const flight = pastFlight(course)
    if (flight !== undefined)
      deliverForged(course.world, { ...flight, message: course.dice.octets(course.dice.below(200)) })
  },
  /** With an id that may be the next: only the integrity speaks against it. */
  function forgeInWindow(course) {
    const flight = pastFlight(course)
    if (flight === undefined || flight.message.length <= HEADER_BYTES) return
    const message = flight.message.slice()
    writeU32(message, MESSAGE_ID_OFFSET, course.dice.below(6))
    message[HEADER_BYTES + course.dice.below(message.length - HEADER_BYTES)]! ^= 1 << course.dice.below(8)
    deliverForged(course.world, { ...flight, message })
  },
]

export const tamperSteps: readonly Step[] = [
  function tamperPayloads(course) {
    const flight = takeFlight(course)
    if (flight === undefined) return
    tamper(course, flight, (opened) => {
      try {
        const payloads = decodePayloads(opened.first, opened.inner)
        return { ...opened, ...encodeInner(mutatePayloads(payloads, course.dice, hintsOf(course.world))) }
      } catch {
        return { ...opened, inner: mutateOctets(opened.inner, course.dice) }
      }
    })
  },
  function tamperInner(course) {
    const flight = takeFlight(course)
    if (flight === undefined) return
    tamper(course, flight, (opened) => ({
      ...opened,
      first: course.dice.chance(80) ? opened.first : course.dice.u8(),
      inner: mutateOctets(opened.inner, course.dice),
    }))
  },
  function tamperHeader(course) {
    const flight = takeFlight(course)
    if (flight === undefined) return
    tamper(course, flight, (opened) => ({ ...opened, header: mutateHeader(opened.header, course.dice) }))
  },
  function tamperFragment(course) {
    const flight = takeFlight(course)
    if (flight === undefined) return
    const { dice } = course
    tamper(course, flight, (opened) => {
      const fragment = new Uint8Array(4)
      writeU16(fragment, 0, dice.pick([1, 2, 3, 0, 65535]))
      writeU16(fragment, 2, dice.pick([1, 2, 3, 16, 65535, 0]))
      return { ...opened, isFragment: dice.chance(80), fragment: dice.chance(80) ? fragment : new Uint8Array(0) }
    })
  },
  function inventMessage(course) {
    const { world, dice } = course
    const payloads = Array.from({ length: dice.below(5) }, () => hostilePayload(dice, hintsOf(world)))
    invent(course, pickEnd(course), { exchange: dice.pick(exchanges), kind: dice.below(4) }, encodeInner(payloads))
  },
]

/** What a message of the key holder claims to be: 0 the next request, 1 the answer to the last request, 2 an old or 3 a far request. */
export interface Claim {
  readonly exchange: number
  readonly kind: number
}

/**
 * Sends a message to `victim` under the keys of its peer, with any inside. Does nothing while the peer has not shown keys. The
 * newest IKE_SA of the peer is taken.
 */
export function invent(course: Course, victim: End, claim: Claim, inside: { first: number; inner: Uint8Array }): void {
  const { world } = course
  const latest = world.log.findLast(
    (flight) => world.isFor(flight, victim) && openMessage(flight.message, world.crypto.sealed),
  )
  if (latest === undefined) return
  const opened = openMessage(latest.message, world.crypto.sealed)!
  const isSame = ({ message }: Flight) =>
    message.length >= 28 && message.subarray(0, 16).every((octet, i) => octet === latest.message[i])
  const requests = (to: boolean) =>
    world.log.filter(
      (flight) => isSame(flight) && world.isFor(flight, victim) === to && (flight.message[19]! & 0x20) === 0,
    )
  const next =
    1 +
    Math.max(
      0,
      ...requests(true)
        .filter((flight) => !world.wire.includes(flight))
        .map(({ message }) => messageIdOf(message)),
    )
  const asked = requests(false).at(-1)
  const header = opened.header.slice()
  const isResponse = claim.kind === 1
  header[18] =
    isResponse && claim.exchange === 0 ? (asked?.message[18] ?? INFORMATIONAL) : claim.exchange || INFORMATIONAL
  header[19] = (header[19]! & ~0x20) | (isResponse ? 0x20 : 0)
  const id = isResponse
    ? asked === undefined
      ? 0
      : messageIdOf(asked.message)
    : [next, 0, next - 1, next + 1][claim.kind]!
  writeU32(header, 20, id)
  course.tampered = true
  world.deliver({
    ...latest,
    message: protectMessage({ ...opened, header, isFragment: false, fragment: new Uint8Array(0), ...inside }),
  })
}
