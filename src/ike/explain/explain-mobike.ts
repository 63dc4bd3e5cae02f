import { formatSocketAddress, type SocketAddress } from '../../ip/address.ts'
import { notifyName } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import type { PeerRefusal } from './refusal.ts'

/** The peer moved to where another CHILD_SA has the same outbound SPI already. */
export function explainAddressRefused(connection: ConnectionConfig, remote: SocketAddress): PeerRefusal {
  const at = formatSocketAddress(remote)
  return {
    kind: 'limit',
    by: 'local',
    detail: 'UNACCEPTABLE_ADDRESSES',
    message: `the peer of ${connection.name} moved to ${at}, where another CHILD_SA uses one of its SPIs`,
    hint: `nothing to change: the peer sets connections.${connection.name} up anew, with other SPIs`,
  }
}

/** The peer moved to our plain IKE port, where its ESP cannot be carried. */
export function explainPlainPort(connection: ConnectionConfig, remote: SocketAddress): PeerRefusal {
  return {
    kind: 'protocol-error',
    by: 'local',
    detail: 'UNACCEPTABLE_ADDRESSES',
    message: `the peer of ${connection.name} at ${formatSocketAddress(remote)} moved to the port for IKE without NAT traversal, where ESP in UDP cannot be carried`,
    hint: 'a fault of the peer: RFC 4555 §3.3 has both sides use the port for NAT traversal',
  }
}

/** The peer does not take the addresses that we moved to. */
export function explainUpdateRefused(connection: ConnectionConfig, notify: number, path: string): PeerRefusal {
  const name = notifyName(notify)
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: name,
    message: `the peer of ${connection.name} answered ${name} to our change of path, ${path}`,
    hint: 'the addresses that the peer allows are in its own configuration; connections.NAME.local.address keeps ours to one',
  }
}
