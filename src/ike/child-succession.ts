import type { ChildSa } from './child-sa.ts'
import type { CloseReason } from './events.ts'

/** A CHILD_SA that stands by itself is up. */
export function announce(child: ChildSa): void {
  const { sa } = child
  child.announced = true
  sa.runtime.emit({ kind: 'child-established', sa: sa.ref, child: child.status() })
}

/** `heir` sends in place of `old` from here on, and users know it in place of `old`. RFC 7296 §2.8. */
export function takeOver(heir: ChildSa, old: ChildSa): void {
  const { sa } = heir
  heir.startSending()
  old.rekeyedBy(heir)
  if (heir.rekeyDue) sa.childTimers.set(heir, sa.runtime.now)
  if (!old.announced) return announce(heir)
  old.announced = false
  heir.announced = true
  sa.runtime.emit({ kind: 'child-rekeyed', sa: sa.ref, old: old.status(), child: heir.status() })
}

/** A CHILD_SA with what is about to take its place, or with the one whose place it is about to take: what does not send yet first. */
export function familyOf(child: ChildSa): ChildSa[] {
  const old = child.agreement?.replaces
  const family = [old?.replacement === child ? old : undefined, child.replacement, child]
  return family
    .filter((one) => one?.isAlive === true)
    .map((one) => one!)
    .sort((a, b) => Number(a.sends) - Number(b.sends))
}

/**
 * A CHILD_SA is deleted, by the peer or with its consent. Its traffic goes on through what was made in its place; then it
 * takes what is under way for some seconds more.
 */
export function endChild(child: ChildSa, reason: CloseReason): void {
  if (child.state === 'deleted' || child.state === 'closed') return
  const { sa } = child
  reinstatePredecessor(child)
  const heir = heirOf(child)
  if (heir !== undefined) takeOver(heir, child)
  // One that was made for nothing, because both sides rekeyed at once, may have been used by the peer as well.
  const isRedundant = child.agreement?.replaces !== undefined && !child.announced && child.replacement === undefined
  sa.cancelWaiting(child)
  if (child.replacement?.isAlive === true || isRedundant) child.linger()
  else child.remove(reason)
}

/** What was to take the place of another is gone before it did: the other one goes on. */
function reinstatePredecessor(child: ChildSa): void {
  const old = child.agreement?.replaces
  if (old?.replacement !== child || old.state !== 'rekeyed' || !old.announced) return
  old.reinstate()
}

/** What begins to send when `child` ends: its replacement, or the last that waits for the same traffic when none sends. */
function heirOf(child: ChildSa): ChildSa | undefined {
  if (!child.sends) return undefined
  if (child.replacement?.state === 'receiving') return child.replacement
  const others = child.sa.children.filter((other) => other !== child && other.reqid === child.reqid && other.isAlive)
  if (others.some(({ sends }) => sends)) return undefined
  return others.at(-1)
}
