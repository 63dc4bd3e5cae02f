import { toHex } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { isAlike } from '../child/child-agreement.ts'
import type { ChildChoice } from '../child/child-choice.ts'
import { workerChildren } from '../child/worker-children.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import { decodeResourceInfo } from '../codec/resource-info.ts'
import { explainTooManyWorkers } from '../explain/explain-workers.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify } from '../message/notifies.ts'
import { ChildCreate } from './child-create.ts'

/** CHILD_SAs of workers on one IKE_SA, whatever its children allow each: they cost states and SPIs. */
const MOST_OF_WORKERS = 256

/** Octets of a peer's identifier in our words. */
const MOST_SHOWN_BYTES = 16

/**
 * A responder's choice with the worker of ours that it is for: the peer said that it wants one for a worker of its own, and the one for
 * all stands. Ours and the peer's workers need not be as many. Throws `PeerError` with TS_MAX_QUEUE when there are enough. RFC 9611 §4.
 */
export function placeWorker(sa: IkeSa, choice: ChildChoice, request: readonly Payload[]): ChildChoice {
  const { workers } = choice.config
  if (choice.forWorkers !== true || workers === undefined) return choice
  const common = sa.children.find(
    ({ isAlive, worker, agreement }) =>
      isAlive && worker === undefined && agreement?.config === choice.config && isAlike(agreement, choice),
  )
  // The first is for all.
  if (common === undefined) return choice
  const stand = workerChildren(sa, common.reqid).map(({ worker }) => worker!)
  if (stand.length >= workers.max || workerChildren(sa).length >= MOST_OF_WORKERS) {
    throw full(sa, choice, { stand: stand.length, identifier: identifierIn(request) })
  }
  return { ...choice, worker: leastServed(workers.count, [...stand, ...askedFor(sa, choice)]) }
}

/** The workers of ours that we are asking for: when both ends ask at once, each gets one of them. */
function askedFor(sa: IkeSa, { config }: ChildChoice): number[] {
  const task = sa.findTask((one): one is ChildCreate => one instanceof ChildCreate && one.wish?.like.config === config)
  return task?.wish === undefined ? [] : [task.wish.worker]
}

function leastServed(count: number, served: readonly number[]): number {
  const times = Array.from({ length: count }, (_, worker) => served.filter((one) => one === worker).length)
  return times.indexOf(Math.min(...times))
}

/** What the peer calls its worker; empty when it does not say. */
function identifierIn(request: readonly Payload[]): string {
  const { identifier, number } = decodeResourceInfo(findNotify(request, NotifyType.SA_RESOURCE_INFO)!.data)
  return number >= 0 ? String(number) : toHex(identifier.subarray(0, MOST_SHOWN_BYTES))
}

function full(
  sa: IkeSa,
  { config }: ChildChoice,
  of: { readonly stand: number; readonly identifier: string },
): PeerError {
  const refusal = explainTooManyWorkers(sa.connection, config, { ...of, max: config.workers!.max })
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
  return new PeerError('TS_MAX_QUEUE', refusal.message, { notify: NotifyType.TS_MAX_QUEUE, explanation: refusal })
}
