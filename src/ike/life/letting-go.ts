import type { IkeSa } from '../ike-sa.ts'
import { withoutAuth, withoutNonces } from '../set-up/init-result.ts'
import { KEPT_MS } from './leftovers.ts'

/** IKE_AUTH is over: lets go of what was for it. Does nothing before, and nothing the second time. */
export function forgetAuth(sa: IkeSa): void {
  const { init, runtime } = sa
  if (sa.establishedAt === undefined || init === undefined || init.keys.SK_pi.length === 0) return
  sa.init = { ...withoutAuth(init), suite: runtime.suites.share(init.suite) }
  sa.intermediate = undefined
  sa.candidates = []
}

/** It has stood for a while: lets go of what was kept for late and repeated messages. True when something younger is left. */
export function tidy(sa: IkeSa): boolean {
  forgetAuth(sa)
  if (sa.establishedAt !== undefined && sa.init !== undefined) {
    sa.init = withoutNonces(sa.init)
    sa.setUp = undefined
    sa.createAnswered = []
  }
  return sa.window.forgetResponses(sa.runtime.now - KEPT_MS)
}
