import type { RandomSource } from '../../crypto/provider.ts'
import type { IkeSa } from '../ike-sa.ts'

/**
 * `rekey` and `reauth`: it is time. `rekey-window` and `reauth-window`: from here on, some time within the jitter. `over`: it
 * ends, whatever became of them. `linger`: a superseded IKE_SA that nobody deleted. `replace`: another one has its place.
 */
export type LifetimeTimer = 'rekey-window' | 'rekey' | 'reauth-window' | 'reauth' | 'over' | 'linger' | 'replace'

/** Who was called reauthenticates this much later than who called: two ends that both did it at once would come out with one IKE_SA more. */
const YIELD_MS = 60_000

/** A reauthentication that did not come about is tried again after this long. */
export const RETRY_MS = 180_000

/**
 * Sets the timers of an IKE_SA that begins. What is random about them is drawn when their window opens, so that a handshake
 * takes the same octets whatever the lifetime.
 */
export function armLifetime(sa: IkeSa): void {
  const { rekeyMs, reauthMs, overMs, jitterMs } = sa.connection.lifetime
  const rekeyBy = sa.runtime.now + rekeyMs
  const reauthBy = sa.authenticatedAt! + reauthMs + (sa.beganAs === 'responder' ? Math.min(YIELD_MS, overMs / 2) : 0)
  setFinite(sa, 'rekey-window', rekeyBy - Math.min(jitterMs, rekeyMs))
  setFinite(sa, 'reauth-window', reauthBy - Math.min(jitterMs, reauthMs))
  setFinite(sa, 'over', Math.min(rekeyBy, sa.authenticatedAt! + reauthMs) + overMs)
}

/** Nothing came of what stood in the way of renewing it: what fell due meanwhile is done now. */
export function resumeLifetime(sa: IkeSa): void {
  if (sa.state !== 'established') return
  const { rekeyMs, reauthMs } = sa.connection.lifetime
  const isForgotten = (name: 'rekey' | 'reauth') =>
    sa.timers.at(name) === undefined && sa.timers.at(`${name}-window`) === undefined
  if (Number.isFinite(rekeyMs) && isForgotten('rekey')) sa.timers.set('rekey', sa.runtime.now)
  if (Number.isFinite(reauthMs) && isForgotten('reauth')) sa.timers.set('reauth', sa.runtime.now)
}

/** The window of `rekey` or `reauth` is open: draws when it is to be. */
export function drawWithinJitter(sa: IkeSa, name: 'rekey' | 'reauth'): void {
  const { lifetime } = sa.connection
  const whole = name === 'rekey' ? lifetime.rekeyMs : lifetime.reauthMs
  const ms = Math.min(lifetime.jitterMs, whole)
  sa.timers.set(name, sa.runtime.now + (ms === 0 ? 0 : ms * randomShare(sa.runtime.random)))
}

/**
 * When to ask again after the `tries`-th TEMPORARY_FAILURE: 1 s, then twice as long each time, up to a minute, and up to
 * half of it earlier, so that two ends in each other's way do not stay there. RFC 7296 §2.25.
 */
export function backOffMs(tries: number, random: RandomSource): number {
  return Math.min(60_000, 1000 * 2 ** (tries - 1)) * (1 - randomShare(random) / 2)
}

function setFinite(sa: IkeSa, name: LifetimeTimer, at: number): void {
  if (Number.isFinite(at)) sa.timers.set(name, at)
}

/** From 0 to below 1. */
export function randomShare(random: RandomSource): number {
  const [high = 0, low = 0] = random(2)
  return ((high << 8) | low) / 0x1_0000
}
