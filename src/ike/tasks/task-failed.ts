import type { PeerError } from '../../errors.ts'
import { explainProtocolError } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { Task } from '../task.ts'

/** A response that breaks the protocol ends the IKE_SA: before it is established silently, afterwards with a DELETE. */
export function taskFailed(sa: IkeSa, task: Task, error: PeerError): void {
  const refusal = explainProtocolError(error)
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
  // What the task took (an inbound SPI, a private value) goes back: nobody will finish it.
  task.abandon()
  sa.taskDone(task)
  // A DELETE that waits still goes out; when the answer to it is what broke the protocol, nothing is left to say.
  if (sa.state === 'connecting' || (sa.state === 'deleting' && sa.isQuiet)) sa.close('error', refusal)
  else sa.delete('error', refusal)
}
