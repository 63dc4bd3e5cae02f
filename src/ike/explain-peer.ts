import type { PeerError } from '../errors.ts'
import { formatSocketAddress, type SocketAddress } from '../ip/address.ts'
import { notifyName } from './codec/index.ts'
import type { PeerRefusal } from './refusal.ts'

/** We refused a message that breaks the protocol. */
export function explainProtocolError(error: PeerError): PeerRefusal {
  return {
    kind: 'protocol-error',
    by: 'local',
    detail: error.code,
    message: `the peer's message breaks the protocol: ${error.message}`,
    hint: 'a fault of the peer: compare its software version, or report it with a capture',
  }
}

/** The peer answered with an error notify that has no explanation of its own. */
export function explainPeerNotify(notify: number, during: string): PeerRefusal {
  const name = notifyName(notify)
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: name,
    message: `the peer answered ${name} to ${during}`,
    hint: "the reason is in the peer's own log",
  }
}

/** The peer never answered. */
export function explainGivenUp(task: string, attempts: number, remote: SocketAddress): PeerRefusal {
  const at = formatSocketAddress(remote)
  return {
    kind: 'no-answer',
    by: 'peer',
    detail: task,
    message: `no answer from ${at} to ${task} after ${attempts} transmissions`,
    hint: `check that ${at} is reachable by UDP, that no firewall drops it, and that the peer runs`,
  }
}
