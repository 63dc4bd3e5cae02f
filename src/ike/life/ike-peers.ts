import { formatIdentity, isWildcard } from '../auth/identity.ts'
import type { Identity } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'

/**
 * The IKE_SAs of one endpoint by both identities: those that are authenticated, and those that we are setting up with a peer
 * whose identity is configured.
 */
export class IkePeers {
  readonly #sas = new Map<string, Set<IkeSa>>()

  /** Files `sa` under its identities as far as they are known. Again puts it where it belongs. */
  add(sa: IkeSa): void {
    this.remove(sa)
    const remote = sa.remoteId ?? sa.connection.remote.id
    if (remote === undefined || isWildcard(remote) || isNobody(sa)) return
    sa.peerKey = keyOf(sa.connection.local.id, remote, sa.provenPeer?.eapIdentity)
    const known = this.#sas.get(sa.peerKey)
    if (known === undefined) this.#sas.set(sa.peerKey, new Set([sa]))
    else known.add(sa)
  }

  remove(sa: IkeSa): void {
    if (sa.peerKey === undefined) return
    const known = this.#sas.get(sa.peerKey)!
    known.delete(sa)
    if (known.size === 0) this.#sas.delete(sa.peerKey)
    sa.peerKey = undefined
  }

  /** The other IKE_SAs between the same identities; undefined when the peer's is not known yet. */
  othersOf(sa: IkeSa): IkeSa[] | undefined {
    return sa.peerKey === undefined ? undefined : [...this.#sas.get(sa.peerKey)!].filter((other) => other !== sa)
  }
}

/** RFC 7619 §2.2: what nobody has proved tells no peer from another; further rounds prove other identities than that of the first. */
const isNobody = ({ connection, provenPeer }: IkeSa): boolean =>
  connection.remote.auth.method === 'null' && provenPeer?.eapIdentity === undefined

/** Users of EAP may come with an IKE identity that others have as well, such as an address of a home network. */
const keyOf = (local: Identity, remote: Identity, eapIdentity = ''): string =>
  JSON.stringify([formatIdentity(local).toLowerCase(), formatIdentity(remote).toLowerCase(), eapIdentity])
