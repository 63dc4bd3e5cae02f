import { formatIdentity } from '../auth/identity.ts'
import { type RemoteRound, remoteRounds } from '../auth/rounds.ts'
import { AuthMethod } from '../codec/numbers.ts'
import type { ConnectionConfig, Identity, RemoteAuth } from '../config.ts'
import type { No } from '../questions.ts'
import type { AuthenticationRefusal } from './refusal.ts'

// Refusals about how somebody authenticates. For our own log only: the peer learns AUTHENTICATION_FAILED. RFC 7296 §2.21.2.

interface Subject {
  readonly connection: ConnectionConfig
  /** Undefined before the peer has told it. */
  readonly remoteId: Identity | undefined
}

type Way = RemoteAuth['method']

const ways: Readonly<Record<Way, string>> = {
  psk: 'a pre-shared key',
  pubkey: 'a signature',
  eap: 'EAP',
  'eap-only': 'EAP alone',
  null: 'no proof at all',
}

/** What is configured, in words: `a pre-shared key`. */
export const wayWords = (method: Way): string => ways[method]

/** An `AuthMethod` by its name; `psk` for the pre-shared key. */
export function methodName(method: number): string {
  if (method === AuthMethod.SHARED_KEY_MIC) return 'psk'
  const name = Object.entries(AuthMethod).find(([, value]) => value === method)?.[0]
  return name ?? `authentication method ${method}`
}

/** What the peer did, by the `AuthMethod` of its AUTH; undefined: it sent none. */
export const whatPeerDid = (method: number | undefined): string =>
  method === undefined ? 'it sent no AUTH, so it wants EAP' : `it uses ${methodName(method)}`

/** Somebody of ours said no: to sign, to a certificate, to an EAP packet, to let the peer in. */
export const explainNo = (subject: Subject, method: string, { message, hint }: No): AuthenticationRefusal =>
  refusal(subject, method, message, hint)

/** The peer proves itself otherwise than any of the connections that take its identity wants. */
export function explainOtherMethod(subject: {
  readonly fitting: readonly ConnectionConfig[]
  readonly remoteId: Identity
  readonly method: number | undefined
}): AuthenticationRefusal {
  const { fitting, remoteId, method } = subject
  const [connection] = fitting as readonly [ConnectionConfig, ...ConnectionConfig[]]
  const configured = fitting.map((one) => `${wayWords(one.remote.auth.method)} (connections.${one.name})`)
  const peer = formatIdentity(remoteId)
  return refusal(
    { connection, remoteId },
    method === undefined ? 'eap' : methodName(method),
    `${peer} did not authenticate: ${whatPeerDid(method)}, configured is ${[...new Set(configured)].join(', ')}`,
    `configure ${peer} to use ${wayWords(connection.remote.auth.method)}, or connections.${connection.name}.remote.auth: what it uses`,
  )
}

/** A peer has to prove itself more often, or less often, than it does. RFC 4739. */
export function explainRounds(
  subject: Subject & { readonly done: number; readonly ours: readonly RemoteRound[]; readonly canMore: boolean },
): AuthenticationRefusal {
  const { connection, done, ours, canMore } = subject
  const configured = ours.map(({ auth }) => wayWords(auth.method)).join(', then ')
  const problem = !canMore
    ? 'it does not authenticate more than once (no MULTIPLE_AUTH_SUPPORTED)'
    : done < ours.length
      ? `it authenticated ${done === 1 ? 'once' : `${done} times`} and no more`
      : 'it wants to authenticate once more'
  return refusal(
    subject,
    ours.map(({ auth }) => auth.method).join('+'),
    `the peer of connection ${connection.name} did not authenticate as configured (${configured}): ${problem}`,
    `connections.${connection.name}.remote: one authentication for each that the peer makes`,
  )
}

/** The EAP conversation came to an end that does not do. */
export const explainEap = (
  subject: Subject & { readonly by?: 'local' | 'peer' },
  problem: string,
  hint: string,
): AuthenticationRefusal => ({
  ...refusal(subject, 'eap', `EAP for connection ${subject.connection.name}: ${problem}`, hint),
  by: subject.by ?? 'local',
})

/** We are to be proved by EAP alone, and the initiator has not said that it takes that. RFC 5998 §3. */
export const explainNoEapOnly = (subject: Subject): AuthenticationRefusal =>
  refusal(
    subject,
    'eap-only',
    `the peer of connection ${subject.connection.name} did not say that EAP alone will do (no EAP_ONLY_AUTHENTICATION)`,
    `connections.${subject.connection.name}.local.auth: pubkey, or configure the peer to trust EAP alone`,
  )

/** Only an initiator proves itself by EAP, and only a responder is proved by that of the other. RFC 7296 §2.16, RFC 5998. */
export const explainWrongSide = (
  subject: Subject,
  method: 'eap' | 'eap-only',
  side: 'initiator' | 'responder',
): AuthenticationRefusal =>
  refusal(
    subject,
    method,
    `connection ${subject.connection.name} has local.auth "${method}", with which the ${side} cannot prove itself`,
    `connections.${subject.connection.name}.local.auth: another one where we are the ${side}`,
  )

/** Nobody has answered what we needed to know. */
export const explainUnasked = (subject: Subject, kind: string): AuthenticationRefusal =>
  refusal(
    subject,
    'none',
    `nobody answered the question "${kind}" for connection ${subject.connection.name} in time`,
    `whoever answers the endpoint's questions must answer "${kind}"`,
  )

/** How a connection's peer has to prove itself, for the field `method`. */
export const configuredMethod = (connection: ConnectionConfig): string =>
  remoteRounds(connection)
    .map(({ auth }) => auth.method)
    .join('+')

function refusal(subject: Subject, method: string, message: string, hint: string): AuthenticationRefusal {
  const { connection, remoteId } = subject
  return {
    kind: 'authentication-failed',
    by: 'local',
    localId: formatIdentity(connection.local.id),
    remoteId: remoteId === undefined ? undefined : formatIdentity(remoteId),
    method,
    message,
    hint,
  }
}
