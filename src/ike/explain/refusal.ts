/**
 * Why a negotiation failed, as one typed value that feeds the log, the API and the CLI. Lists are text in the
 * notation of the configuration (proposal keywords, `10.1.0.0/16[tcp/80]`, identities), so that they can be compared by eye.
 */
export type Refusal = ProposalRefusal | TrafficSelectorRefusal | AuthenticationRefusal | IdentityRefusal | PeerRefusal

interface RefusalBase {
  /** Which side said no. */
  readonly by: 'local' | 'peer'
  /** One sentence for people: what was wrong, where, what to change. */
  readonly message: string
}

export interface ProposalRefusal extends RefusalBase {
  readonly kind: 'no-proposal-chosen'
  readonly what: 'IKE' | 'CHILD'
  /** What the peer offered; empty when the peer said no (it does not tell). */
  readonly offered: readonly string[]
  readonly configured: readonly string[]
  /** The configured and the offered proposal that are closest, and the transform types on which they differ. */
  readonly nearest?: { readonly configured: string; readonly offered: string; readonly differ: readonly string[] }
  /** The setting that would make it pass, for example `connections.office.proposals: add aes256gcm16-prfsha384-ecp384`. */
  readonly hint: string
}

export interface TrafficSelectorRefusal extends RefusalBase {
  readonly kind: 'ts-unacceptable'
  readonly offeredTSi: readonly string[]
  readonly offeredTSr: readonly string[]
  readonly configuredLocal: readonly string[]
  readonly configuredRemote: readonly string[]
  readonly hint: string
}

export interface AuthenticationRefusal extends RefusalBase {
  readonly kind: 'authentication-failed'
  readonly localId: string
  /** As the peer sent it, undefined when it did not come so far. */
  readonly remoteId: string | undefined
  readonly method: string
  readonly hint: string
}

/** No connection is configured for this peer. */
export interface IdentityRefusal extends RefusalBase {
  readonly kind: 'no-connection'
  readonly localId: string
  readonly remoteId: string
  /** The connections that were looked at, each with what did not fit. */
  readonly configured: readonly string[]
  readonly hint: string
}

/**
 * Any other error notify of the peer, a peer that broke the protocol, one that asked for more than a limit of ours, or an address inside
 * the tunnel that is needed and was not given.
 */
export interface PeerRefusal extends RefusalBase {
  readonly kind: 'peer-error' | 'protocol-error' | 'no-answer' | 'limit' | 'no-address'
  /** The notify's name, or what was broken. */
  readonly detail: string
  readonly hint: string
}
