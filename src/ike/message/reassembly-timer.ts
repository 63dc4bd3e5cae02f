import type { IkeSa } from '../ike-sa.ts'

/** Call it when the IKE_SA's fragments have changed: they may have to be looked at in time. */
export function reassemblyChanged(sa: IkeSa): void {
  const at = sa.reassembly.expiresAt
  if (at === Number.POSITIVE_INFINITY) sa.timers.clear('reassembly')
  else sa.timers.set('reassembly', at)
}

/** Gives up messages whose other fragments do not come. */
export function expireFragments(sa: IkeSa): void {
  sa.reassembly.expire(sa.runtime.now)
  reassemblyChanged(sa)
}
