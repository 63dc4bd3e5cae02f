import { IdType, NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig, Identity } from '../config.ts'
import { explainAuthenticationFailed, explainNoConnection } from '../explain/explain-auth.ts'
import { explainNoEapOnly, explainOtherMethod } from '../explain/explain-methods.ts'
import type { IkeSa } from '../ike-sa.ts'
import { find, findNotify, need } from '../message/notifies.ts'
import { identityIn } from './auth-payloads.ts'
import { identityMatches } from './identity.ts'
import { fitsMethod } from './peer-auth.ts'
import { Refused } from './refused.ts'
import { remoteRounds } from './rounds.ts'

/** The connections that take the identities of a first IKE_AUTH request. Throws `Refused`. RFC 7296 §2.15. */
export function connectionsOfIdentity(sa: IkeSa, request: readonly Payload[]): readonly ConnectionConfig[] {
  const IDr = find(request, 'IDr')
  const wantedId = IDr === undefined ? undefined : identityIn(IDr)
  const remoteId = identityIn(need(request, 'IDi'))
  sa.remoteId = remoteId
  const fitting = sa.candidates.filter((connection) => fitsIdentities(connection, remoteId, wantedId))
  if (fitting.length > 0) return fitting
  throw new Refused(explainNoConnection({ candidates: sa.candidates, remoteId, localId: wantedId }))
}

/** Those of them whose peer proves itself as this one does, in the order in which they are tried. Throws `Refused`. */
export function connectionsOfMethod(
  sa: IkeSa,
  fitting: readonly ConnectionConfig[],
  request: readonly Payload[],
): readonly ConnectionConfig[] {
  if (sa.resumed !== undefined) return fitting
  const remoteId = sa.remoteId!
  const method = find(request, 'AUTH')?.method
  const usable = fitting.filter((connection) => canAnswer(connection) && fitsMethod(connection.remote.auth, method))
  if (usable.length === 0) {
    sa.connection = fitting[0]!
    throw new Refused(
      fitting.length === 1
        ? explainAuthenticationFailed({ connection: sa.connection, remoteId, method })
        : explainOtherMethod({ fitting, remoteId, method }),
    )
  }
  if (method !== undefined) return ofRounds(usable, findNotify(request, NotifyType.ANOTHER_AUTH_FOLLOWS) !== undefined)
  const takesEapOnly = findNotify(request, NotifyType.EAP_ONLY_AUTHENTICATION) !== undefined
  const good = usable.filter(({ local }) => local.auth.method !== 'eap-only' || takesEapOnly)
  if (good.length > 0) return good
  sa.connection = usable[0]!
  throw new Refused(explainNoEapOnly({ connection: sa.connection, remoteId }))
}

/** Those that want as much of the peer as it does come first; of the others the reason is told when it is tried. */
function ofRounds(usable: readonly ConnectionConfig[], goesOn: boolean): readonly ConnectionConfig[] {
  const fits = (connection: ConnectionConfig) => remoteRounds(connection).length > 1 === goesOn
  const exact = usable.filter(fits)
  return exact.length > 0 ? exact : usable
}

/** An initiator alone proves itself by EAP. */
const canAnswer = ({ local, remote }: ConnectionConfig): boolean =>
  local.auth.method !== 'eap' &&
  remote.auth.method !== 'eap-only' &&
  (local.auth.method !== 'eap-only' || remote.auth.method === 'eap')

function fitsIdentities(connection: ConnectionConfig, remoteId: Identity, wantedId: Identity | undefined): boolean {
  const { local, remote } = connection
  // RFC 7619 §2.2: nobody is somebody only where nothing has to be proved.
  if (remoteId.type === IdType.ID_NULL && remote.auth.method !== 'null') return false
  return identityMatches(remote.id, remoteId) && (wantedId === undefined || identityMatches(local.id, wantedId))
}
