import { giveUpSetUp } from '../asking/unanswered.ts'
import { checkSending } from '../child/child-succession.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { LifetimeTimer } from '../life/ike-lifetime.ts'
import { checkLiveness } from '../life/ike-liveness.ts'
import { serveSync } from '../message/message-id-sync.ts'
import { expireFragments } from '../message/reassembly-timer.ts'
import { sendKeepalive } from '../path/keepalive.ts'
import { serveStream } from '../path/stream-timer.ts'
import { startRekey } from '../tasks/child-rekey.ts'
import { SaInit } from '../tasks/sa-init.ts'

/** Timers of an IKE_SA that are not about its lifetime. */
type PlainTimer =
  | 'half-open'
  | 'follow-up'
  | 'liveness'
  | 'keepalive'
  | 'reassembly'
  | 'id-sync'
  | 'work'
  | 'doubt'
  | 'stream'

/** All timers of an IKE_SA. */
export type IkeTimer = PlainTimer | LifetimeTimer

const acts: Record<PlainTimer, (sa: IkeSa) => void> = {
  'half-open': giveUpSetUp,
  'follow-up': (sa) => sa.followUps?.expire(),
  liveness: checkLiveness,
  keepalive: sendKeepalive,
  reassembly: expireFragments,
  'id-sync': serveSync,
  work: (sa) => sa.workOnNext(),
  stream: serveStream,
  doubt: (sa) => sa.findTask((task) => task instanceof SaInit)?.believe(),
}

/** Serves what is due. A timer about the lifetime is given back: that may take whole exchanges, and new IKE_SAs. */
export function serveTimer(sa: IkeSa, name: IkeTimer): LifetimeTimer | undefined {
  if (!isPlain(name)) return name
  acts[name](sa)
  return undefined
}

const isPlain = (name: IkeTimer): name is PlainTimer => name in acts

/** The CHILD_SAs of an IKE_SA whose time has come. */
export function serveChildTimers(sa: IkeSa): void {
  for (const child of sa.childTimers.due(sa.runtime.now)) {
    if (child.state === 'deleted') child.remove('local')
    else if (child.state === 'receiving') checkSending(child)
    else startRekey(child)
  }
}
