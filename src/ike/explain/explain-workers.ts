import { NotifyType, notifyName } from '../codec/index.ts'
import type { ChildConfig, ConnectionConfig } from '../config.ts'
import type { PeerRefusal } from './refusal.ts'

/** The peer asks for more CHILD_SAs for the same traffic than we take. RFC 9611 §5.2. */
export function explainTooManyWorkers(
  connection: ConnectionConfig,
  child: ChildConfig,
  { stand, max, identifier }: { readonly stand: number; readonly max: number; readonly identifier: string },
): PeerRefusal {
  return {
    kind: 'limit',
    by: 'local',
    detail: 'TS_MAX_QUEUE',
    message: `the peer asks for a CHILD_SA of one more worker${identifier === '' ? '' : ` (its ${identifier})`} for ${child.name}, and there are ${stand} of at most ${max}: its traffic goes on through those`,
    hint: `${workersOf(connection, child)}.max: raise it, when the peer is to have as many workers`,
  }
}

/** The peer answered our request for the CHILD_SA of one worker with an error notify. */
export function explainWorkerRefused(
  type: number,
  connection: ConnectionConfig,
  child: ChildConfig,
  worker: number,
): PeerRefusal {
  const name = notifyName(type)
  const isFull = type === NotifyType.TS_MAX_QUEUE || type === NotifyType.NO_ADDITIONAL_SAS
  const goesOn = 'its packets go on through the one for all'
  return {
    kind: isFull ? 'limit' : 'peer-error',
    by: 'peer',
    detail: name,
    message: `the peer makes no CHILD_SA of ${child.name} for worker ${worker} (${name}): ${goesOn}`,
    hint: isFull
      ? `nothing to change; with a higher limit at the peer it takes more, with a lower ${workersOf(connection, child)}.count we ask for fewer`
      : `${workersOf(connection, child)}: leave it out for a peer without RFC 9611; else the reason is in the peer's own log`,
  }
}

/** The peer made the CHILD_SA of one worker, but as any other, or for other traffic. */
export function explainNotForWorkers(connection: ConnectionConfig, child: ChildConfig, isKnown: boolean): PeerRefusal {
  const what = isKnown ? 'for other traffic' : 'without saying that it is for a worker (SA_RESOURCE_INFO)'
  return {
    kind: 'protocol-error',
    by: 'local',
    detail: 'SA_RESOURCE_INFO',
    message: `the peer answered our request for another CHILD_SA of ${child.name} ${what}: it is deleted, and no more are asked for`,
    hint: `${workersOf(connection, child)}: leave it out for a peer without RFC 9611`,
  }
}

const workersOf = (connection: ConnectionConfig, child: ChildConfig): string =>
  `connections.${connection.name}.children.${child.name}.workers`
