import { formatIp, type IpAddress } from '../../ip/address.ts'
import { formatIdentity, identityMatches } from '../auth/identity.ts'
import { fitsMethod } from '../auth/peer-auth.ts'
import { AuthMethod } from '../codec/numbers.ts'
import type { ConnectionConfig, Identity, RemoteAuth } from '../config.ts'
import { configuredMethod, methodName, wayWords, whatPeerDid } from './explain-methods.ts'
import { formatPpkId } from './explain-ppk.ts'
import type { AuthenticationRefusal, IdentityRefusal } from './refusal.ts'

/**
 * The peer's AUTH is wrong or made by a method that is not configured. `method` is the number in its AUTH payload, undefined when it sent
 * none. For our own log only: the peer learns AUTHENTICATION_FAILED. RFC 7296 §2.15, §2.21.2.
 */
export function explainAuthenticationFailed(subject: {
  readonly connection: ConnectionConfig
  readonly remoteId: Identity
  readonly method: number | undefined
  /** Of the round that it was. */
  readonly auth?: RemoteAuth
}): AuthenticationRefusal {
  const { connection, method, auth = connection.remote.auth } = subject
  const remoteId = formatIdentity(subject.remoteId)
  const { problem, hint } = wrongAuth(connection, auth, remoteId, method)
  return {
    kind: 'authentication-failed',
    by: 'local',
    localId: formatIdentity(connection.local.id),
    remoteId,
    method: method === undefined ? 'none' : methodName(method),
    message: `${remoteId} did not authenticate for connection ${connection.name}: ${problem}`,
    hint,
  }
}

/**
 * The peer answered AUTHENTICATION_FAILED; it does not say why. `remoteId` when it has told its identity, `announced` when it has
 * told how it lets itself be convinced (RFC 9593).
 */
export function explainPeerRefusedAuthentication(subject: {
  readonly connection: ConnectionConfig
  readonly remoteId?: Identity | undefined
  readonly announced?: readonly { readonly method: number }[] | undefined
}): AuthenticationRefusal {
  const { connection, announced } = subject
  const methods = [...new Set(announced?.map(({ method }) => method))]
  const { auth, id } = connection.local
  const localId = formatIdentity(id)
  if (auth.method !== 'psk') {
    return {
      kind: 'authentication-failed',
      by: 'peer',
      localId,
      remoteId: subject.remoteId === undefined ? undefined : formatIdentity(subject.remoteId),
      method: auth.method,
      message: `the peer of connection ${connection.name} refused to authenticate us as ${localId} (AUTHENTICATION_FAILED)`,
      hint: `connections.${connection.name}.local: the peer must know ${localId} (local.id) and take ${wayWords(auth.method)} of it (local.auth); its log says what is not so`,
    }
  }
  if (announced !== undefined && !methods.includes(AuthMethod.SHARED_KEY_MIC)) return noPskThere(connection, methods)
  return {
    kind: 'authentication-failed',
    by: 'peer',
    localId,
    remoteId: subject.remoteId === undefined ? undefined : formatIdentity(subject.remoteId),
    method: 'psk',
    message: `the peer of connection ${connection.name} refused to authenticate us as ${localId} (AUTHENTICATION_FAILED)`,
    hint:
      `connections.${connection.name}: the peer must know ${localId} (local.id)` +
      `${connection.remote.id === undefined ? '' : `, be ${formatIdentity(connection.remote.id)} itself (remote.id)`}` +
      ' and have the same psk' +
      `${connection.ppk === undefined ? '' : ` and the post-quantum pre-shared key ${formatPpkId(connection.ppk.id)}`}` +
      '; its log says which of them is not so',
  }
}

/** What the peer takes is not what we have. */
function noPskThere(connection: ConnectionConfig, methods: readonly number[]): AuthenticationRefusal {
  const localId = formatIdentity(connection.local.id)
  const takes = methods.length === 0 ? 'nothing' : methods.slice(0, 8).map(methodName).join(', ')
  return {
    kind: 'authentication-failed',
    by: 'peer',
    localId,
    remoteId: undefined,
    method: 'psk',
    message:
      `the peer of connection ${connection.name} refused to authenticate us as ${localId} (AUTHENTICATION_FAILED): ` +
      `it announced that it takes ${takes}, and we have a pre-shared key`,
    hint: `configure the peer to take the pre-shared key of connections.${connection.name}.psk from ${localId}`,
  }
}

/** The peer of a resumed session is another one than before, or does not have its keys. RFC 5723 §4.3. */
export function explainNotResumed(subject: {
  readonly connection: ConnectionConfig
  readonly remoteId: Identity
  readonly expected: Identity
}): AuthenticationRefusal {
  const { connection } = subject
  const [remoteId, expected] = [formatIdentity(subject.remoteId), formatIdentity(subject.expected)]
  const problem = remoteId === expected ? 'its AUTH does not verify' : `the session is one with ${expected}`
  return {
    kind: 'authentication-failed',
    by: 'local',
    localId: formatIdentity(connection.local.id),
    remoteId,
    method: 'session',
    message: `${remoteId} did not resume the session of connection ${connection.name}: ${problem}`,
    hint: `connections.${connection.name}.resumption: false, to make the whole handshake each time`,
  }
}

