import { wipe } from '../../bytes/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { type Resumable, suiteOf } from '../resumption/resumption.ts'
import { beginAuth } from './begin-auth.ts'
import { SaInit } from './sa-init.ts'
import { SessionResume } from './session-resume.ts'

/**
 * Begins to set up an IKE_SA as initiator: with IKE_SA_INIT, or with the ticket of a session. One that was of a suite that is no
 * longer configured is not used.
 */
export function beginSetUp(sa: IkeSa, resumable?: Resumable): void {
  const suite = resumable === undefined ? undefined : suiteOf(resumable.session, sa.connection)
  const onSettled = () => beginAuth(sa)
  const onRefused = () => sa.enqueueNext(new SaInit(sa, onSettled))
  if (suite === undefined) wipe(resumable?.session.SK_d)
  if (resumable === undefined || suite === undefined) onRefused()
  else sa.enqueueNext(new SessionResume(sa, resumable, suite, { onSettled, onRefused }))
}
