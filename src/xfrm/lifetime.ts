import type { XfrmState } from './state.ts'

/** True once the state has used up a hard limit: it must not take another packet. Monotonic ms. */
export function hardLimitReached(state: XfrmState, now: number): boolean {
  const { lifetime } = state
  return (
    state.bytes >= lifetime.hardBytes || state.packets >= lifetime.hardPackets || now - state.addedAt >= lifetime.hardMs
  )
}

/** True once the state has reached a soft limit: it should be replaced. Monotonic ms. */
export function softLimitReached(state: XfrmState, now: number): boolean {
  const { lifetime } = state
  return (
    state.bytes >= lifetime.softBytes ||
    state.packets >= lifetime.softPackets ||
    now - state.addedAt >= lifetime.softMs ||
    keyIsUsedUp(state)
  )
}

/** True when the algorithm will not bear much more under this key, whatever is configured; see `usageLimits`. */
function keyIsUsedUp({ encapsulator, decapsulator }: XfrmState): boolean {
  return encapsulator?.usage.isNearLimit === true || decapsulator?.usage.isNearLimit === true
}

/** When the state's next time limit comes (soft only if it was not told yet), `Infinity` for never. */
export function nextTimeLimit(state: XfrmState): number {
  const { softMs, hardMs } = state.lifetime
  return state.addedAt + (state.softExpired ? hardMs : Math.min(softMs, hardMs))
}
