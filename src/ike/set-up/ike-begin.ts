import type { ChildConfig, ConnectionConfig } from '../config.ts'
import { IkeSa } from '../ike-sa.ts'
import { armStream, pathToBegin } from '../path/streams.ts'
import type { Resumable } from '../resumption/resumption.ts'
import type { IkeRuntime, Path } from '../runtime.ts'
import { beginSetUp } from '../tasks/begin-set-up.ts'

/** Begins a new IKE_SA as initiator, with its first CHILD_SA if any, on `path`, resuming a session if one is given; `id` is that of an IKE_SA whose place it takes; `isOpen`: the path is a TCP connection that it may have. The endpoint sends what is to be sent at the end of the call. */
export function beginIkeSa(
  runtime: IkeRuntime,
  connection: ConnectionConfig,
  child: ChildConfig | undefined,
  path: Path,
  options: { readonly resumable?: Resumable | undefined; readonly id?: number; readonly isOpen?: boolean } = {},
): IkeSa {
  const SPIi = runtime.takeIkeSpi()
  const id = options.id ?? runtime.nextId++
  const begins = options.isOpen === true ? path : pathToBegin(connection, path)
  const sa = new IkeSa({ runtime, id, role: 'initiator', SPIi, connection, path: begins })
  sa.firstChild = child
  runtime.peers.add(sa)
  beginSetUp(sa, options.resumable)
  armStream(sa)
  runtime.noteReady(sa)
  return sa
}
