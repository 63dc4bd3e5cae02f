import { ask, type Flow } from '../asking/flow.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { PeerRound, Verdict } from './peer-auth.ts'

/**
 * The peer has the keys of a session that it proved itself for by a certificate: is that one still good, by time and revocation? If not, its
 * tickets are void, and the next handshake is a whole one. RFC 5723 §4.3.4 leaves to us what more is checked.
 */
export function* stillGood(sa: IkeSa, { auth, connection, id, side }: PeerRound): Flow<Verdict> {
  const fingerprint = sa.resumed?.certificate ?? ''
  if (fingerprint === '') return { good: true, certificate: undefined }
  const { runtime, peerCertificates: certificates } = sa
  const answer =
    auth.method === 'pubkey'
      ? yield* ask({ kind: 'recheck', auth, connection: connection.name, id, fingerprint, certificates })
      : ({
          ok: false,
          message:
            'the session is of a peer that had proved itself by a certificate, which is not what is wanted of it',
          hint: `connections.${connection.name}.remote.auth`,
        } as const)
  if (answer.ok) return { good: true, certificate: answer.peer }
  if (side === 'initiator') runtime.tickets.revoke(connection.name, id, runtime.now)
  else runtime.emit({ kind: 'ticket-refused', sa: sa.ref, why: 'the certificate is not good any more' })
  return { good: false, no: answer }
}
