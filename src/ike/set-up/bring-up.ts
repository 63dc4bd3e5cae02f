import { UsageError } from '../../errors.ts'
import type { IpAddress } from '../../ip/address.ts'
import type { Trigger } from '../child/child-terms.ts'
import type { ChildConfig, ConnectionConfig } from '../config.ts'
import type { IkeSas } from '../ike-sas.ts'
import { pump } from '../message/ike-messages.ts'
import type { Resumable } from '../resumption/resumption.ts'
import type { IkeRuntime, Path } from '../runtime.ts'
import { ChildCreate } from '../tasks/child-create.ts'
import { beginIkeSa } from './ike-begin.ts'

/**
 * Sets a child up, on the connection's IKE_SA where it has one, else on a new one. Undefined as child: the IKE_SA alone. One that
 * stands or is being made is left at that. Returns the IKE_SA's id, 0 without a local address; throws `UsageError` for a connection
 * that can only wait for its peer.
 */
export function bringUp(
  runtime: IkeRuntime,
  sas: IkeSas,
  connection: ConnectionConfig,
  child: ChildConfig | undefined,
  options: {
    readonly localAddress?: IpAddress | undefined
    readonly trigger?: Trigger
    readonly resumable?: Resumable | undefined
  } = {},
): number {
  const { localAddress = runtime.localFor(connection), trigger, resumable } = options
  const known = sas.carrierOf(connection, child)
  if (known !== undefined) {
    if (child !== undefined && !known.hasOrMakes(child)) {
      known.enqueue(new ChildCreate(known, child, { trigger }))
      pump(known)
    }
    return known.id
  }
  const { address, port } = connection.remote
  if (address === undefined)
    throw new UsageError('connection', `${connection.name} has no remote address: it can only wait`)
  if (localAddress === undefined) return 0
  const localPort = port === connection.remote.natPort ? runtime.ports.nat : runtime.ports.ike
  const path: Path = { local: { address: localAddress, port: localPort }, remote: { address, port } }
  const sa = beginIkeSa(runtime, connection, child, path, { resumable })
  // At once: the connection's next child is to find it.
  sas.add(sa)
  sa.trigger = trigger
  return sa.id
}
