import type { ChildConfig, ConnectionConfig } from './config.ts'
import { IkeSa } from './ike-sa.ts'
import type { IkeRuntime, Path } from './runtime.ts'
import { beginAuth } from './tasks/begin-auth.ts'
import { SaInit } from './tasks/sa-init.ts'

/** Begins a new IKE_SA as initiator, with its first CHILD_SA if any, on `path`. The endpoint sends what is to be sent at the end of the call. */
export function beginIkeSa(
  runtime: IkeRuntime,
  connection: ConnectionConfig,
  child: ChildConfig | undefined,
  path: Path,
): IkeSa {
  const SPIi = runtime.takeIkeSpi()
  const sa = new IkeSa({ runtime, id: runtime.nextId++, role: 'initiator', SPIi, connection, path })
  sa.firstChild = child
  runtime.peers.add(sa)
  sa.enqueue(new SaInit(sa, () => beginAuth(sa)))
  runtime.noteReady(sa)
  return sa
}
