import type { IkeSa } from '../ike-sa.ts'
import { beginsChildless } from '../set-up/set-up.ts'
import { AuthTask } from './auth-initiator.ts'
import { ChildCreate } from './child-create.ts'

/** The keys are there: IKE_AUTH follows, with the first CHILD_SA inside or, where the IKE_SA is set up alone, after it. */
export function beginAuth(sa: IkeSa): void {
  const { firstChild, connection } = sa
  if (firstChild === undefined || !beginsChildless(connection, sa.setUp!)) {
    return begin(sa, new AuthTask(sa, firstChild))
  }
  // HDR, SK {IDi, [IDr,] AUTH} -->, then CREATE_CHILD_SA with a key exchange of its own where the proposals have one
  sa.enqueueNext(new ChildCreate(sa, firstChild, { trigger: sa.trigger }))
  begin(sa, new AuthTask(sa, undefined))
}

/** It may wait for somebody of ours before it has anything to send. */
function begin(sa: IkeSa, task: AuthTask): void {
  sa.enqueueNext(task)
  task.begin()
}