/** The peer has another identity than the configured one. */
export function explainWrongIdentity(subject: {
  readonly connection: ConnectionConfig
  readonly remoteId: Identity
  /** Of the round that it was. */
  readonly expected?: Identity | undefined
}): AuthenticationRefusal {
  const { connection } = subject
  const remoteId = formatIdentity(subject.remoteId)
  const expected = subject.expected === undefined ? expectedId(connection) : formatIdentity(subject.expected)
  return {
    kind: 'authentication-failed',
    by: 'local',
    localId: formatIdentity(connection.local.id),
    remoteId,
    method: configuredMethod(connection),
    message: `the peer of connection ${connection.name} says that it is ${remoteId}, expected is ${expected}`,
    hint: `connections.${connection.name}.remote.id: put ${remoteId} there if that is the right peer`,
  }
}

/**
 * We, as responder, have no connection for these identities. `candidates` are the connections that fit the addresses; `localId` is whom
 * the peer asked for (IDr), if it did.
 */
export function explainNoConnection(subject: {
  readonly candidates: readonly ConnectionConfig[]
  readonly remoteId: Identity
  readonly localId: Identity | undefined
}): IdentityRefusal {
  const { candidates, remoteId, localId } = subject
  const peer = formatIdentity(remoteId)
  const wanted = localId === undefined ? '%any' : formatIdentity(localId)
  const configured = candidates.map((connection) => `${connection.name}: ${misfit(connection, remoteId, localId)}`)
  return {
    kind: 'no-connection',
    by: 'local',
    localId: wanted,
    remoteId: peer,
    configured,
    message: `no connection takes a peer ${peer} that asks for ${wanted}; looked at ${listOf(configured)}`,
    hint: identityHint(candidates, remoteId, peer, wanted),
  }
}

/** Nothing is configured for a peer at this address, so that its first message is refused before it has told an identity. */
export function explainNoConnectionAt(subject: {
  readonly connections: readonly ConnectionConfig[]
  readonly local: IpAddress
  readonly remote: IpAddress
}): IdentityRefusal {
  const local = formatIp(subject.local)
  const remote = formatIp(subject.remote)
  const show = (address: IpAddress | undefined) => (address === undefined ? '%any' : formatIp(address))
  const configured = subject.connections.map(
    (connection) => `${connection.name}: ${show(connection.local.address)} with ${show(connection.remote.address)}`,
  )
  return {
    kind: 'no-connection',
    by: 'local',
    localId: local,
    remoteId: remote,
    configured,
    message: `no connection is configured for a peer at ${remote} that reaches us at ${local}; looked at ${listOf(configured)}`,
    hint: `connections.NAME.remote.address: ${remote}, or %any for a peer at any address`,
  }
}

function wrongAuth(
  connection: ConnectionConfig,
  auth: RemoteAuth,
  remoteId: string,
  method: number | undefined,
): { problem: string; hint: string } {
  if (method === AuthMethod.SHARED_KEY_MIC && auth.method === 'psk') {
    return {
      problem: 'its AUTH does not verify, so the pre-shared keys differ',
      hint: `connections.${connection.name}.psk: both sides need the same octets (look at spaces, line ends, and 0x or 0s in front)`,
    }
  }
  const configured = wayWords(auth.method)
  if (fitsMethod(auth, method)) {
    return {
      problem: `${method === undefined ? '' : `${whatPeerDid(method)}, and `}its AUTH does not verify`,
      hint: `look at the log of ${remoteId}: it must use the same ${configured} as connections.${connection.name}.remote.auth says`,
    }
  }
  return {
    problem: `${whatPeerDid(method)}, configured is ${configured}`,
    hint:
      auth.method === 'psk'
        ? `configure ${remoteId} to use the pre-shared key of connections.${connection.name}.psk, or change connections.${connection.name}.remote: authorities for a certificate, eap`
        : `configure ${remoteId} to use ${configured}, or change connections.${connection.name}.remote.auth`,
  }
}

function misfit(connection: ConnectionConfig, remoteId: Identity, localId: Identity | undefined): string {
  const problems: string[] = []
  if (!identityMatches(connection.remote.id, remoteId)) problems.push(`remote.id is ${expectedId(connection)}`)
  if (localId !== undefined && !identityMatches(connection.local.id, localId)) {
    problems.push(`local.id is ${formatIdentity(connection.local.id)}`)
  }
  return problems.length === 0 ? 'fits' : problems.join(', ')
}

function identityHint(
  candidates: readonly ConnectionConfig[],
  remoteId: Identity,
  peer: string,
  wanted: string,
): string {
  const known = candidates.find((connection) => identityMatches(connection.remote.id, remoteId))
  if (known !== undefined)
    return `connections.${known.name}.local.id: ${wanted}, or let the peer ask for the one that is there`
  const name = candidates.length === 1 ? candidates[0]!.name : 'NAME'
  return `connections.${name}.remote.id: ${peer}, or %any for every peer that has the key`
}

const expectedId = ({ remote }: ConnectionConfig): string =>
  remote.id === undefined ? '%any' : formatIdentity(remote.id)

const listOf = (texts: readonly string[]): string => (texts.length === 0 ? 'nothing' : texts.join('; '))
