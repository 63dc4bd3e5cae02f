import { toHex } from '../bytes/index.ts'
import { localRounds } from './auth/rounds.ts'
import type { AuthStatus, IkeSaStatus } from './events.ts'
import type { IkeSa } from './ike-sa.ts'
import { isEncapsulated } from './path/nat-detection.ts'

/** An IKE_SA as users see it, without its secrets. */
export function statusOf(sa: IkeSa): IkeSaStatus {
  const { init, path, connection } = sa
  return {
    sa: sa.ref,
    state: sa.state,
    role: sa.role,
    SPIi: toHex(sa.SPIi),
    SPIr: init === undefined ? '0000000000000000' : toHex(init.SPIr),
    local: path.local,
    remote: path.remote,
    localId: connection.local.id,
    remoteId: sa.remoteId,
    auth: authOf(sa),
    suite: init?.suite.suite ?? '',
    ...sa.nat,
    mobike: sa.mobike !== undefined,
    encap: isEncapsulated(sa),
    establishedAt: sa.establishedAt,
    ...(sa.virtualIps.length === 0 ? {} : { virtualIps: sa.virtualIps }),
    ...(sa.assignedIps.length === 0 ? {} : { assignedIps: sa.assignedIps }),
    children: sa.children.map((child) => child.status()),
    lingering: sa.lingering.map(({ spiIn }) => spiIn),
  }
}

function authOf({ connection, provenPeer }: IkeSa): AuthStatus {
  const { methods = [], certificate, eapIdentity } = provenPeer ?? {}
  return {
    local: localRounds(connection).map(({ auth }) => auth.method),
    remote: methods,
    ...(certificate === undefined ? {} : { certificate }),
    ...(eapIdentity === undefined ? {} : { eapIdentity }),
  }
}
