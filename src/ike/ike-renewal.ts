import { drawWithinJitter, type LifetimeTimer } from './ike-lifetime.ts'
import type { IkeSa } from './ike-sa.ts'
import { IkeRekey } from './tasks/ike-rekey.ts'

/** A timer about the lifetime of an IKE_SA has come. */
export function serveLifetime(sa: IkeSa, timer: LifetimeTimer): void {
  if (timer === 'rekey-window') drawWithinJitter(sa, 'rekey')
  else if (timer === 'rekey') renewKeys(sa)
  else if (timer === 'over') sa.delete('expired')
  else if (timer === 'linger') sa.delete('local')
}

/** Begins to rekey an established IKE_SA, unless that is under way or waits. */
export function renewKeys(sa: IkeSa): void {
  if (sa.state !== 'established' || sa.rekeying?.hasTheirs === true) return
  sa.timers.clear('rekey')
  if (sa.findTask((task) => task instanceof IkeRekey) === undefined) sa.enqueue(new IkeRekey(sa, () => {}))
}
