import { equalBytes } from '../../src/bytes/index.ts'
import type { IkeSaStatus } from '../../src/ike/events.ts'
import { formatIp, formatSocketAddress } from '../../src/ip/index.ts'
import type { XfrmStateConfig } from '../../src/xfrm/port.ts'
import { containersOf } from './containers.ts'
import type { End, FuzzWorld } from './world.ts'

/**
 * Everything that an end holds, as text: two of one end are equal when nothing has changed in between. `authenticated`: only what
 * belongs to IKE_SAs whose peer has authenticated.
 */
export function stateOf(end: End, which: 'all' | 'authenticated' = 'all'): string {
  const sas = end.ike.status().filter(({ state }) => which === 'all' || state !== 'connecting')
  const { larval, states, policies } = end.xfrm
  const tables = [...states.keys(), ...policies.keys(), ...(which === 'all' ? larval.keys() : [])]
  return [...sas.map(lineOf), ...tables].join('\n')
}

function lineOf(sa: IkeSaStatus): string {
  const children = sa.children.map(({ name, state, spiIn, spiOut, reqid, suite, localTs, remoteTs }) =>
    [name, state, spiIn, spiOut, reqid, suite, localTs, remoteTs].join(' '),
  )
  const ends = `${formatSocketAddress(sa.local)} ${formatSocketAddress(sa.remote)}`
  return [sa.sa.id, sa.state, sa.role, sa.SPIi, sa.SPIr, ends, sa.suite, sa.establishedAt, ...children].join(' ')
}

/**
 * What must hold of one end whenever it is left alone: every state belongs to a CHILD_SA that stands. SPIs without one may be
 * waiting for an answer.
 */
export function checkTables(end: End): void {
  const { xfrm, name } = end
  const sas = end.ike.status()
  if (sas.some(({ state }) => state !== 'established' && state !== 'superseded')) return
  const children = sas.flatMap((sa) => sa.children.map((child) => ({ ...child, sa })))
  const namesOf = ({ spiIn, spiOut, sa }: (typeof children)[number]) => [
    keyOf(formatIp(sa.local.address), spiIn),
    keyOf(formatIp(sa.remote.address), spiOut),
  ]
  // One that is being replaced may have a state in one direction only.
  const missing = children.filter(({ state }) => state === 'installed').flatMap(namesOf)
  const lost = missing.filter((key) => !xfrm.states.has(key))
  if (lost.length > 0) throw new Error(`${name} lacks states of its CHILD_SAs: ${lost}`)
  const known = new Set(children.flatMap(namesOf))
  const lingering = new Set(sas.flatMap((sa) => sa.lingering))
  const held = [...xfrm.states].filter(([, { spi }]) => !lingering.has(spi))
  const leaked = held.filter(([key]) => !known.has(key))
  if (leaked.length > 0) throw new Error(`${name} holds states of no CHILD_SA: ${leaked.map(([key]) => key)}`)
  const reqids = new Set(children.map(({ reqid }) => reqid))
  for (const [, { reqid }] of held)
    if (!reqids.has(reqid)) throw new Error(`${name} has a state with the reqid of no CHILD_SA`)
}

const keyOf = (address: string, spi: number): string => `${address}/0x${spi.toString(16).padStart(8, '0')}`

/**
 * Nobody changed an authenticated message: both ends must have the same IKE_SAs and CHILD_SAs when all is quiet. Without liveness
 * checks an end need not know that the other one has given up.
 */
export function checkAgreement({ a, b }: FuzzWorld): void {
  if ([a, b].some(({ connection }) => connection.livenessDelayMs === 0)) return
  const mine = sharedOf(a, false)
  const theirs = sharedOf(b, true)
  if (mine !== theirs) throw new Error(`the ends do not agree:\n${stateOf(a)}\nand\n${stateOf(b)}`)
  for (const outbound of [...a.xfrm.states.values(), ...b.xfrm.states.values()]) {
    if (outbound.direction !== 'out') continue
    const inbound = [...a.xfrm.states.values(), ...b.xfrm.states.values()].find(
      ({ direction, spi }) => direction === 'in' && spi === outbound.spi,
    )
    if (inbound === undefined || !hasSameKeys(inbound, outbound))
      throw new Error(`the ends do not have the same keys for ${outbound.spi.toString(16)}`)
  }
}

const hasSameKeys = (one: XfrmStateConfig, other: XfrmStateConfig): boolean =>
  one.esn === other.esn &&
  one.mode === other.mode &&
  one.encr.id === other.encr.id &&
  equalBytes(one.encr.key, other.encr.key) &&
  equalBytes(one.encr.salt, other.encr.salt) &&
  equalBytes(one.integ?.key ?? NONE, other.integ?.key ?? NONE)

const NONE = new Uint8Array(0)

function sharedOf(end: End, isMirrored: boolean): string {
  // Half-open ones, and those whose place another has taken, end by themselves after a while.
  const standing = end.ike.status().filter(({ state }) => state !== 'superseded' && state !== 'connecting')
  const lines = standing.map((sa) => {
    const children = sa.children
      // One end may still wait to send until the other has used it.
      .filter(({ state }) => state === 'installed' || state === 'receiving')
      .map(({ spiIn, spiOut, suite }) => `${isMirrored ? [spiOut, spiIn] : [spiIn, spiOut]} ${suite}`)
      .sort()
    return `${sa.state} ${sa.SPIi} ${sa.SPIr} ${sa.suite} ${children.join(', ')}`
  })
  return lines.sort().join('\n')
}

/**
 * Each bounded by itself, and emptied only when it is asked: answers to the dead, what was agreed on, redirections of a connection
 * lately, traps of children, addresses of ours, and of strangers that were answered, and whose tickets are void. What is reached
 * through one of them, as the runtime is, counts by itself.
 */
const kept =
  /\.(lastWords\.kept|suites\.suites|redirects\.times|awaited|traps|policies|locals|strays\.answers\.ofOne|tickets\.revoked)(?!.*\.runtime)/
const MOST_KEPT = 256

/** Nothing is left of what was: after the end of all SAs and timers every table has the size that it had at the beginning. */
export function checkEmpty(end: End): void {
  const { name, ike, xfrm, emptySizes } = end
  if (!ike.isIdle()) throw new Error(`${name} still has IKE_SAs after the end:\n${stateOf(end)}`)
  if (ike.nextTimeoutAt() !== Number.POSITIVE_INFINITY) throw new Error(`${name} still has a timer after the end`)
  if (xfrm.states.size + xfrm.larval.size > 0)
    throw new Error(`${name} still has states after the end:\n${stateOf(end)}`)
  for (const [path, size] of containersOf(ike)) {
    const most = kept.test(path) ? MOST_KEPT : (emptySizes.get(path) ?? 0)
    if (size > most) throw new Error(`${name} keeps ${size} in ${path} after the end, ${most} are to be expected`)
  }
}
