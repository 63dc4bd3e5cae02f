import type { PeerError } from '../../errors.ts'
import { formatSocketAddress, type SocketAddress } from '../../ip/address.ts'
import { notifyName } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import type { NatFindings } from '../path/nat-detection.ts'
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
export function explainGivenUp(
  task: string,
  attempts: number,
  remote: SocketAddress,
  lastProblem: string | undefined,
): PeerRefusal {
  const at = formatSocketAddress(remote)
  if (remote.tcp === true) return unansweredOverTcp(task, at, lastProblem)
  return {
    kind: 'no-answer',
    by: 'peer',
    detail: task,
    message:
      lastProblem === undefined
        ? `no answer from ${at} to ${task} after ${attempts} transmissions`
        : `no usable answer from ${at} to ${task} after ${attempts} transmissions; the last one was dropped: ${lastProblem}`,
    hint: `check that ${at} is reachable by UDP, that no firewall drops it, and that the peer runs`,
  }
}

function unansweredOverTcp(task: string, at: string, lastProblem: string | undefined): PeerRefusal {
  return {
    kind: 'no-answer',
    by: 'peer',
    detail: task,
    message: `no answer from ${at} to ${task} over TCP${lastProblem === undefined ? '' : `: ${lastProblem}`}`,
    hint: 'check that a peer that speaks RFC 9329 listens there; this end opens another connection when one is lost',
  }
}

/** No TCP connection to the peer, and UDP is not to be tried. RFC 9329. */
export function explainNoStream(remote: SocketAddress, why: string): PeerRefusal {
  const at = formatSocketAddress(remote)
  return {
    kind: 'no-answer',
    by: 'peer',
    detail: 'TCP',
    message: `no TCP connection to ${at}: ${why}`,
    hint: 'check tcp.port here and listen.tcpPort of the peer, or set tcp.mode to fallback so that UDP is tried',
  }
}

/**
 * Why ESP cannot be carried: as it is by `carriesPlain`, in UDP for peers with NAT traversal. A peer that finds no NAT (we neither are
 * behind one nor pretend to be) sends plain ESP. Undefined when nothing stands in the way. RFC 7296 §2.23.
 */
export function encapObstacle(
  { name, encap }: ConnectionConfig,
  nat: NatFindings,
  carriesPlain: boolean,
): PeerRefusal | undefined {
  const setting = `connections.${name}.encap`
  const refuse = (detail: string, message: string, hint: string): PeerRefusal => ({
    kind: 'protocol-error',
    by: 'local',
    detail,
    message,
    hint,
  })
  if (nat.overTcp === true) return undefined
  const hasNat = nat.supported && (nat.natLocal || nat.natRemote)
  if (encap === 'never' && hasNat) {
    const where = nat.natLocal ? 'in front of us' : 'in front of the peer, or the peer wants it to look so'
    const message = `there is a NAT ${where}, and ESP is to go without UDP, which does not pass it`
    return refuse('NAT_FOUND', message, `${setting}: set it to "auto"`)
  }
  if (!nat.supported && (encap === 'force' || !carriesPlain)) {
    return refuse(
      'NO_UDP_ENCAPSULATION',
      'the peer does not announce NAT traversal (no NAT_DETECTION notifies), and ESP is only carried in UDP here',
      `switch NAT traversal on at the peer${carriesPlain ? `, or set ${setting} to "auto"` : ''}`,
    )
  }
  if (encap === 'force' || hasNat || carriesPlain) return undefined
  return refuse(
    'NO_UDP_ENCAPSULATION',
    'there is no NAT between us and the peer, which therefore expects ESP without UDP, and that is not carried here',
    `${setting}: set it to "yes"`,
  )
}
