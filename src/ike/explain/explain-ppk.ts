import { toHex } from '../../bytes/index.ts'
import { formatIdentity } from '../auth/identity.ts'
import type { ConnectionConfig, Identity, PpkConfig } from '../config.ts'
import type { AuthenticationRefusal } from './refusal.ts'

/** Who it is about. `remoteId` is undefined before the peer has told it. */
interface PpkSubject {
  readonly connection: ConnectionConfig
  readonly remoteId?: Identity | undefined
}

/** The peer does not use post-quantum pre-shared keys, and we do not go on without. RFC 8784 §3. */
export function explainNoPpk(subject: PpkSubject): AuthenticationRefusal {
  const { connection } = subject
  const id = formatPpkId(connection.ppk!.id)
  return refusal(
    subject,
    `the peer of connection ${connection.name} does not use the post-quantum pre-shared key ${id}, which is required`,
    `configure ${id} at the peer, or connections.${connection.name}.ppk.required: false to go on without it`,
  )
}

/** The peer used a PPK that we do not have, and does not go on without; or we do not. RFC 8784 §3. */
export function explainUnknownPpk(subject: PpkSubject & { readonly id: Uint8Array }): AuthenticationRefusal {
  const { connection } = subject
  const theirs = formatPpkId(subject.id)
  const ours = connection.ppk === undefined ? 'none is configured' : `configured is ${formatPpkId(connection.ppk.id)}`
  return refusal(
    subject,
    `the peer of connection ${connection.name} uses the post-quantum pre-shared key ${theirs}, ${ours}`,
    `connections.${connection.name}.ppk.id: ${theirs}, with its secret; or let the peer go on without (its PPK is required there)`,
  )
}

/** AUTH verifies without the PPK, but not with it. */
export function explainWrongPpk(subject: PpkSubject): AuthenticationRefusal {
  const { connection } = subject
  return refusal(
    subject,
    `the peer of connection ${connection.name} has another secret under the post-quantum pre-shared key ${formatPpkId(connection.ppk!.id)}`,
    `connections.${connection.name}.ppk.secret: both sides need the same octets`,
  )
}

/** As text where it is printable ASCII. */
export function formatPpkId(id: PpkConfig['id']): string {
  const isPrintable = id.length > 0 && id.every((octet) => octet > 0x20 && octet < 0x7f)
  return isPrintable ? String.fromCharCode(...id.subarray(0, 64)) : `0x${toHex(id.subarray(0, 64))}`
}

function refusal(subject: PpkSubject, message: string, hint: string): AuthenticationRefusal {
  const { connection, remoteId } = subject
  return {
    kind: 'authentication-failed',
    by: 'local',
    localId: formatIdentity(connection.local.id),
    remoteId: remoteId === undefined ? undefined : formatIdentity(remoteId),
    method: connection.remote.auth.method,
    message,
    hint,
  }
}
