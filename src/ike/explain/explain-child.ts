import type { ChildConfig, ConnectionConfig, TrafficSelectorConfig } from '../config.ts'
import { formatTrafficSelector } from '../negotiation/traffic-selector-text.ts'
import type { SelectChildAnswer } from '../questions.ts'
import type { PeerRefusal, TrafficSelectorRefusal } from './refusal.ts'

/** The peer deleted a CHILD_SA before its answer, which made it, reached us. */
export function explainDeletedEarly(child: ChildConfig): PeerRefusal {
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: 'DELETED',
    message: `the peer deleted CHILD_SA ${child.name} before its answer to CREATE_CHILD_SA reached us`,
    hint: "the reason is in the peer's own log",
  }
}

/** The peer is in the middle of something. RFC 7296 §2.25. */
export function explainBusy(child: ChildConfig): PeerRefusal {
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: 'TEMPORARY_FAILURE',
    message: `the peer is busy and could not make CHILD_SA ${child.name} for a minute (TEMPORARY_FAILURE each time)`,
    hint: "ask for it again; when it stays so, the reason is in the peer's own log",
  }
}

/** The peer has given up waiting for our additional key exchanges. RFC 9370 §2.2.4. */
export function explainStateLost(child: ChildConfig): PeerRefusal {
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: 'STATE_NOT_FOUND',
    message: `the peer no longer waits for the additional key exchanges of CHILD_SA ${child.name} (STATE_NOT_FOUND)`,
    hint: 'ask for it again; when it comes up often, look for lost packets: large key exchanges need fragmentation or a path that carries them',
  }
}

/** The peer asks for one of our key exchange groups after the other. Without `child` the IKE_SA is rekeyed. */
export function explainTooManyGroups(child: ChildConfig | undefined, tries: number): PeerRefusal {
  const what = child?.name ?? 'the IKE_SA'
  return {
    kind: 'protocol-error',
    by: 'local',
    detail: 'TOO_MANY_TRIES',
    message: `the peer answered CREATE_CHILD_SA for ${what} ${tries} times with INVALID_KE_PAYLOAD, and takes none of the groups that it asked for`,
    hint: 'a fault of the peer: compare its software version, or report it with a capture',
  }
}

/** The peer asks for more CHILD_SAs than one IKE_SA may have. */
export function explainTooManyChildren(limit: number): PeerRefusal {
  return {
    kind: 'limit',
    by: 'local',
    detail: 'NO_ADDITIONAL_SAS',
    message: `the peer asks for another CHILD_SA, and its IKE_SA has ${limit} of them, the most there may be`,
    hint: 'look at the peer: it makes new CHILD_SAs and does not delete the old ones',
  }
}

/** The peer is in the middle of something when we rekey. RFC 7296 §2.25.1. */
export function explainNotNow(child: ChildConfig, retryMs: number): PeerRefusal {
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: 'TEMPORARY_FAILURE',
    message: `the peer is busy and cannot rekey CHILD_SA ${child.name} at this moment (TEMPORARY_FAILURE)`,
    hint: `nothing to change: it goes on, and is rekeyed again in ${Math.round(retryMs / 1000)} s`,
  }
}

/** The peer takes no other SA on this IKE_SA, not even in place of one. RFC 7296 §1.3. */
export function explainNoRekey(connection: ConnectionConfig, child: ChildConfig): PeerRefusal {
  return {
    kind: 'peer-error',
    by: 'peer',
    detail: 'NO_ADDITIONAL_SAS',
    message: `the peer rekeys no CHILD_SA on this IKE_SA (NO_ADDITIONAL_SAS): the IKE_SA is set up anew with ${child.name}`,
    hint: `connections.${connection.name}.rekey.reauth: set it below the lifetime of the child, so that it does not come to the question`,
  }
}

/** The answer to our rekeying leaves out traffic that is carried. RFC 7296 §2.9.2. */
export function explainShrunk(
  connection: ConnectionConfig,
  child: ChildConfig,
  answer: { readonly localTs: readonly TrafficSelectorConfig[]; readonly remoteTs: readonly TrafficSelectorConfig[] },
): TrafficSelectorRefusal {
  const textOf = (selectors: readonly TrafficSelectorConfig[]) => selectors.map(formatTrafficSelector)
  const [local, remote] = [textOf(answer.localTs), textOf(answer.remoteTs)]
  return {
    kind: 'ts-unacceptable',
    by: 'local',
    offeredTSi: local,
    offeredTSr: remote,
    configuredLocal: textOf(child.localTs),
    configuredRemote: textOf(child.remoteTs),
    message:
      `the peer would rekey CHILD_SA ${child.name} of connection ${connection.name} for less traffic than it carries: ` +
      `${local.join(', ')} (our side) to ${remote.join(', ')} (its side)`,
    hint: `connections.${connection.name}.children.${child.name}: name the traffic selectors that the peer allows, or widen them there`,
  }
}

/** Whoever selects the child of a request selected none, or one that is not there. */
export function explainNoChild(connection: ConnectionConfig, answer: SelectChildAnswer): PeerRefusal {
  const message = answer.ok
    ? `the child "${answer.child}" was selected for a CHILD_SA of the peer, and connection ${connection.name} has none of that name`
    : answer.message
  const hint = answer.ok ? `connections.${connection.name}.children: one of that name, or select another` : answer.hint
  return { kind: 'limit', by: 'local', detail: 'select-child', message, hint }
}
