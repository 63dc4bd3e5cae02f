import type { ChildConfig, ConnectionConfig } from '../config.ts'
import { IkeSa } from '../ike-sa.ts'
import type { Resumable } from '../resumption/resumption.ts'
import type { IkeRuntime, Path } from '../runtime.ts'
import { beginSetUp } from '../tasks/begin-set-up.ts'

/** Begins a new IKE_SA as initiator, with its first CHILD_SA if any, on `path`, resuming a session if one is given; `id` is that of an IKE_SA whose place it takes. The endpoint sends what is to be sent at the end of the call. */
export function beginIkeSa(
  runtime: IkeRuntime,
  connection: ConnectionConfig,
  child: ChildConfig | undefined,
  path: Path,
  options: { readonly resumable?: Resumable | undefined; readonly id?: number } = {},
): IkeSa {
  const SPIi = runtime.takeIkeSpi()
  const sa = new IkeSa({ runtime, id: options.id ?? runtime.nextId++, role: 'initiator', SPIi, connection, path })
  sa.firstChild = child
  runtime.peers.add(sa)
  beginSetUp(sa, options.resumable)
  runtime.noteReady(sa)
  return sa
}
