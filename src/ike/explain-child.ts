import type { ChildConfig } from './config.ts'
import type { PeerRefusal } from './refusal.ts'

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
