import type { XfrmState } from './state.ts'

const NEVER = Number.POSITIVE_INFINITY

/** True once the state has used up a hard limit: it must not take another packet. Monotonic ms. */
export function hardLimitReached(state: XfrmState, now: number): boolean {
  const { lifetime } = state
  return (
    state.bytes >= lifetime.hardBytes ||
    state.packets >= lifetime.hardPackets ||
    now - state.addedAt >= lifetime.hardMs ||
    now >= usedUntil(state, lifetime.hardUseMs)
  )
}

/** True once the state has reached a soft limit: it should be replaced. Monotonic ms. */
export function softLimitReached(state: XfrmState, now: number): boolean {
  const { lifetime } = state
  return (
    state.bytes >= lifetime.softBytes ||
    state.packets >= lifetime.softPackets ||
    now - state.addedAt >= lifetime.softMs ||
    now >= usedUntil(state, lifetime.softUseMs) ||
    keyIsUsedUp(state)
  )
}

/** True when the algorithm will not bear much more under this key, whatever is configured (see `usageLimits`), or has few sequence numbers left. */
function keyIsUsedUp({ encapsulator, decapsulator }: XfrmState): boolean {
  return encapsulator?.isNearLimit === true || decapsulator?.usage.isNearLimit === true
}

/** When the state's next time limit comes (soft only if it was not told yet), `Infinity` for never. */
export function nextTimeLimit(state: XfrmState): number {
  const { softMs, hardMs, softUseMs, hardUseMs } = state.lifetime
  const hard = Math.min(state.addedAt + hardMs, usedUntil(state, hardUseMs))
  return state.softExpired ? hard : Math.min(state.addedAt + softMs, usedUntil(state, softUseMs), hard)
}

/** When a limit that counts from the first packet is reached. */
function usedUntil(state: XfrmState, limitMs: number | undefined): number {
  return limitMs === undefined || state.firstUsedAt < 0 ? NEVER : state.firstUsedAt + limitMs
}
