import type { IpAddress, SocketAddress } from '../../ip/address.ts'
import type { ConnectionConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { Path } from '../runtime.ts'

/** True for a path that is a TCP connection. RFC 9329. */
export const isStream = ({ remote }: Path): boolean => remote.tcp === true

/** True for one that is not open yet: our port is not known. Nothing is sent there. */
export const isUnconnected = (path: Path): boolean => isStream(path) && path.local.port === 0

/** The original initiator opens the TCP connections, whoever rekeyed since; the other end never does. RFC 9329 §1.2, §6.1. */
export const opensStreams = (sa: IkeSa): boolean => sa.beganAs === 'initiator'

/** Where a new IKE_SA begins that is to go along `path`: over TCP it has a connection of its own. RFC 9329 §6.1. */
export function pathToBegin(connection: ConnectionConfig, path: Path): Path {
  if (!isStream(path) && connection.tcp?.mode !== 'always') return path
  return { local: { address: path.local.address, port: 0, tcp: true }, remote: streamRemote(connection, path.remote) }
}

/** The TCP port of who is at `remote`. */
export function streamRemote(connection: ConnectionConfig, remote: SocketAddress): SocketAddress {
  if (remote.tcp === true) return remote
  return { address: remote.address, port: connection.tcp?.port ?? connection.remote.natPort, tcp: true }
}

/** Opens the connection that its path lacks; over UDP, sets the time after which TCP is tried as well. RFC 9329 §5.1. */
export function armStream(sa: IkeSa): void {
  const { path, connection, runtime } = sa
  if (isUnconnected(path)) runtime.connect(sa, path.local.address, path.remote)
  else if (connection.tcp?.mode === 'fallback' && !isStream(path) && opensStreams(sa))
    sa.timers.set('stream', runtime.now + connection.tcp.afterMs)
}

/** Opens a connection for it from this address of ours. */
export function openStream(sa: IkeSa, local: IpAddress = sa.path.local.address): void {
  sa.runtime.connect(sa, local, streamRemote(sa.connection, sa.path.remote))
}
