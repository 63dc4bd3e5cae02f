import type { CloseReason } from '../events.ts'
import type { ChildSa } from './child-sa.ts'

/** An initiator that has not our answer after this long has given the IKE_SA up. */
const ANSWER_IS_THERE_MS = 180_000
const CHECK_MS = 1_000

/** A CHILD_SA that stands by itself is up. */
export function announce(child: ChildSa): void {
  const { sa } = child
  child.announced = true
  sa.runtime.emit({ kind: 'child-established', sa: sa.ref, child: child.status() })
  if (child.state === 'receiving') sa.childTimers.set(child, sa.runtime.now + CHECK_MS)
}

/**
 * One that we made as responder beside another for the same traffic sends as soon as the initiator is known to have it: it has
 * sent a packet, or is not waiting for our answer any more. Until then the other one carries the packets.
 */
export function checkSending(child: ChildSa): void {
  const { sa } = child
  const ageMs = sa.runtime.now - (child.installedAt ?? 0)
  if (child.lastHeardAt >= 0 || ageMs >= ANSWER_IS_THERE_MS) child.startSending()
  else sa.childTimers.set(child, sa.runtime.now + CHECK_MS)
}

/** `heir` sends in place of `old` from here on, and users know it in place of `old`. RFC 7296 §2.8. */
export function takeOver(heir: ChildSa, old: ChildSa): void {
  const { sa } = heir
  heir.startSending()
  // It stood beside the old one, with a name of its own.
  if (heir.announced) return
  old.rekeyedBy(heir)
  if (!old.announced) return announce(heir)
  old.announced = false
  heir.announced = true
  sa.runtime.emit({ kind: 'child-rekeyed', sa: sa.ref, old: old.status(), child: heir.status() })
}

/** A CHILD_SA with what is about to take its place, or with the one whose place it is about to take: what does not send yet first. */
export function familyOf(child: ChildSa): ChildSa[] {
  const old = child.agreement?.replaces
  const family = [old?.replacement === child ? old : undefined, child.replacement, child]
  return silentFirst(family.filter((one) => one !== undefined).filter(({ isAlive }) => isAlive))
}

/** Those of several that end together in their order: what does not send yet first, so that it takes nobody's place. */
export const silentFirst = (children: readonly ChildSa[]): ChildSa[] =>
  [...children].sort((a, b) => Number(a.sends) - Number(b.sends))

/**
 * A CHILD_SA is deleted, or its IKE_SA. Its traffic goes on through what was made in its place, or stood beside it; then it
 * takes what is under way for some seconds more.
 */
export function endChild(child: ChildSa, because: CloseReason): void {
  // When both sides delete it at once, each has its own reason.
  const reason = child.deletedFor ?? because
  if (child.state === 'deleted' || child.state === 'closed') return
  reinstatePredecessor(child)
  const heir = heirOf(child)
  if (heir !== undefined) takeOver(heir, child)
  const survivor = child.siblings.findLast(({ sends }) => sends)
  child.sa.cancelWaiting(child)
  if (survivor === undefined) return child.remove(reason)
  child.tellClosed(reason)
  child.linger(survivor.sa)
}

/** What was to take the place of another is gone before it did: the other one goes on. */
function reinstatePredecessor(child: ChildSa): void {
  const old = child.agreement?.replaces
  if (old?.replacement === child && old.state === 'rekeyed' && old.announced) old.reinstate()
}

/** What begins to send when `child` ends: its replacement, or the last that waits for the same traffic when none sends. */
function heirOf(child: ChildSa): ChildSa | undefined {
  if (!child.sends) return undefined
  if (child.replacement?.state === 'receiving') return child.replacement
  const { siblings } = child
  return siblings.some(({ sends }) => sends) ? undefined : siblings.findLast(({ state }) => state === 'receiving')
}
