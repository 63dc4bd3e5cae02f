import type { IkeSaStatus } from '../../src/ike/events.ts'
import { formatIp, formatSocketAddress } from '../../src/ip/index.ts'
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

/** What must hold of one end whenever no exchange is under way: every state, SPI and policy belongs to a CHILD_SA that stands. */
export function checkTables(end: End): void {
  const { xfrm, name } = end
  const sas = end.ike.status()
  if (sas.some(({ state }) => state !== 'established' && state !== 'superseded')) return
  const children = sas.flatMap((sa) => sa.children.map((child) => ({ ...child, sa })))
  if (xfrm.larval.size > 0) throw new Error(`${name} holds SPIs for nothing: ${[...xfrm.larval.keys()]}`)
  const installed = children.filter(({ state }) => state !== 'negotiating')
  const wanted = new Set(
    installed.flatMap(({ spiIn, spiOut, state, sa }) => [
      keyOf(formatIp(sa.local.address), spiIn),
      ...(state === 'receiving' ? [] : [keyOf(formatIp(sa.remote.address), spiOut)]),
    ]),
  )
  const lingering = new Set(sas.flatMap((sa) => sa.lingering))
  const held = new Set([...xfrm.states].filter(([, { spi }]) => !lingering.has(spi)).map(([key]) => key))
  const leaked = [...held].filter((key) => !wanted.has(key))
  const missing = [...wanted].filter((key) => !held.has(key))
  if (leaked.length > 0) throw new Error(`${name} holds states of no CHILD_SA: ${leaked}`)
  if (missing.length > 0) throw new Error(`${name} lacks states of its CHILD_SAs: ${missing}`)
  const reqids = new Set(installed.map(({ reqid }) => reqid))
  for (const { reqid } of xfrm.states.values())
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
  if (mine !== theirs) throw new Error(`the ends do not agree:\n${mine}\nand\n${theirs}`)
}

function sharedOf(end: End, isMirrored: boolean): string {
  // One whose place another has taken ends by itself, after a while.
  const standing = end.ike.status().filter(({ state }) => state !== 'superseded')
  const lines = standing.map((sa) => {
    const children = sa.children
      .map(({ spiIn, spiOut, suite }) => `${isMirrored ? [spiOut, spiIn] : [spiIn, spiOut]} ${suite}`)
      .sort()
    return `${sa.state} ${sa.SPIi} ${sa.SPIr} ${sa.suite} ${children.join(', ')}`
  })
  return lines.sort().join('\n')
}

/** Bounded by itself, and emptied only when it is asked; or one for each child that waits for a packet. */
const kept = /\.(lastWords\.kept|traps|policies)/
const MOST_KEPT = 100

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
