import type { ChildConfig, ConnectionConfig } from './config.ts'
import { IkeSa } from './ike-sa.ts'
import type { Resumable } from './resumption.ts'
import type { IkeRuntime, Path } from './runtime.ts'
import { beginSetUp } from './tasks/begin-set-up.ts'

/** Begins a new IKE_SA as initiator, with its first CHILD_SA if any, on `path`, resuming a session if one is given. The endpoint sends what is to be sent at the end of the call. */
export function beginIkeSa(
  runtime: IkeRuntime,
  connection: ConnectionConfig,
  child: ChildConfig | undefined,
  path: Path,
  resumable?: Resumable,
): IkeSa {
  const SPIi = runtime.takeIkeSpi()
  const sa = new IkeSa({ runtime, id: runtime.nextId++, role: 'initiator', SPIi, connection, path })
  sa.firstChild = child
  runtime.peers.add(sa)
  beginSetUp(sa, resumable)
  runtime.noteReady(sa)
  return sa
}
