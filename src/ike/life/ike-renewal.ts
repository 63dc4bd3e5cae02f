import type { ChildConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import { livenessTask } from '../path/path-changes.ts'
import { isStream, opensStreams } from '../path/streams.ts'
import type { Path } from '../runtime.ts'
import { beginIkeSa } from '../set-up/ike-begin.ts'
import { ChildCreate } from '../tasks/child-create.ts'
import { IkeRekey } from '../tasks/ike-rekey.ts'
import { drawWithinJitter, type LifetimeTimer, RETRY_MS, resumeLifetime } from './ike-lifetime.ts'
import { newestOf } from './succession.ts'

/** How long a new IKE_SA stands beside the old one once it has all CHILD_SAs, and how long it may take for those. */
const OVERLAP_MS = 1_000
const MOST_OVERLAP_MS = 30_000

/** A timer about the lifetime of an IKE_SA has come. */
export function serveLifetime(sa: IkeSa, timer: LifetimeTimer): void {
  if (timer === 'rekey-window') drawWithinJitter(sa, 'rekey')
  else if (timer === 'rekey') renewKeys(sa)
  else if (timer === 'reauth-window') drawWithinJitter(sa, 'reauth')
  else if (timer === 'reauth') reauthenticate(sa)
  else if (timer === 'over') sa.delete('expired')
  else if (timer === 'linger') sa.delete('local')
  else goOver(sa)
}

/** Begins to rekey an established IKE_SA, unless that is under way or waits, or another takes its place. RFC 7296 §2.8. */
export function renewKeys(sa: IkeSa): void {
  if (sa.state !== 'established' || sa.rekeying?.hasTheirs === true || sa.replacement !== undefined) return
  sa.timers.clear('rekey')
  if (sa.findTask((task) => task instanceof IkeRekey) !== undefined) return
  // A peer that does not rekey, as RFC 7296 §4 allows, gets a whole new one.
  sa.enqueue(new IkeRekey(sa, () => reauthenticate(sa)))
}

/**
 * Sets up a new IKE_SA beside an established one, with the same peer and CHILD_SAs; when it stands, the old one is deleted. When it does
 * not come about, the old one goes on and it is tried again. `elsewhere`: with another gateway, to which the peer sent us; that is
 * not tried again. RFC 7296 §2.8.3, RFC 5685 §5.
 */
export function reauthenticate(sa: IkeSa, elsewhere?: Path): void {
  if (sa.state !== 'established' || sa.replacement !== undefined) return
  if (elsewhere === undefined) sa.timers.set('reauth', sa.runtime.now + RETRY_MS)
  // The other end opens the TCP connections, and no two IKE_SAs share one. RFC 9329 §6.1.
  if (isStream(sa.path) && !opensStreams(sa)) return
  const { connection } = sa
  const [first] = childrenOf(sa)
  if (sa.runtime.peers.othersOf(sa)?.some(({ replaces }) => replaces !== undefined && newestOf(replaces) === sa)) return
  // Where the old one is, it is reached: from behind its NAT, too.
  const next = beginIkeSa(sa.runtime, connection, first, elsewhere ?? sa.path)
  if (elsewhere !== undefined) next.redirectedFrom = sa.path.remote.address
  continueReplacing(next, sa)
}

/** Once `next` is established it takes the place of `old`. */
export function continueReplacing(next: IkeSa, old: IkeSa): void {
  next.replaces = old
  next.onEstablished = () => finish(next)
}

/** The new IKE_SA of a reauthentication is authenticated, with its first CHILD_SA: it gets the others, then the old one ends. */
function finish(sa: IkeSa): void {
  const old = sa.replaces && newestOf(sa.replaces)
  sa.replaces = undefined
  if (old?.state !== 'established') return
  old.replaceBy(sa, OVERLAP_MS, true)
  bringOver(old, sa)
}

/** The time of an IKE_SA that another one replaces is over, as soon as that one has its CHILD_SAs. */
function goOver(old: IkeSa): void {
  const { replacement, runtime } = old
  const next = replacement && newestOf(replacement.by)
  if (replacement === undefined || next?.state !== 'established') {
    old.replacement = undefined
    resumeLifetime(old)
  } else if (bringOver(old, next) && runtime.now - replacement.since < MOST_OVERLAP_MS)
    old.timers.set('replace', runtime.now + OVERLAP_MS)
  else old.delete('replaced')
}

/** Asks once for what `old` carries and `next` does not, or waits for the peer to do so. True while something of it is not there. */
function bringOver(old: IkeSa, next: IkeSa): boolean {
  const replacement = old.replacement!
  const children = childrenOf(old)
  const missing = children.filter((child) => !next.hasOrMakes(child))
  if (replacement.asks) {
    replacement.asks = false
    for (const child of missing) next.enqueue(new ChildCreate(next, child))
    next.runtime.noteReady(next)
    return missing.length > 0
  }
  const isMaking = next.findTask(({ makes }) => makes !== undefined && children.includes(makes)) !== undefined
  return isMaking || missing.length > 0 || isUnheard(replacement, next)
}

/** True while the peer may not have `next`, because it has not had our IKE_AUTH response: it is asked for a sign, once. */
function isUnheard(replacement: NonNullable<IkeSa['replacement']>, next: IkeSa): boolean {
  if (next.beganAs !== 'responder' || next.children.every(({ state }) => state !== 'receiving')) return false
  if (replacement.probe === undefined) {
    replacement.probe = livenessTask(next)
    next.enqueue(replacement.probe)
    next.runtime.noteReady(next)
  }
  return next.findTask((task) => task === replacement.probe) !== undefined
}

const childrenOf = ({ children }: IkeSa): ChildConfig[] => [
  ...new Set(children.filter(({ state }) => state === 'installed').map(({ config }) => config!)),
]
