import type { ConnectionConfig, Identity, LocalAuth, RemoteAuth } from '../config.ts'

/** One authentication of ours. */
export interface LocalRound {
  readonly id: Identity
  readonly auth: LocalAuth
}

/** One authentication of the peer; `id` undefined: any. */
export interface RemoteRound {
  readonly id: Identity | undefined
  readonly auth: RemoteAuth
}

/** How we prove ourselves, one after the other. RFC 4739. */
export const localRounds = ({ local }: ConnectionConfig): readonly LocalRound[] => [
  { id: local.id, auth: local.auth },
  ...(local.further ?? []),
]

/** How the peer has to prove itself, one after the other. RFC 4739. */
export const remoteRounds = ({ remote }: ConnectionConfig): readonly RemoteRound[] => [
  { id: remote.id, auth: remote.auth },
  ...(remote.further ?? []),
]

/** Both ends may have to prove themselves more than once. */
export const hasFurtherRounds = ({ local, remote }: ConnectionConfig): boolean =>
  (local.further?.length ?? 0) > 0 || (remote.further?.length ?? 0) > 0
