import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { heardElsewhere, livenessTask } from '../path/path-changes.ts'
import { type Path, sameEndpoint } from '../runtime.ts'

/** The peer gave a sign of life at `since`, absolute ms. */
export function armLiveness(sa: IkeSa, since = sa.runtime.now): void {
  const delay = sa.connection.livenessDelayMs
  if (delay > 0) sa.timers.set('liveness', since + delay)
}

/** The peer is asked whether it lives, unless it has shown that it does. RFC 7296 §2.4. */
export function checkLiveness(sa: IkeSa): void {
  if (sa.state !== 'established') return
  // ESP of the peer is a sign of life as well. RFC 7296 §2.4.
  const heardAt = Math.max(-1, ...sa.children.map((child) => child.lastHeardAt))
  if (heardAt >= 0 && sa.runtime.now - heardAt < sa.connection.livenessDelayMs) return armLiveness(sa, heardAt)
  armLiveness(sa)
  // A request under way is itself a question whether the peer lives.
  if (sa.isQuiet) sa.enqueue(livenessTask(sa))
}

/** A fresh, authenticated message of the peer: a sign of life, and perhaps a new place (RFC 7296 §2.23). */
export function heardFrom(sa: IkeSa, path: Path): void {
  if (sa.state === 'established') armLiveness(sa)
  if (sameEndpoint(path.remote, sa.path.remote) && sameEndpoint(path.local, sa.path.local)) return
  if (sa.state === 'connecting' && sa.role === 'responder') {
    // The initiator floats from port 500 to 4500 between IKE_SA_INIT and IKE_AUTH.
    sa.path = sa.runtime.keepPath(path)
  } else {
    heardElsewhere(sa, path)
  }
}

/** Closes an IKE_SA whose peer was asked often enough and does not answer. */
export function closeUnheard(sa: IkeSa, refusal: Refusal): void {
  // What our user or a refusal ends ends for that reason, and not because nobody answered: that would be cause to set it up again.
  const { ending } = sa
  if (ending !== undefined && ending.reason !== 'expired') return sa.close(ending.reason, ending.refusal)
  // Of one that another has the place of nobody waits for anything.
  if (ending === undefined && sa.successor === undefined)
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
  sa.close('timeout', refusal)
}
