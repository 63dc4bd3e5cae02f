import { explainUnasked } from '../explain/explain-methods.ts'
import type { IkeSa } from '../ike-sa.ts'

/** The set-up of an IKE_SA takes too long: the peer does not go on, or nobody of ours answers what it waits for, which is told. */
export function giveUpSetUp(sa: IkeSa): void {
  const { connection, remoteId, runtime } = sa
  const question = runtime.questions.ofSa(sa)
  const refusal = question === undefined ? sa.setUp?.refusing : explainUnasked({ connection, remoteId }, question.kind)
  if (refusal === undefined) return sa.close('timeout')
  runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
  sa.close('timeout', refusal)
}
